"""Files and words that make FFmpeg open other files or addresses: playlists, scripts, descriptions of streams, protocols.

Each lies beside a clip `secret.mkv`. All are refused as inputs, and no connection is made.
"""

from collections.abc import Iterator
from pathlib import Path

from promises.corpus.clips import clip
from promises.corpus.entry import INPUT, Entry, nothing, translated

SECRET = "secret.mkv"

HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.0,\n{}\n#EXT-X-ENDLIST\n"
TEXTS = {
    "hls.m3u8": HLS.format(SECRET),
    "hls-up.m3u8": HLS.format("../" + SECRET),
    "hls-absolute.m3u8": HLS.format("file:///etc/hostname"),
    "hls-http.m3u8": HLS.format("http://127.0.0.1:9/x.ts"),
    "hls-concat.m3u8": HLS.format("concat:secret.mkv|secret.mkv"),
    "hls-crypto.m3u8": HLS.replace("#EXTINF", '#EXT-X-KEY:METHOD=AES-128,URI="/etc/hostname"\n#EXTINF').format(SECRET),
    "hls-map.m3u8": HLS.replace("#EXTINF", '#EXT-X-MAP:URI="secret.mkv"\n#EXTINF').format(SECRET),
    "hls-master.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhls.m3u8\n",
    "hls-itself.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhls-itself.m3u8\n",
    "hls-as-video.mp4": HLS.format(SECRET),
    "hls-as-video.ts": HLS.format(SECRET),
    "hls-as-picture.png": HLS.format(SECRET),
    "hls-with-mark.m3u8": "\ufeff" + HLS.format(SECRET),
    "ffconcat.txt": f"ffconcat version 1.0\nfile {SECRET}\n",
    "ffconcat.ffconcat": f"ffconcat version 1.0\nfile '{SECRET}'\nduration 1\n",
    "ffconcat.mp4": "ffconcat version 1.0\nfile /etc/hostname\n",
    "ffconcat-itself.ffconcat": "ffconcat version 1.0\nfile ffconcat-itself.ffconcat\n",
    "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\n",
    "session.mp4": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5006 RTP/AVP 26\n",
    "dash.mpd": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static'><Period><AdaptationSet "
    "mimeType='video/mp4'><Representation id='1' bandwidth='1'><BaseURL>secret.mkv</BaseURL></Representation>"
    "</AdaptationSet></Period></MPD>",
    "entity.mpd": "<?xml version='1.0'?><!DOCTYPE m [<!ENTITY x SYSTEM 'file:///etc/hostname'>]><MPD>&x;</MPD>",
    "picture.svg": f"<svg xmlns='http://www.w3.org/2000/svg'><image href='{SECRET}' width='10' height='10'/></svg>",
    "picture-as.png": "<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
    "list.pls": "[playlist]\nFile1=secret.mkv\nNumberOfEntries=1\n",
    "list.asx": "<asx version='3.0'><entry><ref href='secret.mkv'/></entry></asx>",
    "list.wpl": "<?wpl version='1.0'?><smil><body><seq><media src='secret.mkv'/></seq></body></smil>",
    "list.smil": "<smil><body><video src='secret.mkv'/></body></smil>",
    "rtsp.txt": "rtsp://127.0.0.1:9/stream\n",
    "redirect.ram": "http://127.0.0.1:9/clip.rm\n",
    "reference.mov": "RTSPtext\rrtsp://127.0.0.1:9/x\r",
    "script.avs": 'DirectShowSource("secret.mkv")\n',
    "script.vpy": "import os\nos.system('touch pwned')\n",
    "subtitles.srt": "1\n00:00:00,000 --> 00:00:01,000\nhello\n",
    "subtitles.ass": "[Script Info]\nScriptType: v4.00+\n[Events]\nDialogue: 0,0:00:00.00,0:00:01.00,x,,0,0,0,,hi\n",
    "metadata.ffmeta": ";FFMETADATA1\ntitle=x\n",
    "effects.txt": "effect: secret.mkv\n",
    "tedcaptions.json": '{"captions":[{"duration":1,"content":"x","startTime":0}]}',
}

PROTOCOLS = (
    "concat:secret.mkv|secret.mkv",
    "concatf:list.txt",
    "subfile,,start,0,end,0,,:secret.mkv",
    "cache:secret.mkv",
    "async:secret.mkv",
    "file:secret.mkv",
    "file:///etc/hostname",
    "http://127.0.0.1:9/a.mp4",
    "https://127.0.0.1:9/a.mp4",
    "http:a.mp4",
    "rtsp://127.0.0.1:9/a",
    "rtmp://127.0.0.1:9/a",
    "tcp://127.0.0.1:9",
    "udp://127.0.0.1:9",
    "pipe:0",
    "fd:0",
    "unix:/tmp/x",
    "data:video/mp4;base64,AAAA",
    "crypto:secret.mkv",
    "gopher://127.0.0.1:9/x",
    "ftp://127.0.0.1:9/x",
    "smb://127.0.0.1/x",
    "sftp://127.0.0.1:9/x",
    "srt://127.0.0.1:9",
    "tee:secret.mkv",
    "hls+file:hls.m3u8",
    "lavfi:testsrc",
    "/dev/video0",
    "synthetic:",
    "synthetic:0x0@30",
    "synthetic:999999999x2@1",
    "synthetic:64x48@0",
)


def entries() -> Iterator[Entry]:
    """Yield about 70 entries."""
    for name, text in TEXTS.items():
        yield Entry(f"playlist/{name}", translated(name), INPUT, _beside_the_secret(name, text.encode()))
    for word in PROTOCOLS:
        codes = INPUT | {2} if word.startswith("synthetic:") else INPUT
        yield Entry(f"protocol/{word}", translated(word), codes, _secret)
    yield Entry("protocol/empty-word", translated(""), INPUT | {2}, nothing)


def _beside_the_secret(name: str, data: bytes):
    def make(folder: Path) -> None:
        _secret(folder)
        (folder / name).write_bytes(data)

    return make


def _secret(folder: Path) -> None:
    (folder / SECRET).write_bytes(clip("mkv"))
