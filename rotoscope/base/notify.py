"""Tell systemd how a service is (the protocol of sd_notify): one datagram for each piece of news.

Does nothing where the process was not started by systemd with Type=notify: the environment has no NOTIFY_SOCKET then.
"""

import os
import socket
import time
from contextlib import suppress

SEND_SECONDS = 1.0


class Notifier:
    """Sends READY, WATCHDOG and STOPPING.

    watchdog_s  seconds between two signs of life that the unit demands (WatchdogSec); None: it demands none
    """

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        limit = os.environ.get("WATCHDOG_USEC", "")
        for_this_process = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(limit) / 1e6 if for_this_process and limit.isdecimal() and int(limit) else None
        self._is_ready = False
        self._alive_s = float("-inf")

    def ready(self) -> None:
        """Say once that the service has started."""
        if not self._is_ready:
            self._is_ready = True
            self._send("READY=1")

    def alive(self) -> None:
        """Give a sign of life, at most four times in the time of the watchdog."""
        now = time.monotonic()
        if self.watchdog_s is not None and now - self._alive_s >= self.watchdog_s / 4:
            self._alive_s = now
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the service ends."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address or not hasattr(socket, "AF_UNIX"):
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.settimeout(SEND_SECONDS)  # a full queue must not stop the service
            channel.sendto(text.encode(), address)
