"""The loop that runs stages: resets at cuts, flushes at the end, and closes what it reads."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotoscope.base.frame import Frame, Picture
from rotoscope.base.stage import Chain, run_stage

PICTURE = Picture((np.zeros((2, 2, 3), np.uint8),))


def frames(num, cuts=()):
    return [Frame(n, n, Fraction(1, 25), 1, PICTURE, cut=n in cuts) for n in range(num)]


class Hold:
    """Holds so many frames back; notes what happens to it."""

    def __init__(self, look_ahead=0, spans_cuts=False):
        self.look_ahead, self.spans_cuts, self.held, self.log = look_ahead, spans_cuts, [], []

    def reset(self):
        self.log.append("reset")
        self.held = []

    def step(self, frame):
        self.log.append(frame.index)
        self.held.append(frame)
        return [self.held.pop(0)] if len(self.held) > self.look_ahead else []

    def flush(self):
        self.log.append("flush")
        held, self.held = self.held, []
        return held


def test_a_stage_is_reset_first_and_flushed_and_reset_at_a_cut_and_at_the_end():
    stage = Hold()
    list(run_stage(stage, frames(3, cuts=(2,))))
    assert stage.log == ["reset", 0, 1, "flush", "reset", 2, "flush", "reset"]


def test_a_stage_that_spans_cuts_is_left_alone_there():
    stage = Hold(spans_cuts=True)
    list(run_stage(stage, frames(3, cuts=(2,))))
    assert stage.log == ["reset", 0, 1, 2, "flush", "reset"]


@given(num=st.integers(0, 12), cuts=st.sets(st.integers(0, 12)), holds=st.lists(st.integers(0, 4), max_size=4))
def test_a_chain_loses_nothing_and_keeps_the_order(num, cuts, holds):
    given_frames = frames(num, cuts)
    chain = Chain([Hold(hold, spans_cuts=hold == 3) for hold in holds])
    assert list(run_stage(chain, given_frames)) == given_frames
    assert chain.look_ahead == sum(holds)


@given(
    num=st.integers(0, 12), cuts=st.sets(st.integers(0, 12)), holds=st.lists(st.integers(0, 4), min_size=1, max_size=4)
)
def test_a_chain_equals_its_stages_one_after_the_other(num, cuts, holds):
    apart = [Hold(hold) for hold in holds]
    together = [Hold(hold) for hold in holds]
    stream = frames(num, cuts)
    for stage in apart:
        stream = list(run_stage(stage, stream))
    assert list(run_stage(Chain(together), frames(num, cuts))) == stream
    assert [[item for item in stage.log if item != "reset"] for stage in together] == [
        [item for item in stage.log if item != "reset"] for stage in apart
    ]


def test_a_cut_that_a_stage_finds_reaches_the_stages_after_it():
    class CutAtThree(Hold):
        def step(self, frame):
            return [replace(frame, cut=frame.index == 3)]

    after = Hold()
    list(run_stage(Chain((CutAtThree(), after)), frames(5)))
    assert after.log == ["reset", 0, 1, 2, "flush", "reset", 3, 4, "flush", "reset"]


def test_closing_closes_what_is_read():
    closed = []

    def source():
        try:
            yield from frames(10)
        finally:
            closed.append(True)

    stream = run_stage(Hold(), source())
    next(stream)
    stream.close()
    assert closed == [True]


def test_an_error_of_a_stage_leaves_it_reset():
    class Breaks(Hold):
        def step(self, frame):
            super().step(frame)
            raise ValueError("broken")

    stage = Breaks(2)
    with pytest.raises(ValueError, match="broken"):
        list(run_stage(stage, frames(2)))
    assert stage.held == []


def test_frames_before_an_error_of_the_source_come_first():
    def source():
        yield from frames(4)
        raise OSError("the cable is out")

    got = []
    with pytest.raises(OSError, match="cable"):
        for frame in run_stage(Chain((Hold(2), Hold(1))), source()):
            got.append(frame.index)
    assert got == [0, 1, 2, 3]
