"""Opening an encoder leaves the thread that does it an ordinary one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ordinary_priority() -> Iterator[None]:
    """Scheduling of this thread is after the block what it was before.

    SVT-AV1 makes the thread that opens it a real-time one wherever that is allowed (as root, so in most containers). Such a
    thread lets no other run on its core, and every thread and process that it starts later inherits that.
    """
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            os.sched_setscheduler(0, policy, parameters)
