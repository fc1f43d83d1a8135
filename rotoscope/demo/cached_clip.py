"""The demo clip as a file in the user's cache, made once."""

from pathlib import Path

from rotoscope.demo.clip import make_clip
from rotoscope.runtime.models.cache import cached, key_of

_SCENE = 1  # to be raised when the clip looks different, so that an old one is not used


def cached_clip() -> Path:
    """Return the file of the demo clip, five seconds of 640x360 with sound; made if it is missing, which takes some seconds.

    Raises UsageError if the cache folder cannot be used, and OutputFailed on a full disk.
    """
    return cached("clips", f"demo-{key_of(scene=_SCENE)}.mp4", make_clip)
