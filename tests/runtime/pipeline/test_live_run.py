"""A live run: counts that add up, drops, changes between two frames, outputs that fail or are slow, and the end."""

import threading
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from live_fakes import FedSource, KeptSink, live_run

import rotoscope
from rotoscope.base.errors import InputRefused, OutputFailed, UsageError
from rotoscope.base.frame import StreamInfo
from rotoscope.base.live import Place, Sound
from rotoscope.base.options import LiveOptions, OutputOptions, SteadyOptions
from rotoscope.kernels.compile import CpuKernel
from rotoscope.runtime.pipeline import live_outputs

LONG_S = 240  # for waits that a test expects to end


def until(condition):
    """Wait until a condition holds that another thread will bring about."""
    waiting = threading.Event()
    for _ in range(LONG_S * 100):
        if condition():
            return
        waiting.wait(0.01)
    raise AssertionError("it never came true")


def brightness(frame):
    """The luma of a flat result."""
    return int(frame.result.planes[0][0, 0])


@pytest.fixture
def every():
    """Options of a run that drops nothing."""
    return LiveOptions(policy="every")


def test_every_frame_comes_out_in_order_with_policy_every(identity, every):
    source, sink = FedSource(), KeptSink()
    with live_run(identity, source, sink, live=every) as run:
        run.start()
        for value in range(0, 250, 5):
            source.feed(value)
        source.end()
        report = run.wait(LONG_S)
    assert [frame.index for frame in sink.frames] == list(range(50))
    assert sink.ended_by == "finish" and source.is_closed
    assert (report.frames_in, report.frames_out, report.dropped, report.losses) == (50, 50, 0, {})
    assert np.all(np.diff([brightness(frame) for frame in sink.frames]) > 0)


def test_a_slow_network_drops_the_oldest_and_shows_the_newest(identity):
    source, sink = FedSource(), KeptSink(keeps_every_frame=True)
    inside, go_on = threading.Semaphore(0), threading.Semaphore(0)
    is_warm = threading.Event()

    def slow(image, call):
        if is_warm.is_set() and call:  # not the probe for shapes
            inside.release()
            assert go_on.acquire(timeout=LONG_S)
        return image

    with live_run(identity, source, sink, function=slow) as run:
        run.start()
        source.feed(0)
        until(lambda: run.status().is_ready)
        is_warm.set()
        source.feed(10)
        assert inside.acquire(timeout=LONG_S)  # frame 1 is in the network
        for value in (20, 30, 40, 50):
            source.feed(value)
        for _ in range(6):
            assert source.taken.acquire(timeout=LONG_S)
        until(lambda: run.status().dropped == 3)  # frames 2, 3 and 4
        go_on.release(2)
        source.end()
        report = run.wait(LONG_S)
    assert [frame.index for frame in sink.frames] == [1, 5]
    assert (report.frames_in, report.frames_out, report.dropped) == (6, 2, 3)
    assert report.losses == {"before the models were ready": 1}


def test_a_report_adds_up_with_what_the_source_lost(identity, every):
    source, sink = FedSource(), KeptSink()
    source.losses["damaged pictures"] = 3
    with live_run(identity, source, sink, live=every) as run:
        run.start()
        source.feed(1)
        source.feed(2)
        source.end()
        report = run.wait(LONG_S)
    assert report.frames_in == report.frames_out + report.dropped + sum(report.losses.values()) == 5


def test_changes_take_effect_at_the_next_frame(identity, every):
    source, sink = FedSource(), KeptSink()
    with live_run(identity, source, sink, function=lambda image, _: image * 0, live=every) as run:
        run.start()
        source.feed(200)
        until(lambda: sink.num_frames == 1)
        run.change({"mix": 1.0})
        source.feed(200)
        until(lambda: sink.num_frames == 2)
        run.change({"is_paused": True})
        source.feed(90)
        source.feed(90)
        until(lambda: sink.num_frames == 4)
        run.change({"is_paused": False})
        source.feed(90)
        source.end()
        report = run.wait(LONG_S)
    shown = [brightness(frame) for frame in sink.frames]
    assert shown[0] < 20 < shown[4] < shown[1] == shown[2] == shown[3]
    sources = [frame.source for frame in sink.frames]
    assert sources[1] is sources[2] is sources[3]  # a page that shows both shows one moment
    assert (report.frames_out, report.carried) == (5, 2)


def test_another_model_is_opened_beside_the_running_one(identity, every):
    source, sink, opened = FedSource(), KeptSink(), threading.Event()

    def black(image, _call):
        assert opened.wait(LONG_S)
        return image * 0

    with live_run(identity, source, sink, models={"black": black}, live=every) as run:
        run.start()
        source.feed(200)
        until(lambda: sink.num_frames == 1)
        run.change({"model": "black"})
        source.feed(200)  # the old model still runs
        until(lambda: sink.num_frames == 2)
        opened.set()
        until(lambda: run._line._next_stages is not None)
        source.feed(200)
        until(lambda: sink.num_frames == 3)
        assert run.status().model == "black"
        run.change({"model": "missing"})
        until(lambda: "missing: no such model" in run.status().notes)
        source.feed(200)
        source.end()
        run.wait(LONG_S)
    assert [brightness(frame) > 100 for frame in sink.frames] == [True, True, False, False]
    assert sink.frames[2].cut


@pytest.mark.parametrize(("changes", "message"), [
    ({"strength": 0.5}, "strength of off; accepted: --steady blend, ramp"),
    ({"mix": 2}, "mix=2; accepted: 0 (none of the source) to 1 (only the source)"),
    ({"colour": 1}, "unknown change colour; accepted: model, strength, mix, is_paused, style"),
])  # fmt: skip
def test_a_change_that_cannot_be_made_is_one_line(changes, message, identity, every):
    source, sink = FedSource(), KeptSink()
    with live_run(identity, source, sink, live=every) as run:
        with pytest.raises(UsageError, match="before the models are open"):
            run.change(changes)
        run.start()
        source.feed(0)
        until(lambda: sink.num_frames == 1)
        with pytest.raises(UsageError) as refused:
            run.change(changes)
        source.end()
        run.wait(LONG_S)
    assert str(refused.value) == message


@pytest.mark.parametrize("steady", ["blend", "ramp"])
def test_strength_is_changed_while_frames_are_mixed(identity, every, steady):
    source, sink = FedSource(), KeptSink()
    options = SteadyOptions(steady=steady, strength=1.0, late=0)
    with live_run(identity, source, sink, steady=options, live=every) as run:
        run.start()
        source.feed(100)
        until(lambda: sink.num_frames == 1)
        run.change({"strength": 0.0})
        assert run.status().strength == 0.0 and run.status().steady.startswith(f"{steady} 0")
        source.end()
        report = run.wait(LONG_S)
    assert report.strength == 0.0 and report.steady.startswith(f"{steady} 0")  # those of the end


def test_a_slow_output_drops_alone(identity, every):
    source, fast, slow = FedSource(), KeptSink("fast", keeps_every_frame=True), KeptSink("slow")
    slow.gate = threading.Event()
    with live_run(identity, source, fast, slow, live=LiveOptions(policy="newest")) as run:
        run.start()
        source.feed(0)
        until(lambda: run.status().is_ready)
        for number in range(1, 6):
            source.feed(number * 10)
            until(lambda number=number: fast.num_frames == number)
        statuses = {output.name: output for output in run.status().outputs}
        assert statuses["slow"].dropped == 3  # one is being written, the newest waits
        slow.gate.set()
        source.end()
        report = run.wait(LONG_S)
    assert [frame.index for frame in slow.frames] == [1, 5]
    assert report.outputs["slow"]["dropped"] == 3 and report.outputs["fast"]["dropped"] == 0


def test_a_broken_output_ends_alone_and_the_last_one_ends_the_run(identity, every):
    source, good, bad = FedSource(), KeptSink("good"), KeptSink("bad")
    bad.error = OutputFailed("bad: the disk is full")
    with live_run(identity, source, good, bad, live=every) as run:
        run.start()
        source.feed(0)
        until(lambda: bad.ended_by == "abort")
        source.feed(0)
        until(lambda: good.num_frames == 2)
        statuses = {output.name: output for output in run.status().outputs}
        assert statuses["bad"].error == "bad: the disk is full" and statuses["bad"].state == "closed"
        good.error = OutputFailed("good: gone")
        source.feed(0)
        until(lambda: good.ended_by == "abort")
        source.feed(0)
        with pytest.raises(OutputFailed):
            run.wait(LONG_S)


def test_an_error_of_the_source_is_raised_and_outputs_are_finished(identity, every):
    source, sink = FedSource(), KeptSink()
    with live_run(identity, source, sink, live=every) as run:
        run.start()
        source.feed(0)
        source.fail(InputRefused("fed: gave up after 3 s"))
        with pytest.raises(InputRefused, match="gave up"):
            run.wait(LONG_S)
    assert sink.ended_by == "finish" and sink.num_frames == 1


def test_a_program_can_wait_until_changes_are_accepted(identity, every):
    source, sink = FedSource(), KeptSink()
    with live_run(identity, source, sink, live=every) as run:
        run.start()
        assert not run.wait_until_ready(0.01)
        source.feed(0)
        assert run.wait_until_ready(LONG_S)
        run.change({"mix": 0.5})
        source.end()
        run.wait(LONG_S)
        assert not run.wait_until_ready(LONG_S)  # it has ended


def test_a_run_can_be_stopped_before_its_first_picture(identity):
    source, sink = FedSource(), KeptSink()
    run = live_run(identity, source, sink)
    run.start()
    run.stop()
    report = run.wait(LONG_S)
    assert (report.frames_in, report.frames_out) == (0, 0) and source.is_closed


def test_a_sink_that_waits_is_interrupted_at_the_end(identity, every):
    source, stuck = FedSource(), KeptSink("stuck")
    stuck.gate = threading.Event()
    with live_run(identity, source, stuck, live=every) as run:
        run.start()
        source.feed(0)
        assert stuck.entered.acquire(timeout=LONG_S)
        run.stop()
        run.wait(LONG_S)
    assert stuck.interrupted.is_set()


def test_outputs_that_hang_share_the_time_that_they_have(monkeypatch):
    """The waits of three do not add up."""
    now, outputs = [0.0], live_outputs.LiveOutputs()
    monkeypatch.setattr(live_outputs.time, "monotonic", lambda: now[0])

    class Hanging:
        is_interrupted = False

        def end(self):
            pass

        def join(self, seconds):
            now[0] += seconds
            return False

        def interrupt(self):
            assert now[0] == live_outputs.FINISH_S
            self.is_interrupted = True

    outputs._asked = [Hanging() for _ in range(3)]
    outputs.end()
    assert all(output.is_interrupted for output in outputs._asked)
    assert now[0] == live_outputs.FINISH_S + live_outputs.FILE_S


def test_the_duration_ends_a_run(identity):
    source, sink = FedSource(), KeptSink()
    with live_run(identity, source, sink, live=LiveOptions(policy="every", duration=0.05)) as run:
        run.start()
        source.feed(0)
        assert run.wait(LONG_S).frames_out == 1


def test_sound_goes_out_as_it_comes_but_none_from_before_the_first_picture(identity, every):
    source = FedSource(streams=(StreamInfo(1, "audio", "aac"),))
    sink = KeptSink()
    samples = np.zeros((480, 2), np.float32)
    source.sounds = [Sound(Fraction(n, 100), samples) for n in range(10)]
    with live_run(identity, source, sink, live=every) as run:
        run.start()
        source.feed(0, seconds="0.04")
        until(lambda: sink.num_frames == 1)
        assert [sound.seconds for sound in sink.sounds] == [Fraction(n, 100) for n in range(4, 10)]
        assert run.status().audio_offset_s == pytest.approx(0.1 - 0.04)
        source.end()
        run.wait(LONG_S)
    assert sink.format.has_sound


def test_a_recording_begins_and_ends_between_frames(identity, every):
    source, sink, file = FedSource(), KeptSink(), KeptSink("file.mkv", keeps_every_frame=True)
    run = live_run(identity, source, sink, file, live=every)
    run._job = run._job.__class__(**{**vars(run._job), "outputs": ("kept",)})
    with run:
        with pytest.raises(UsageError, match="before the first picture"):
            run.record()
        run.start()
        source.feed(0)
        until(lambda: sink.num_frames == 1)
        assert run.record() == "file.mkv" == run.status().recording
        with pytest.raises(UsageError, match="being recorded"):
            run.record()
        source.feed(0)
        until(lambda: file.num_frames == 1)
        run.stop_recording()
        assert file.ended_by == "finish" and run.status().recording == ""
        with pytest.raises(UsageError, match="nothing is being recorded"):
            run.stop_recording()
        source.end()
        run.wait(LONG_S)


def test_a_recording_that_fails_is_said_and_the_next_one_may_begin(identity, every):
    source, sink, file = FedSource(), KeptSink(), KeptSink("file.mkv", keeps_every_frame=True)
    run = live_run(identity, source, sink, file, live=every)
    run._job = replace(run._job, outputs=("kept",))
    with run:
        run.start()
        source.feed(0)
        until(lambda: sink.num_frames == 1)
        file.error = OutputFailed("the disk is full")
        run.record()
        source.feed(0)
        until(lambda: run.status().recording == "")
        assert "the recording file.mkv has ended: the disk is full" in run.status().notes
        assert run.status().outputs[-1].error == "the disk is full"
        file.error = None
        assert run.record() == "file.mkv" == run.status().recording
        run.stop_recording()
        assert not any("recording" in note for note in run.status().notes)
        source.end()
        run.wait(LONG_S)


def test_another_size_after_a_reconnect_keeps_the_size_of_the_result(identity, every):
    source, sink = FedSource(size=(64, 48)), KeptSink()
    with live_run(identity, source, sink, live=every) as run:
        run.start()
        source.feed(200)
        source.feed(200, size=(64, 24), cut=True)
        source.end()
        run.wait(LONG_S)
    first, second = (frame.result.planes[0] for frame in sink.frames)
    assert first.shape == second.shape == (48, 64)
    assert second[0, 0] == 16 and second[47, 0] == 16 and second[24, 32] > 150  # bars above and below
    assert run.place((64, 24)) == Place((0, 0, 64, 24), (0, 12, 64, 24))


def test_a_gap_makes_a_cut(identity, every):
    source, sink = FedSource(), KeptSink()
    with live_run(identity, source, sink, live=every) as run:
        run.start()
        for seconds in (0, 0.04, 5, 5.04):
            source.feed(0, seconds=seconds)
        source.end()
        run.wait(LONG_S)
    assert [frame.cut for frame in sink.frames] == [False, False, True, False]


def test_odd_sizes_become_even(identity, every):
    source, sink = FedSource(size=(65, 49)), KeptSink()
    with live_run(identity, source, sink, output=OutputOptions(compare=True), live=every) as run:
        run.start()
        source.feed(0)
        source.end()
        run.wait(LONG_S)
    assert (sink.format.width, sink.format.height) == (128, 48)


def test_auto_takes_the_largest_working_size_that_keeps_up(identity, every):
    source, sink, sizes = FedSource(size=(640, 360)), KeptSink(), []

    def counted(image, _call):
        sizes.append(image.shape[2])
        return image

    with live_run(identity, source, sink, function=counted, live=every, working_size="auto") as run:
        run.start()
        source.feed(0)
        source.end()
        report = run.wait(LONG_S)
    assert report.working_size in ("360p", "324p", "288p", "252p", "216p", "180p", "144p")
    assert sizes[-1] == int(report.working_size[:-1])


def test_a_failing_model_is_raised(identity):
    def broken(_image, _call):
        raise rotoscope.ModelRefused("fake: it broke")

    source, sink = FedSource(), KeptSink()
    with live_run(identity, source, sink, function=broken) as run:
        run.start()
        source.feed(0)
        with pytest.raises(rotoscope.ModelRefused, match="it broke"):
            run.wait(LONG_S)


def test_of_two_changes_of_the_model_the_later_one_stays(identity, every):
    source, sink, begun, go_on = FedSource(), KeptSink(), threading.Event(), threading.Event()

    def slow(image, _call):
        begun.set()
        assert go_on.wait(LONG_S)
        return image

    models = {"slow": slow, "black": lambda image, _call: image * 0}
    with live_run(identity, source, sink, models=models, live=every) as run:
        run.start()
        source.feed(200)
        until(lambda: sink.num_frames == 1)
        run.change({"model": "slow"})
        assert begun.wait(LONG_S)
        run.change({"model": "black"})
        until(lambda: run._line._next_stages is not None)
        go_on.set()
        until(lambda: not any(thread.name == "rotoscope-open" for thread in threading.enumerate()))
        source.feed(200)
        until(lambda: sink.num_frames == 2)
        assert run.status().model == "black"
        source.end()
        run.wait(LONG_S)


def test_a_strength_that_is_set_while_a_model_opens_stays(identity, every):
    source, sink, begun, go_on = FedSource(), KeptSink(), threading.Event(), threading.Event()

    def slow(image, _call):
        begun.set()
        assert go_on.wait(LONG_S)
        return image

    steady = SteadyOptions(steady="blend", strength=1.0)
    with live_run(identity, source, sink, models={"slow": slow}, steady=steady, live=every) as run:
        run.start()
        source.feed(200)
        until(lambda: sink.num_frames == 1)
        run.change({"model": "slow"})
        assert begun.wait(LONG_S)
        run.change({"strength": 0.25})
        go_on.set()
        until(lambda: run._line._next_stages is not None)
        run.change({"strength": 0.5})
        source.feed(200)
        until(lambda: sink.num_frames == 2)
        assert run.status().model == "slow" and run.status().strength == 0.5
        run.change({"model": "fake"})
        until(lambda: run._line._next_stages is not None)
        source.feed(200)
        until(lambda: sink.num_frames == 3)
        assert run.status().model == "fake" and run.status().strength == 0.5
        source.end()
        run.wait(LONG_S)


def test_whatever_keeps_a_model_from_opening_is_said_and_the_run_goes_on(identity, every):
    source, sink = FedSource(), KeptSink()

    def broken(image, _call):
        raise MemoryError("no room for a tensor")

    with live_run(identity, source, sink, models={"broken": broken}, live=every) as run:
        run.start()
        source.feed(200)
        until(lambda: sink.num_frames == 1)
        run.change({"model": "broken"})
        until(lambda: any("no room for a tensor" in note for note in run.status().notes))
        source.feed(200)
        until(lambda: sink.num_frames == 2)
        assert run.status().model == "fake"
        source.end()
        run.wait(LONG_S)


def test_frames_that_wait_for_later_ones_come_out_before_a_pause(identity, every):
    source, sink = FedSource(), KeptSink()
    with live_run(identity, source, sink, steady=SteadyOptions(steady="hypercon"), live=every) as run:
        run.start()
        for value in (0, 20, 40, 60):
            source.feed(value)
        until(lambda: sink.num_frames == 3)
        run.change({"is_paused": True})
        for value in (80, 100):
            source.feed(value)
        until(lambda: sink.num_frames >= 5)
        run.change({"is_paused": False})
        for value in (120, 140):
            source.feed(value)
        source.end()
        report = run.wait(LONG_S)
    assert [frame.index for frame in sink.frames] == list(range(8))
    assert report.frames_in == report.frames_out == 8


def test_a_stopped_run_leaves_no_timer_of_its_duration(identity, every):
    source, sink = FedSource(), KeptSink()
    live = replace(every, duration=3600.0)
    before = set(threading.enumerate())
    with live_run(identity, source, sink, live=live) as run:
        run.start()
        source.feed(0)
        until(lambda: sink.num_frames == 1)
    until(lambda: set(threading.enumerate()) <= before)


def test_nothing_is_recorded_or_changed_after_the_end(identity, every):
    source, sink, recording = FedSource(), KeptSink(), KeptSink("recording")
    with live_run(identity, source, sink, recording, live=every) as run:
        run.start()
        source.feed(0)
        source.end()
        run.wait(LONG_S)
    with pytest.raises(UsageError, match="the run has ended"):
        run.record()
    with pytest.raises(UsageError, match="the run has ended"):
        run.change({"model": "fake"})
    assert run.status().recording == ""


def test_outputs_whose_addresses_look_alike_are_told_apart(identity, every):
    source, first, second = FedSource(), KeptSink("rtmp://server/app/one"), KeptSink("rtmp://server/app/two")
    with live_run(identity, source, first, second, live=every) as run:
        first.name = second.name = "rtmp://server/app/…"  # what a stream shows of its address
        run.start()
        source.feed(0)
        source.end()
        report = run.wait(LONG_S)
    assert list(report.outputs) == ["rtmp://server/app/…", "rtmp://server/app/… (2)"]


def test_what_was_before_a_long_pause_is_forgotten(identity, every):
    source, sink = FedSource(), KeptSink()
    with live_run(identity, source, sink, live=every) as run:
        run.start()
        source.feed(0, seconds=0)
        until(lambda: sink.num_frames == 1)
        run.change({"is_paused": True})
        for tenth in range(4, 24, 4):
            source.feed(0, seconds=Fraction(tenth, 10))
        until(lambda: sink.num_frames == 6)
        run.change({"is_paused": False})
        source.feed(0, seconds=Fraction(24, 10))
        source.end()
        run.wait(LONG_S)
    assert [frame.cut for frame in sink.frames] == [False] * 6 + [True]


def test_a_model_is_changed_during_a_pause(identity, every):
    source, sink = FedSource(), KeptSink()
    models = {"black": lambda image, _call: image * 0}
    with live_run(identity, source, sink, models=models, live=every) as run:
        run.start()
        source.feed(200)
        until(lambda: sink.num_frames == 1)
        run.change({"is_paused": True})
        source.feed(200)
        until(lambda: sink.num_frames == 2)
        run.change({"model": "black"})
        until(lambda: run._line._next_stages is not None or any("black" in note for note in run.status().notes))
        run.change({"is_paused": False})
        source.feed(200)
        source.end()
        run.wait(LONG_S)
    assert [brightness(frame) > 100 for frame in sink.frames] == [True, True, False]


@pytest.mark.parametrize("steady", ["hypercon", "blend"])
def test_no_frame_of_a_run_is_the_first_to_need_a_kernel(steady, identity, every, monkeypatch):
    """Opening a kernel takes seconds, compiling it minutes: all are called before the run is ready, also by carried frames."""
    source, sink, called = FedSource(), KeptSink(), {True: set(), False: set()}
    call = CpuKernel.__call__

    def noted(kernel, *arguments):
        called[run._counters.is_ready].add(kernel.__name__)
        return call(kernel, *arguments)

    monkeypatch.setattr(CpuKernel, "__call__", noted)
    with live_run(identity, source, sink, live=every, steady=SteadyOptions(steady=steady)) as run:
        run.start()
        source.feed(0)
        assert run.wait_until_ready(LONG_S)
        if steady == "blend":
            run._line.stages.steadiness.keys.every = 2
        for _ in range(8):
            source.feed(0)
        source.end()
        run.wait(LONG_S)
    assert sink.num_frames == 9 and called[True] <= called[False]
    assert any(frame.carried for frame in sink.frames) == (steady == "blend")
