"""Opening an encoder leaves the scheduling policy of its thread: SVT-AV1 makes it a real-time thread if it may (as root)."""

import os

import pytest

from rotoscope.runtime.media.encoder import ordinary_priority

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setscheduler"), reason="this system has no scheduling policies")


@pytest.fixture
def system(monkeypatch):
    """A system on which every user may set the policy; {"policy": ...} is what it is now."""
    state = {"policy": os.SCHED_OTHER}
    monkeypatch.setattr(os, "sched_getscheduler", lambda _process: state["policy"])
    monkeypatch.setattr(os, "sched_getparam", lambda _process: os.sched_param(0))
    monkeypatch.setattr(os, "sched_setscheduler", lambda _process, policy, _parameters: state.update(policy=policy))
    return state


def test_a_changed_policy_is_set_back(system):
    with ordinary_priority():
        system["policy"] = os.SCHED_FIFO
    assert system["policy"] == os.SCHED_OTHER


def test_it_is_set_back_when_opening_fails(system):
    with pytest.raises(ZeroDivisionError), ordinary_priority():
        system["policy"] = os.SCHED_FIFO
        raise ZeroDivisionError
    assert system["policy"] == os.SCHED_OTHER
