"""Send a live run to a server, and connect again by itself when the connection is lost."""

import time
from collections import Counter

from rotoscope.base.frame import Frame
from rotoscope.base.live import SinkState, Sound
from rotoscope.runtime.live.backoff import Backoff
from rotoscope.runtime.live.sinks.sender_process import SenderEnded, SenderProcess
from rotoscope.runtime.live.sinks.sender_protocol import Setup

TLS = ("rtmps:", "rtsps:")
WORKED_SECONDS = 5.0  # a connection that lasted this long worked: the next attempt comes soon


class StreamSink:
    """Sends frames as they come, through a process of its own for each connection.

    Frames that come while there is no connection are counted in `losses` and not kept. A new connection begins with a key
    frame, and with times from 0. `write` waits while the network is slow, at most as long as the sending process does.

    name  the address as it may be shown
    """

    keeps_every_frame = False

    def __init__(self, name: str, setup: Setup) -> None:
        self.name, self._reason = name, ""
        self.num_frames = self.reconnects = 0
        self.kept = ["sound (aac)"] if setup.has_sound else []
        self._setup, self._losses = setup, Counter[str]()
        self._backoff = Backoff()
        self._next_attempt_s = 0.0
        self._opened_s: float | None = None  # when the newest connection was made, while it lasts
        self._was_open = self._is_ending = self._is_closed = False
        self._sender: SenderProcess | None = SenderProcess(setup)

    @property
    def state(self) -> SinkState:
        """Present state of the sink."""
        sender = self._sender
        if self._is_closed:
            return "closed"
        if sender is None or sender.has_ended:
            return "waiting"
        return "open" if sender.is_open else "connecting"

    @property
    def reason(self) -> str:
        """Why there is no connection; an empty string while there is one, and before the first attempt has failed."""
        sender = self._sender
        return sender.reason if sender is not None and sender.has_ended else self._reason

    @property
    def losses(self) -> Counter[str]:
        """Cause -> frames, or pieces of sound, that could not be sent."""
        sender = self._sender
        return self._losses if sender is None else self._losses + sender.losses

    @property
    def notes(self) -> list[str]:
        """Why nothing was sent, and what TLS does not do: PyAV opens outputs without options for it."""
        is_tls = self._setup.address.lower().startswith(TLS)
        notes = [f"{self.name}: the certificate of the server is not checked"] if is_tls else []
        if self._is_closed and not self._was_open:
            notes.append(f"{self.name}: no connection was made{f' ({self.reason})' if self.reason else ''}")
        return notes

    def write(self, frame: Frame) -> None:
        """Send one frame if there is a connection; else count it, and connect when it is time."""
        sender = self._connection()
        if sender is not None:
            try:
                sender.picture(frame)
                self.num_frames += 1
                return
            except SenderEnded:
                self._lost(sender)
        self._losses["frames without a connection" if self._was_open else "frames before the first connection"] += 1

    def write_sound(self, sound: Sound) -> None:
        """Send sound, which the process keeps for the pictures of its time."""
        if not self._setup.has_sound or (sender := self._sender) is None or not sender.is_open:
            return
        try:
            sender.sound(sound)
        except SenderEnded:
            self._lost(sender)

    def interrupt(self) -> None:
        """End a wait of `write` soon; no new connection is made."""
        self._is_ending = True
        if (sender := self._sender) is not None:
            sender.interrupt()

    def finish(self) -> None:
        """Send what is buffered and end the stream, in bounded time."""
        if (sender := self._sender) is not None and sender.is_open:
            self._connection()  # counts it
            sender.finish()
        self.abort()

    def abort(self) -> None:
        """End the connection."""
        self._is_ending = self._is_closed = True
        if (sender := self._sender) is not None:
            sender.close()
            self._forget(sender)

    def _connection(self) -> SenderProcess | None:
        """The connection if it is open; starts one if there is none and it is time for an attempt."""
        sender = self._sender
        if sender is not None and sender.has_ended:
            self._lost(sender)
            sender = None
        if sender is None:
            if not self._is_ending and time.monotonic() >= self._next_attempt_s:
                self._sender = SenderProcess(self._setup)
            return None
        if not sender.is_open:
            return None
        if self._opened_s is None:
            self._opened_s = time.monotonic()
            self.reconnects += self._was_open
            self._was_open, self._reason = True, ""
        return sender

    def _lost(self, sender: SenderProcess) -> None:
        """Note why a connection ended, and when to try again."""
        now = time.monotonic()
        if self._opened_s is not None and now - self._opened_s >= WORKED_SECONDS:
            self._backoff.reset()
        self._next_attempt_s = now + self._backoff.delay()
        self._reason = sender.reason
        sender.close()
        self._forget(sender)

    def _forget(self, sender: SenderProcess) -> None:
        self._losses += sender.losses
        self._sender = self._opened_s = None
