"""The two ends of a measured chain, each on a thread of its own: publish a camera's frames, and read what arrives."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from rotoscope.base.live import LiveFormat, LiveSink, LiveSource
from rotoscope.scenarios.readings import Readings
from rotoscope.scenarios.rig_camera import RigCamera


def format_of(camera: RigCamera) -> LiveFormat:
    """The pictures of a camera, as sinks want to know them."""
    info = camera.info
    assert info.average_rate is not None
    return LiveFormat(info.width, info.height, info.average_rate, info.colour, has_sound=camera.has_sound)


@contextmanager
def publishing(camera: RigCamera, *sinks: LiveSink) -> Iterator[None]:
    """Write the frames and the sound of a camera to some sinks within the block."""

    def publish() -> None:
        for frame in camera:
            sounds = camera.take_sound()
            for sink in sinks:
                for sound in sounds:
                    sink.write_sound(sound)
                sink.write(replace(frame, result=frame.source))

    with _ended_by(camera, publish):
        try:
            yield
        finally:
            camera.interrupt()
            for sink in sinks:
                sink.interrupt()
    for sink in sinks:
        sink.finish()


@contextmanager
def reading(source: LiveSource, readings: Readings) -> Iterator[None]:
    """Read the pictures and the sound of a source within the block."""

    def read() -> None:
        try:
            for frame in source:
                for sound in source.take_sound():
                    readings.hear(sound)
                readings.see(frame.source, frame.seconds)
        except BaseException as error:
            readings.error = error
            raise

    try:
        with _ended_by(source, read):
            yield
    finally:
        source.close()


@contextmanager
def _ended_by(source: LiveSource, function: Callable[[], None]) -> Iterator[None]:
    """Run a function in a thread within the block; interrupting the source ends it. Its error is raised after the block."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="rotoscope-rig", daemon=True)
    thread.start()
    try:
        yield
    finally:
        source.interrupt()
        thread.join()
    if errors:
        raise errors[0]
