"""An output of a live run that keeps nothing, for measurements."""

from rotoscope.base.live import SinkState, Sound
from rotoscope.runtime.media.null import NullSink


class LiveNullSink(NullSink):
    """Counts the frames that it is given and drops them."""

    name = "null:"
    keeps_every_frame = False
    reconnects = 0
    reason = ""

    def __init__(self) -> None:
        super().__init__()
        self.state: SinkState = "open"

    def write_sound(self, sound: Sound) -> None:
        """Do nothing."""

    def interrupt(self) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Take no more."""
        self.state = "closed"

    abort = finish
