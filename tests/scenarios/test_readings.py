"""What is summed up of frames and sound that arrive at known times."""

from fractions import Fraction

import numpy as np
import pytest

from rotoscope.base.frame import Picture
from rotoscope.base.live import SOUND_RATE, Sound
from rotoscope.runtime.media.frame_code import NUMBERS, FrameCode, write_code
from rotoscope.scenarios.readings import Readings, luma_of, sound_offsets_ms


class Sent:
    """A camera that has sent frames at a rate: frame n at n / rate seconds."""

    def __init__(self, rate=20):
        self.rate, self.num_sent = rate, 0

    def frame_of(self, number):
        return number if number < self.num_sent else None

    def sent_s(self, frame):
        return frame / self.rate


class Rig:
    """Readings whose clock the test moves."""

    def __init__(self):
        self.sent, self.now = Sent(), 0.0
        self.readings = Readings(self.sent, clock=lambda: self.now)

    def arrives(self, number, at_s, **marks):
        """Frame `number` arrives; by then, the camera has sent all that were due."""
        self.now, self.sent.num_sent = at_s, int(at_s * self.sent.rate + 1e-6) + 1
        self.readings.see(picture(number, **marks), Fraction(number or 0, self.sent.rate))


def picture(number, **marks):
    luma = np.full((64, 64), 90, np.uint8)
    if number is not None:
        write_code(luma, FrameCode(number, **marks))
    return Picture((luma,))


@pytest.fixture
def rig():
    return Rig()


def test_a_constant_delay(rig):
    for number in range(100):
        rig.arrives(number, number / 20 + 0.01)
    latency = rig.readings.latency(0, 5)
    assert (latency.frames, latency.fps, latency.seconds) == (100, 20, 5)
    assert (latency.p50_ms, latency.p99_ms, latency.max_ms, latency.drift_ms) == (10, 10, 10, 0)
    assert (latency.first_second_behind, latency.last_second_behind) == (0, 0)
    assert (latency.lost, latency.repeated, latency.out_of_order, latency.unreadable, latency.inverted) == (0,) * 5


def test_a_delay_that_grows_is_drift_and_frames_behind(rig):
    for number in range(100):
        rig.arrives(number, number / 20 * 1.5)  # a queue before a network that is too slow
    latency = rig.readings.latency(0, 10)
    assert latency.drift_ms == pytest.approx(2150, abs=100)
    assert latency.first_second_behind <= 4 and latency.last_second_behind > 40


def test_what_is_missing_twice_and_in_the_wrong_order_is_counted(rig):
    for place, number in enumerate([0, 1, 4, 3, 3, 8, None, 9]):
        rig.arrives(number, 1 + place / 20)
    latency = rig.readings.latency(0, 10)
    assert (latency.lost, latency.repeated, latency.out_of_order, latency.unreadable) == (4, 1, 1, 1)
    assert latency.frames == 7


def test_the_longest_time_without_a_frame(rig):
    for number, at_s in enumerate([1, 1.05, 2.3, 2.35]):
        rig.arrives(number, at_s)
    assert rig.readings.latency(0, 5).longest_gap_ms == 1250


def test_only_the_time_asked_for_is_summed_up(rig):
    for number in range(100):
        rig.arrives(number, number / 20 + (0.5 if number < 40 else 0.01))
    latency = rig.readings.latency(3, 4)
    assert (latency.frames, latency.max_ms) == (20, 10)


def test_nothing_has_no_times(rig):
    latency = rig.readings.latency(0, 1)
    assert (latency.frames, latency.p50_ms, latency.drift_ms, latency.last_second_behind) == (0, None, None, None)
    assert latency.sound_offset_ms is None


def test_a_number_that_was_never_sent_is_unreadable(rig):
    rig.arrives(7, 0.1)  # by then, frames 0, 1 and 2 were sent
    latency = rig.readings.latency(0, 1)
    assert (latency.frames, latency.unreadable) == (0, 1)


def test_inverted_frames_are_counted(rig):
    for number in range(4):
        rig.arrives(number, number / 20, is_inverted=number > 0)
    assert rig.readings.latency(0, 1).inverted == 3


def sound(at_s, loud):
    """A tenth of a second of sound; `loud` gives its samples from and to which it is loud."""
    samples = np.zeros((SOUND_RATE // 10, 2), np.float32)
    samples[slice(*loud)] = 0.8
    return Sound(Fraction(at_s), samples)


def test_the_offset_of_the_sound_is_from_flash_to_click(rig):
    for number in range(41):
        rig.arrives(number, number / 20, is_flash=number in (20, 40))
    rig.readings.hear(sound(Fraction(9, 10), (0, 0)))
    rig.readings.hear(sound(1, (480, 960)))  # 10 ms after the first flash
    rig.readings.hear(sound(Fraction(11, 10), (0, 48)))  # still the same click
    rig.readings.hear(sound(2, (1440, 1500)))
    latency = rig.readings.latency(0, 3)
    assert (latency.sound_offset_ms, latency.worst_sound_offset_ms) == (20, 30)


def test_the_nearest_click_belongs_to_a_flash():
    assert sound_offsets_ms([1, 2, 3], [0.99, 2.02]) == pytest.approx([-10, 20])
    assert sound_offsets_ms([1], []) == sound_offsets_ms([], [1]) == []


def test_the_luma_of_planes_and_of_rgb():
    plane = np.zeros((4, 6), np.uint8)
    assert luma_of(Picture((plane, plane, plane))).shape == luma_of(Picture((np.zeros((4, 6, 3)),))).shape == (4, 6)


def test_numbers_begin_again_after_38_hours():
    from rotoscope.scenarios.rig_camera import RigCamera

    camera = RigCamera((64, 64), Fraction(30))
    assert camera.frame_of(0) is None
    camera._sent_s.extend([0.0] * 3)
    assert [camera.frame_of(number) for number in (0, 2, 3)] == [0, 2, None]
    camera._sent_s.extend([0.0] * (NUMBERS + 1))  # frames 0 to NUMBERS + 3 were sent
    assert [camera.frame_of(number) for number in (0, 3, 4, NUMBERS - 1)] == [NUMBERS, NUMBERS + 3, 4, NUMBERS - 1]
