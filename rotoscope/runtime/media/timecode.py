"""Timecode of a film, hours:minutes:seconds:frames; a semicolon before the frames marks drop-frame (SMPTE ST 12-1)."""

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction

_FORM = re.compile(r"(\d{2}):(\d{2}):(\d{2})([:;.])(\d{2,3})")


def timecode_in(metadata: Iterable[Mapping[str, str]]) -> str:
    """The first valid timecode in the metadata of a file and its streams; empty if there is none."""
    for entries in metadata:
        for key, value in entries.items():
            if key.lower() == "timecode" and _FORM.fullmatch(value):
                return value
    return ""


def shifted(timecode: str, seconds: Fraction, rate: Fraction) -> str:
    """A timecode some seconds later, at a frame rate; drop-frame skips numbers of frames as ST 12-1 says."""
    found = _FORM.fullmatch(timecode)
    assert found is not None
    hours, minutes, secs, frames = (int(found.group(group)) for group in (1, 2, 3, 5))
    mark = found.group(4)
    nominal = round(rate)
    drop = nominal // 15 if mark != ":" and nominal % 30 == 0 else 0  # 2 numbers a minute at 29.97, 4 at 59.94
    number = ((hours * 60 + minutes) * 60 + secs) * nominal + frames
    passed = hours * 60 + minutes
    number -= drop * (passed - passed // 10)
    number += round(seconds * rate)
    if drop:
        a_minute = nominal * 60 - drop
        tens, rest = divmod(number, a_minute * 10 + drop)
        number += drop * (9 * tens + (max(0, rest - drop) // a_minute if rest >= drop else 0))
    whole, frames = divmod(number, nominal)
    hours, minutes, secs = whole // 3600 % 24, whole // 60 % 60, whole % 60
    return f"{hours:02d}:{minutes:02d}:{secs:02d}{mark}{frames:02d}"
