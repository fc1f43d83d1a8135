"""The camera of a browser as a live source: pictures of one sender after the other, on one clock."""

from fractions import Fraction

import av
import numpy as np
import pytest

from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.runtime.live.page.browser_camera import MAX_WAITING, STOPPED, TOO_FAST, BrowserCamera


class Clock:
    now = 50.0

    def __call__(self):
        return self.now


def picture(pts, value=100, size=(64, 48)):
    made = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), value, np.uint8), format="rgb24").reformat(
        format="yuv420p"
    )
    made.pts, made.time_base = pts, Fraction(1, 90_000)
    return made


def test_pictures_come_with_their_times_and_arrivals():
    clock = Clock()
    camera = BrowserCamera(clock=clock)
    with pytest.raises(UsageError, match="no browser has sent a picture"):
        camera.info  # noqa: B018
    assert camera.state == "connecting"
    camera.begin()
    frames = iter(camera)
    found = []
    for number in range(3):
        clock.now += 0.04
        camera.put(picture(700_000 + 3600 * number))
        found.append(next(frames))
    assert [frame.seconds for frame in found] == [0, Fraction(4, 100), Fraction(8, 100)]
    assert [frame.arrival_s for frame in found] == pytest.approx([50.04, 50.08, 50.12])
    assert [frame.index for frame in found] == [0, 1, 2] and not any(frame.cut for frame in found)
    assert camera.info.width == 64 and camera.state == "playing"
    clock.now += 5
    assert camera.state == "silent"


def test_another_sender_continues_the_times_and_begins_a_scene():
    clock = Clock()
    camera = BrowserCamera(clock=clock)
    frames = iter(camera)
    camera.begin()
    camera.put(picture(0))
    first = next(frames)
    camera.end()
    assert camera.state == "waiting"
    clock.now += 3
    camera.begin()
    camera.put(picture(123_456_789, size=(32, 32)))
    second = next(frames)
    assert second.seconds - first.seconds == pytest.approx(3) and second.cut
    assert camera.reconnects == {STOPPED: 1} and camera.info.width == 32


def test_pictures_that_come_too_fast_are_counted_and_the_newest_stay():
    camera = BrowserCamera(clock=Clock())
    camera.begin()
    for number in range(MAX_WAITING + 4):
        camera.put(picture(3600 * number, value=number * 20))
    camera.interrupt()
    assert camera.losses == {TOO_FAST: 4}
    again = BrowserCamera(clock=Clock())
    again.begin()
    for number in range(MAX_WAITING + 4):
        again.put(picture(3600 * number))
    frames = iter(again)
    assert [next(frames).index for _ in range(MAX_WAITING)] == [0, 1, 2]


def test_it_gives_up_when_nobody_sends():
    clock = Clock()
    camera = BrowserCamera(give_up_after_s=2.0, clock=clock)
    clock.now += 2
    with pytest.raises(InputRefused, match="no browser sent a picture for 2 s"):
        next(iter(camera))


def test_an_interrupted_camera_ends():
    camera = BrowserCamera()
    camera.interrupt()
    assert list(camera) == [] and camera.state == "ended"
