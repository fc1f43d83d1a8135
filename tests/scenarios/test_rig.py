"""The parts of the rig: its camera, sinks, threads and network."""

import itertools
import threading
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from live_fakes import FedSource, KeptSink

from rotoscope.base.frame import Frame, Picture
from rotoscope.base.live import SOUND_RATE
from rotoscope.base.options import ModelOptions
from rotoscope.runtime.media.frame_code import FrameCode, read_code, write_code
from rotoscope.scenarios.inverting_network import CostedEngine, inverting_model
from rotoscope.scenarios.readings import Readings
from rotoscope.scenarios.rig_camera import RigCamera
from rotoscope.scenarios.rig_sinks import ReadingSink, StampedSink
from rotoscope.scenarios.rig_threads import publishing, reading

LONG_S = 240


def camera(num_frames, rate=10, **options):
    """A camera that does not wait."""
    return RigCamera((64, 64), Fraction(rate), num_frames, wait=lambda _seconds: False, **options)


def test_frames_carry_their_number_and_flash_once_a_second():
    frames = list(camera(25))
    codes = [read_code(frame.source.planes[0]) for frame in frames]
    assert codes == [FrameCode(number, is_flash=number in (10, 20)) for number in range(25)]


def test_the_camera_remembers_when_it_sent_each_frame():
    now = iter(range(100, 200))
    sender = camera(3, clock=lambda: next(now))
    arrivals = [frame.arrival_s for frame in sender]
    assert [sender.sent_s(frame) for frame in range(sender.num_sent)] == arrivals == sorted(set(arrivals))


@pytest.mark.parametrize("rate", [10, Fraction(24000, 1001)])
def test_a_click_begins_with_each_flash(rate):
    sender = camera(60, rate=rate)
    flashes = [frame.seconds for frame in sender if read_code(frame.source.planes[0]).is_flash]
    sounds = sender.take_sound()
    assert sender.take_sound() == []
    for before, after in itertools.pairwise(sounds):  # without gaps
        assert after.seconds == before.seconds + Fraction(len(before.samples), SOUND_RATE)
    clicks = [sound.seconds for sound in sounds if np.abs(sound.samples).max() > 0.3]
    assert len(clicks) == len(flashes) > 1
    assert all(0 <= click - flash < Fraction(1, SOUND_RATE) for click, flash in zip(clicks, flashes, strict=True))


def test_a_reader_of_the_camera_itself_finds_every_frame_and_no_offset_of_the_sound():
    sender = camera(45)
    readings = Readings(sender)
    sink = ReadingSink(readings)
    for frame in sender:
        for sound in sender.take_sound():
            sink.write_sound(sound)
        sink.write(replace(frame, result=frame.source))
    latency = readings.latency(0, float("1e12"))
    assert (readings.num_read, sink.num_frames, latency.frames, latency.lost, latency.unreadable) == (45, 45, 45, 0, 0)
    assert abs(latency.worst_sound_offset_ms) < 0.1


def test_stamping_draws_the_number_of_the_source_into_the_result():
    kept = KeptSink()
    sink = StampedSink(kept)
    source, painted = np.full((64, 64), 90, np.uint8), np.full((128, 128), 40, np.uint8)
    write_code(source, FrameCode(77, is_flash=True))
    frame = Frame(0, 0, Fraction(1, 25), 1, Picture((source,)), Picture((painted, painted[:64, :64])))
    sink.write(frame)
    assert read_code(kept.frames[0].result.planes[0]) == FrameCode(77, is_flash=True)
    assert np.all(painted == 40) and kept.frames[0].result.planes[1] is not None
    sink.write(replace(frame, source=Picture((painted,))))  # a source without a number
    assert read_code(kept.frames[1].result.planes[0]) is None
    assert (sink.name, sink.num_frames) == ("kept", 2)
    sink.finish()
    assert kept.ended_by == "finish"


def test_publishing_writes_frames_and_sound_and_finishes_the_sinks():
    sinks = KeptSink(), KeptSink()
    sender = camera(12)
    with publishing(sender, *sinks):
        for sink in sinks:
            for _ in range(12):
                assert sink.entered.acquire(timeout=LONG_S)
    for sink in sinks:
        assert [frame.index for frame in sink.frames] == list(range(12)) and len(sink.sounds) == 12
        assert sink.ended_by == "finish"


def test_reading_reads_until_the_end_of_the_block():
    source, sender = FedSource(), camera(5)
    readings, seen = Readings(sender), threading.Semaphore(0)
    readings.see = lambda _picture, _seconds: seen.release()
    with reading(source, readings):
        for _ in range(3):
            source.feed()
        for _ in range(3):
            assert seen.acquire(timeout=LONG_S)
    assert source.is_closed


def test_an_error_of_the_thread_is_raised_to_who_waits_and_after_the_block():
    source, readings = FedSource(), Readings(camera(1))
    with pytest.raises(ValueError, match="broken"), reading(source, readings):
        source.fail(ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        _ = readings.num_read


def test_the_network_inverts_and_takes_its_time(tmp_path):
    import time

    model = inverting_model(tmp_path, 0.02)
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    np.testing.assert_array_equal(model(picture), 255 - picture)
    engine = model.with_options({"working_size": "32p"}).engine(threads=1, calls=1)
    assert isinstance(engine, CostedEngine) and "at least 20 ms" in engine.description
    assert model.with_options({"fit": "crop"}).options == ModelOptions(fit="crop")
    tensors = {"in": np.zeros((1, 3, 8, 8), np.float32)}, {"out": np.empty((1, 3, 8, 8), np.float32)}
    begin = time.perf_counter()
    engine.run(tensors[0], {}, tensors[1], {})
    assert time.perf_counter() - begin >= 0.02
    assert np.all(tensors[1]["out"] == 1)
