"""What a live run tells systemd: ready, alive, stopping."""

from typing import TYPE_CHECKING

from rotoscope.base.notify import Notifier

if TYPE_CHECKING:
    from rotoscope.base.live import LiveStatus


class Supervisor:
    """Gives a sign of life while results come, and while none can come: paused, or the source is away.

    So a watchdog ends a run that hangs, and never one whose camera is unplugged.
    """

    def __init__(self) -> None:
        self._notifier = Notifier()
        self._frames_out = -1

    def note(self, status: "LiveStatus") -> None:
        """Take the state of the run; called about once a second."""
        self._notifier.ready()
        is_waiting = status.is_paused or status.source_state != "playing" or not status.is_ready
        if is_waiting or status.frames_out != self._frames_out:
            self._notifier.alive()
        self._frames_out = status.frames_out

    def stopping(self) -> None:
        """Say that the run ends."""
        self._notifier.stopping()
