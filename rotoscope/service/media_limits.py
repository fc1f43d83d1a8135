"""Whether a file that was sent is what the request says, and within the limits, as far as its header tells."""

from pathlib import Path

from rotoscope.base.errors import InputRefused
from rotoscope.base.sizes import parse_size
from rotoscope.runtime.media.open_source import open_source
from rotoscope.service.media_types import PICTURES, TYPES
from rotoscope.service.options import ServeOptions
from rotoscope.service.refusals import Refused


def check_upload(path: Path, working_size: str | None, limits: ServeOptions) -> None:
    """Raise InputRefused for a file of another kind, Refused with 413 for one beyond the limits.

    The header of a clip may be wrong about its length: the time of the job is what limits its work.
    """
    with open_source(str(path)) as source:
        info = source.info
        is_still = TYPES[path.suffix] in PICTURES
        if is_still != source.is_picture:
            kind = "a still picture" if source.is_picture else "a clip"
            raise InputRefused(f"the file is {kind}; accepted here: {'a still picture' if is_still else 'a clip'}")
        size = (info.width, info.height)
        for what, (width, height) in (
            ("the picture", size),
            ("working_size", parse_size(working_size, size) if working_size else size),
        ):
            if width * height > limits.megapixels * 1e6:
                raise Refused(
                    413, f"{what} is {width}x{height}; accepted: at most {limits.megapixels:g} million pixels"
                )
        seconds = info.duration_seconds
        if not is_still and seconds is not None and seconds > limits.clip_seconds:
            raise Refused(413, f"the clip takes {seconds:.1f} seconds; accepted: at most {limits.clip_seconds:g}")
