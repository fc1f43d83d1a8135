"""What a service tells systemd, read from a socket that stands for systemd's."""

import os
import socket

import pytest

from rotoscope.base import notify
from rotoscope.base.notify import Notifier


@pytest.fixture(params=["file", "abstract"])
def news(request, tmp_path, monkeypatch):
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(60)
        receiver.bind(name if request.param == "file" else f"\0{name}")
        monkeypatch.setenv("NOTIFY_SOCKET", name if request.param == "file" else f"@{name}")
        monkeypatch.setenv("WATCHDOG_USEC", "3600000000")
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
        yield receiver


def test_each_piece_of_news_is_one_datagram(news):
    notifier = Notifier()
    assert notifier.watchdog_s == 3600
    for _ in range(3):
        notifier.ready()
        notifier.alive()  # three times in a moment: told once
    notifier.stopping()
    assert [news.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_a_queue_that_nobody_empties_does_not_stop_the_service(news, monkeypatch):
    monkeypatch.setattr(notify, "SEND_SECONDS", 0.001)
    for _ in range(1000):
        Notifier().stopping()


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NOTIFY_SOCKET": "/no/such/socket", "WATCHDOG_USEC": "1000"},
        {"NOTIFY_SOCKET": "/no/such/socket", "WATCHDOG_USEC": "word"},
    ],
)
def test_without_systemd_nothing_happens(environment, monkeypatch):
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    notifier = Notifier()
    notifier.ready()
    notifier.alive()
    notifier.stopping()


def test_the_watchdog_of_another_process_is_not_ours(monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "1000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert Notifier().watchdog_s is None
