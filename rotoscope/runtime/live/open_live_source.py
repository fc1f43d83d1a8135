"""Open the live source that a user's word names: a network stream, a camera, a screen, the demo, generated frames, a pipe."""

import functools
from collections.abc import Callable
from pathlib import Path

from rotoscope.base.errors import UsageError
from rotoscope.base.live import LiveSource
from rotoscope.runtime.live.interruption import Interruption
from rotoscope.runtime.live.sources.camera_source import Camera
from rotoscope.runtime.live.sources.file_camera import file_camera
from rotoscope.runtime.live.sources.network_addresses import network_address
from rotoscope.runtime.live.sources.network_source import NetworkStream
from rotoscope.runtime.live.sources.piped_source import PipedSource
from rotoscope.runtime.live.sources.reconnecting import ReconnectingSource
from rotoscope.runtime.live.sources.screen_source import PREFIX as SCREEN
from rotoscope.runtime.live.sources.screen_source import Screen
from rotoscope.runtime.live.sources.synthetic_camera import SyntheticCamera
from rotoscope.runtime.media.synthetic import PREFIX, parse_synthetic

DEMO = "demo:"
DECODER_THREADS = 2
ACCEPTED = (
    "an address (rtsp://, rtmp://, http://, udp:// ...), /dev/videoN, screen:, demo:, synthetic:640x360@30, "
    "- for y4m on standard input"
)


def open_live_source(
    text: str,
    *,
    give_up_after_s: float | None = None,
    rtsp_transport: str = "tcp",
    tls_ca: str | None = None,
    with_sound: bool = True,
    demo_clip: Callable[[], Path] | None = None,
    threads: int = DECODER_THREADS,
) -> LiveSource:
    """Make a live source; it connects when it is iterated.

    text             what the user named: an address, /dev/videoN[,WIDTHxHEIGHT][@RATE],
                     screen:[:DISPLAY[+X,Y]][,WIDTHxHEIGHT][@RATE], demo:, synthetic:WIDTHxHEIGHT[@RATE[:FRAMES]], or - for y4m
                     on standard input
    give_up_after_s  raise InputRefused after this time without a picture, 0: at the first failure; None: never
    rtsp_transport   "tcp" or "udp"
    tls_ca           as in `certificate_options`
    with_sound       decode the sound of the source
    demo_clip        returns the file that demo: plays, and makes it if need be; called when the source is iterated
    threads          of the decoder

    Raises UsageError for a word that is not accepted.
    """
    if give_up_after_s is not None and not give_up_after_s >= 0:
        raise UsageError(f"give up after {give_up_after_s} s; accepted: a number of seconds, not below 0")
    if text == "-":
        return PipedSource()
    if text == DEMO:
        if demo_clip is None:
            raise UsageError(f"{DEMO} needs a clip; `rotoscope live` brings one, other callers pass demo_clip")
        return file_camera(DEMO, demo_clip, with_sound=with_sound, threads=threads)
    if text.startswith(PREFIX):
        return SyntheticCamera(*parse_synthetic(text))
    connecting = functools.partial(ReconnectingSource, give_up_after_s=give_up_after_s, with_sound=with_sound)
    if text.startswith("/dev/video"):
        return connecting(text, Camera(text, threads=threads).connect)
    if text.startswith(SCREEN):
        return connecting(text, Screen(text, threads=threads).connect)
    if "://" in text:
        address = network_address(text, rtsp_transport=rtsp_transport, tls_ca=tls_ca)
        interruption = Interruption()
        stream = NetworkStream(address, interruption=interruption, threads=threads)
        return connecting(address.shown, stream.connect, interruption=interruption)
    if Path(text).is_file():
        raise UsageError(f"live source {text!r} is a file: rotoscope translate takes it; accepted: {ACCEPTED}")
    raise UsageError(f"live source {text!r}; accepted: {ACCEPTED}")
