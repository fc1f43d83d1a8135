"""Only regular local files are opened, by content, and nothing that could lead to another file or the network."""

import os
from pathlib import Path

import pytest
import tiny_clips

import rotoscope

PLAYLISTS = {
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{canary}\n#EXT-X-ENDLIST\n",
    "plain.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{canary}\n#EXT-X-ENDLIST\n",
    "list.ffconcat": "ffconcat version 1.0\nfile '{canary}'\n",
    "call.sdp": "v=0\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "list.mpd": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period/></MPD>\n',
    "list.pls": "[playlist]\nFile1={canary}\nNumberOfEntries=1\n",
    "video.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{canary}\n#EXT-X-ENDLIST\n",
}


@pytest.fixture
def canary(tmp_path):
    return tiny_clips.write_clip(tmp_path / "canary.ts", muxer="mpegts")


def refusal(path):
    with pytest.raises(rotoscope.InputRefused) as error, rotoscope.read(path):
        pass
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", PLAYLISTS)
def test_playlists_and_scripts_are_refused_whatever_they_are_called(name, canary, tmp_path):
    (tmp_path / name).write_text(PLAYLISTS[name].format(canary=canary))
    assert "a playlist or script" in refusal(tmp_path / name)


@pytest.mark.parametrize("prefix", ["concat:", "file:", "subfile,,start,0,end,100,,:", "cache:", "async:", "crypto:"])
def test_a_protocol_in_front_of_a_real_file_is_only_a_strange_name(prefix, canary, here):
    assert "no such file" in refusal(f"{prefix}{canary.name}")


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/x.mp4", "rtsp://127.0.0.1/x", "file:///etc/passwd"])
def test_addresses_are_refused(address):
    assert "addresses are not read" in refusal(address)


@pytest.mark.parametrize("name", ["concat:a|b.mp4", "-leading.mp4", "what %s is?.mp4", "new\nline.mp4", "ünï cødé.mp4"])
def test_names_that_look_like_something_else_are_read_as_files(name, tmp_path):
    with rotoscope.read(tiny_clips.write_clip(tmp_path / "plain.mp4").rename(tmp_path / name)) as reader:
        assert len(list(reader)) == 8


def test_a_fifo_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo.mp4")
    assert "not a regular file" in refusal(tmp_path / "fifo.mp4")


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no /dev/zero here")  # noqa: PTH110
def test_a_device_is_refused_at_once():
    assert "not a regular file" in refusal("/dev/zero")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no /proc")
def test_a_file_that_opens_and_cannot_be_read_is_refused():
    assert "cannot be read" in refusal("/proc/self/mem")


def test_a_missing_file_and_one_without_permission(tmp_path):
    assert "no such file" in refusal(tmp_path / "missing.mp4")
    assert "no such file" in refusal(tmp_path / "missing" / "clip.mp4")


@pytest.mark.parametrize(("content", "words"), [
    (b"", "an empty file"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "Git LFS pointer"),
    (b"<!DOCTYPE html><html><body>404</body></html>", "a web page"),
    (b"\x00\x01\x02 nothing that anybody knows" * 50, "not a video or picture"),
    (b"import os\nos.system('true')\n", "not a video or picture"),
])  # fmt: skip
def test_what_is_not_media_is_named(content, words, tmp_path):
    (tmp_path / "clip.mp4").write_bytes(content)
    assert words in refusal(tmp_path / "clip.mp4")


def test_an_svg_or_a_text_is_not_drawn(tmp_path):
    (tmp_path / "a.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    (tmp_path / "a.txt").write_text("hello\n" * 100)
    refusal(tmp_path / "a.svg")
    refusal(tmp_path / "a.txt")


def test_the_content_decides_and_not_the_ending(videos):
    with rotoscope.read(videos / "nasty" / "picture_named.mp4") as reader:
        assert reader.is_picture
        assert (reader.info.width, reader.info.height) == (979, 734)


def test_a_file_that_claims_a_giant_picture_is_refused_without_the_memory(tmp_path):
    gif = b"GIF89a" + (16000).to_bytes(2, "little") * 2 + b"\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
    (tmp_path / "bomb.gif").write_bytes(gif)
    refusal(tmp_path / "bomb.gif")
