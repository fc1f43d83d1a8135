"""Choose how many frames of a live stream are translated, so that the machine keeps up with the source."""

import math

BUSY = 0.85  # share of the time between two frames that the stages may use: decoding and encoding need the rest


def frames_per_key(translated_s: float, carried_s: float | None, frame_s: float, most: int) -> int:
    """The least n such that one translated frame and n - 1 carried ones take at most BUSY * n * frame_s; at most `most`.

    translated_s  seconds for a frame that the network translates
    carried_s     seconds for a frame whose result is moved along the motion; None: not measured yet, taken as a quarter
    frame_s       seconds between two frames of the source
    """
    allowed = BUSY * frame_s
    if translated_s <= allowed or most == 1:
        return 1
    carried = translated_s / 4 if carried_s is None else min(carried_s, translated_s)
    if carried >= allowed:
        return most
    return min(most, math.ceil((translated_s - carried) / (allowed - carried)))
