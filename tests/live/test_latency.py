"""The delay of a live run, measured with numbered frames through memory, UDP, RTMP and the page.

Nothing here is a limit in milliseconds: a busy machine takes any time. Counts are exact, frames come in order, what is in work
is bounded, and the delay, counted in frames, does not grow faster than that of the reference beside the run.
"""

import functools
import time
from fractions import Fraction

import numpy as np
import pytest
from servers import PATIENCE, fault_proxy, need_program, wait_until
from servers import rtmp_server as rtmp_server_of_tests

import rotoscope
from rotoscope.base.errors import UsageError
from rotoscope.runtime.live.open_live_sink import open_live_sink
from rotoscope.scenarios import rtmp_server
from rotoscope.scenarios.inverting_network import inverting_model
from rotoscope.scenarios.live_chains import Rig
from rotoscope.scenarios.readings import Readings
from rotoscope.scenarios.rig_sinks import ReadingSink
from rotoscope.scenarios.rig_threads import format_of, publishing

SMALL = {"size": "192x108", "rate": 15, "threads": 1}
MOST_IN_WORK = 3  # one waits, one is in the line, one is being handed over
MOST_GROWTH = 10  # frames; a queue before a network that is three times too slow grows by 10 a second at this rate
SOUND_TOLERANCE_MS = 20
CHAINS = ("memory", "udp", "rtmp", "page")


@functools.cache
def measured(chain):
    """What was measured of a chain, once for all tests of this file."""
    if chain == "rtmp":
        need_program("nginx")
    (result,) = rotoscope.bench("live", chain=chain, seconds=3, network_ms=5, **SMALL).chains
    return result


def check_counts(result):
    assert result.adds_up, result.run
    assert result.most_in_work <= MOST_IN_WORK
    for latency in (result.latency, result.reference):
        assert latency.frames > 0 and latency.out_of_order == latency.repeated == 0, latency


@pytest.mark.parametrize("chain", CHAINS)
def test_counts_are_exact_and_frames_come_in_order(chain):
    result = measured(chain)
    check_counts(result)
    for latency in (result.latency, result.reference):
        assert latency.unreadable <= latency.frames / 100


@pytest.mark.parametrize("chain", CHAINS)
def test_every_frame_went_through_the_network(chain):
    result = measured(chain)
    assert result.latency.inverted == result.latency.frames
    assert result.reference.inverted == 0


@pytest.mark.parametrize("chain", CHAINS)
def test_the_delay_does_not_grow(chain):
    result = measured(chain)
    assert growth(result.latency) <= MOST_GROWTH + max(0, growth(result.reference))


def growth(latency):
    """Frames that the end of the measurement is further behind than its begin."""
    return latency.last_second_behind - latency.first_second_behind


@pytest.mark.parametrize("chain", ["memory", "udp", "rtmp"])
def test_sound_keeps_its_offset(chain):
    result = measured(chain)
    offsets = result.latency.worst_sound_offset_ms, result.reference.worst_sound_offset_ms
    if None in offsets:
        pytest.skip("the machine is so busy that every frame with a flash was dropped")
    assert all(abs(offset) <= SOUND_TOLERANCE_MS for offset in offsets)


def test_three_times_too_slow_drops_and_does_not_fall_behind():
    (result,) = rotoscope.bench("live", network_ms=200, seconds=4, **SMALL).chains
    check_counts(result)
    assert result.run.dropped > result.run.frames_out / 2
    assert result.latency.lost > 0 and growth(result.latency) <= MOST_GROWTH


def test_every_frame_comes_out_with_policy_every_though_the_network_is_too_slow():
    (result,) = rotoscope.bench("live", network_ms=100, seconds=3, policy="every", **SMALL).chains
    check_counts(result)
    assert result.latency.lost == result.latency.unreadable == result.run.dropped == 0
    assert result.run.frames_out == result.run.frames_in


def test_a_look_is_stamped_after_the_last_stage(identity):
    report = rotoscope.bench("live", model=str(identity), steady="blend", seconds=2, **SMALL)
    (result,) = report.chains
    assert report.is_stamped and not rotoscope.bench("live", seconds=0.5, **SMALL).is_stamped
    check_counts(result)
    assert result.latency.unreadable == result.latency.inverted == 0


def test_the_result_says_what_ran_and_where(identity):
    report = rotoscope.bench("live", model=str(identity), seconds=0.5, steady="off", **SMALL)
    (result,) = report.chains
    assert (report.model, report.size, report.rate) == (str(identity), "192x108", 15)
    assert report.options == {"port": 0, "steady": "off"}
    assert report.machine["cores"] >= 1 and report.machine["processor"]
    assert result.network_ms > 0 and result.above_network_ms == pytest.approx(
        result.latency.p50_ms - result.network_ms, abs=0.01
    )
    assert np.all(np.array(result.memory_mb) > 0) and result.num_threads[0] > 0


@pytest.mark.parametrize("options, message", [
    ({"chain": "srt"}, r"chain 'srt'; accepted: memory, udp, rtmp, page"),
    ({"chain": []}, r"chain ''; accepted"),
    ({"find_rate": True}, r"find_rate means nothing in scenario live"),
    ({"seconds": 0}, r"seconds 0; accepted: a number above 0"),
    ({"network_ms": -1}, r"network_ms -1; accepted: 0 to 10000"),
    ({"network_ms": 5, "model": "starry"}, r"network_ms .* with a model"),
    ({"size": "big"}, r"accepted: synthetic:"),
    ({"rate": 0}, r"rate 0; accepted"),
    ({"working": "360p"}, r"working"),
])  # fmt: skip
def test_values_that_cannot_work_are_refused_at_once(options, message):
    with pytest.raises(UsageError, match=message):
        rotoscope.bench("live", **options)


def test_a_missing_server_is_answered_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setattr(rtmp_server, "MODULES", ())
    with pytest.raises(UsageError, match="chain rtmp needs nginx with its RTMP module: apt-get install nginx-light"):
        rotoscope.bench("live", chain="rtmp", seconds=1, **SMALL)


def test_after_a_cut_the_picture_comes_back_without_a_backlog(tmp_path):
    """The run reads RTMP through a proxy that cuts the connection: frames come again, in order, none of them old."""
    rig = Rig((192, 108), Fraction(15), has_sound=False)
    camera = rig.camera()
    readings = Readings(camera)
    with rtmp_server_of_tests(tmp_path) as server, fault_proxy(server.rtmp_port) as proxy:
        address = server.rtmp("in")
        model = inverting_model(tmp_path, 0.005)
        source = address.replace(str(server.rtmp_port), str(proxy.port))
        with (
            publishing(camera, open_live_sink(address, format_of(camera))),
            rotoscope.live(source, ReadingSink(readings), model=model, steady="off", threads=1) as run,
        ):
            wait_until(lambda: readings.num_read > 20, "frames before the cut")
            proxy.cut()
            cut_s = time.monotonic()
            wait_until(lambda: sum(run.status().reconnects.values()) == 1, "the reconnect")
            before = readings.num_read
            wait_until(lambda: readings.num_read > before + 30, "frames after the cut")
            end_s = time.monotonic()
            run.stop()
            report = run.wait(PATIENCE)
    whole, after = readings.latency(0, end_s), readings.latency(cut_s, end_s)
    assert report.frames_in == report.frames_out + report.dropped + sum(report.losses.values())
    assert whole.out_of_order == whole.repeated == whole.unreadable == 0
    assert after.last_second_behind <= whole.first_second_behind + MOST_GROWTH
