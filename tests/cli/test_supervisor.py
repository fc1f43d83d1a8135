"""When a live run gives signs of life to systemd."""

from dataclasses import replace

import pytest
from fake_run import STATUS

from rotoscope.cli.supervisor import Supervisor


@pytest.fixture
def told(monkeypatch):
    words = []
    for name in ("ready", "alive", "stopping"):
        monkeypatch.setattr(f"rotoscope.base.notify.Notifier.{name}", lambda _self, name=name: words.append(name))
    return words


def test_a_run_whose_results_stop_gives_no_sign_of_life(told):
    supervisor = Supervisor()
    for frames_out in (1, 2, 2, 2):
        supervisor.note(replace(STATUS, frames_out=frames_out))
    supervisor.stopping()
    assert [word for word in told if word != "ready"] == ["alive", "alive", "stopping"]


@pytest.mark.parametrize("change", [{"is_paused": True}, {"source_state": "waiting"}, {"is_ready": False}])
def test_a_run_that_waits_is_alive(told, change):
    supervisor = Supervisor()
    for _ in range(3):
        supervisor.note(replace(STATUS, **change))
    assert told.count("alive") == 3
