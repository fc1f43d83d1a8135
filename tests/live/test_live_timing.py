"""The parts of a live source that decide by time: clock, backlog, pace, pauses between attempts. No test waits."""

import itertools
import random
from fractions import Fraction as F

import pytest

from rotoscope.runtime.live.backoff import Backoff
from rotoscope.runtime.live.sources.backlog import MOST_SECONDS as LONGEST_BACKLOG
from rotoscope.runtime.live.sources.backlog import Backlog
from rotoscope.runtime.live.sources.key_frame_gate import LONGEST_HOLD_SECONDS, KeyFrameGate
from rotoscope.runtime.live.sources.live_clock import TIME_BASE, LiveClock
from rotoscope.runtime.live.sources.pace import Pace


def seconds(clock, stream_s, arrival_s):
    return float(clock.frame(None if stream_s is None else F(stream_s), arrival_s) * TIME_BASE)


def test_times_follow_the_clock_of_the_stream_and_not_the_arrival():
    clock = LiveClock()
    assert [seconds(clock, F(90 + n, 30), 5 + n / 30 + (n % 3) / 100) for n in range(6)] == pytest.approx(
        [n / 30 for n in range(6)], abs=1e-5
    )


def test_frames_without_times_are_placed_by_arrival_and_sound_waits():
    clock = LiveClock()
    assert [seconds(clock, None, arrival) for arrival in (7.0, 7.1)] == pytest.approx([0, 0.1], abs=1e-4)
    assert clock.seconds(F(3)) is None
    assert seconds(clock, 3, 7.2) == pytest.approx(0.2, abs=1e-4)
    assert float(clock.seconds(F(7, 2))) == pytest.approx(0.7, abs=1e-4)


def test_after_a_reconnect_times_go_on_by_the_time_that_has_passed():
    clock = LiveClock()
    assert seconds(clock, 1000, 1.0) == 0
    clock.reconnected()
    assert clock.seconds(F(1000)) is None
    assert seconds(clock, 5, 4.5) == pytest.approx(3.5, abs=1e-4)
    clock.reconnected()
    assert seconds(clock, 5, 4.5) == pytest.approx(3.5, abs=1e-4)  # at the same moment: one tick later


@pytest.mark.parametrize("stream_s", [10.0, 9.9, 0.0, 100_000.0, -5.0])
def test_a_clock_that_stands_or_jumps_is_replaced_by_the_arrival(stream_s):
    clock = LiveClock()
    seconds(clock, 10, 1.0)
    assert seconds(clock, stream_s, 1.04) == pytest.approx(0.04, abs=1e-4)
    assert seconds(clock, stream_s + 0.5, 1.06) == pytest.approx(0.54, abs=1e-4)  # and then followed again


def test_a_gap_of_the_stream_stays():
    clock = LiveClock()
    seconds(clock, 0, 1.0)
    assert seconds(clock, 60, 61.0) == 60


def test_times_always_increase():
    clock = LiveClock()
    random_ = random.Random(3)
    times = []
    for _ in range(2000):
        if random_.random() < 0.05:
            clock.reconnected()
        stream_s = random_.choice([None, F(random_.randrange(-1000, 1000), 7)])
        times.append(clock.frame(stream_s, random_.uniform(0, 100)))
    assert all(later > earlier for earlier, later in itertools.pairwise(times))


def over(packets):
    backlog = Backlog()
    found = []
    for stream_s, arrival_s in packets:
        backlog.received(None if stream_s is None else F(stream_s), arrival_s)
        found.append(backlog.is_over)
    return found


def test_a_backlog_ends_where_packets_come_at_their_time():
    kept = [(n / 30, 0.001 * n) for n in range(60)]
    live = [(2 + n / 30, 0.06 + n / 30) for n in range(6)]
    found = over(kept + live)
    assert found.index(True) in (61, 62, 63) and all(found[63:])


def test_one_late_packet_is_no_end_of_a_backlog():
    late = [(n / 30, 0.001 * n + (0.03 if n >= 20 else 0)) for n in range(60)]
    assert not any(over(late))


def test_without_a_backlog_few_packets_are_left_out():
    assert over([(n / 30, 9 + n / 30) for n in range(5)]) == [False, False, False, True, True]
    assert over([(n, 9 + n) for n in range(3)]) == [False, True, True]  # one picture a second


def test_a_sender_that_is_always_faster_is_taken_as_it_is_after_a_while():
    packets = [(n / 30, n / 300) for n in range(3000)]
    assert over(packets).index(True) == pytest.approx(LONGEST_BACKLOG * 300, abs=2)


def test_packets_without_times_end_no_backlog_but_the_limit_does():
    assert over([(None, 0.0), (None, 1.0), (None, LONGEST_BACKLOG + 0.1)]) == [False, False, True]


def test_nothing_is_delivered_before_a_key_frame_and_after_damage():
    gate = KeyFrameGate()

    def packet(stream_s, *, key=False, damaged=False):
        gate.packet(F(stream_s), float(stream_s), is_key=key, is_damaged=damaged)
        return gate.has_begun, gate.delivers(F(stream_s))

    assert packet(0) == (False, False)
    assert packet(1, key=True) == (True, True)
    assert packet(2) == (True, True)
    assert packet(3, damaged=True) == (True, False)
    assert packet(4) == (True, False)
    assert packet(5, key=True, damaged=True) == (True, False)
    # A mark comes up to two packets early: these key frames may be what was damaged.
    assert [packet(at, key=True) for at in (6, 7)] == [(True, False)] * 2
    gate.packet(F(8), 8.0, is_key=True, is_damaged=False)
    # The decoder delays: what it shows now was damaged before.
    assert not gate.delivers(F(4)) and gate.delivers(F(8))
    assert gate.delivers(None)


@pytest.mark.parametrize("is_shown", [True, False])
def test_a_clock_that_begins_again_closes_nothing(is_shown):
    """A publisher that was replaced counts from 0; the gate is open, whether or not its key frame was shown before that."""
    gate = KeyFrameGate()
    gate.packet(F(100), 1.0, is_key=True, is_damaged=False)
    if is_shown:
        assert gate.delivers(F(100))
    gate.packet(F(0), 2.0, is_key=True, is_damaged=False)
    assert gate.delivers(F(0))
    gate.packet(F(1), 3.0, is_key=False, is_damaged=False)
    assert gate.delivers(F(1))


def test_without_key_frames_pictures_come_again_after_the_limit():
    gate = KeyFrameGate()
    gate.packet(F(0), 100.0, is_key=False, is_damaged=False)
    gate.packet(F(1), 100.0 + LONGEST_HOLD_SECONDS, is_key=False, is_damaged=False)
    assert not gate.has_begun
    gate.packet(F(2), 100.1 + LONGEST_HOLD_SECONDS, is_key=False, is_damaged=False)
    assert gate.has_begun and gate.delivers(F(2))
    gate.damaged(200.0)
    gate.packet(F(3), 201.0, is_key=False, is_damaged=True)  # a limit is counted from the first damage
    gate.packet(F(4), 200.1 + LONGEST_HOLD_SECONDS, is_key=False, is_damaged=False)
    assert gate.delivers(F(4))
    # A sender that counts its packets wrong marks all of them: they are not believed for ever.
    gate.packet(F(5), 201.0 + LONGEST_HOLD_SECONDS, is_key=False, is_damaged=True)
    assert gate.delivers(F(5))


class Hands:
    """A clock that stands still unless someone waits; `delays` are the waits."""

    def __init__(self):
        self.now, self.delays = 50.0, []

    def clock(self):
        return self.now

    def wait(self, seconds):
        self.delays.append(seconds)
        self.now += seconds
        return False


def test_pace_waits_for_each_frame_and_counts_the_work_in_between():
    hands = Hands()
    pace = Pace(hands.wait, hands.clock)
    for n in range(4):
        assert pace.wait_until_due(F(1000 + n)) is False
        hands.now += 0.25
    assert hands.delays == pytest.approx([0.75] * 3)


def test_pace_catches_up_a_little_and_begins_again_when_much_too_late():
    hands = Hands()
    pace = Pace(hands.wait, hands.clock)
    pace.wait_until_due(0)
    hands.now += 0.3
    pace.wait_until_due(F(1, 10))
    pace.wait_until_due(F(4, 10))
    assert hands.delays == pytest.approx([0.1])
    hands.now += 60
    pace.wait_until_due(F(5, 10))
    pace.wait_until_due(F(6, 10))
    assert hands.delays == pytest.approx([0.1, 0.1])


def test_pace_does_not_wait_for_a_jump():
    hands = Hands()
    pace = Pace(hands.wait, hands.clock)
    for stream_s in (0, 100, 101, 50):
        pace.wait_until_due(stream_s)
    assert hands.delays == pytest.approx([1])
    pace = Pace(hands.wait, hands.clock, longest_gap_s=1000)
    for stream_s in (0, 100):
        pace.wait_until_due(stream_s)
    assert hands.delays == pytest.approx([1, 100])


def test_pace_says_when_its_wait_was_ended():
    hands = Hands()
    pace = Pace(lambda _seconds: True, hands.clock)
    assert pace.wait_until_due(0) is False
    assert pace.wait_until_due(1) is True


def test_pauses_double_to_five_seconds_with_jitter_and_begin_again():
    backoff = Backoff(random.Random(1))
    delays = [backoff.delay() for _ in range(8)]
    assert delays == pytest.approx([0.25, 0.5, 1, 2, 4, 5, 5, 5], rel=0.2)
    assert len({round(delay / 5, 3) for delay in delays[5:]}) == 3
    backoff.reset()
    assert backoff.delay() == pytest.approx(0.25, rel=0.2)
