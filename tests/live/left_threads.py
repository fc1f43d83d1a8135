"""Threads that a test has started and that must end; other tests' threads may end meanwhile."""

import threading

SECONDS = 60  # a generous limit


def assert_that_new_threads_end(before):
    """Wait for all threads that are not in `before`, a set of what `threading.enumerate` gave."""
    for thread in set(threading.enumerate()) - before:
        thread.join(SECONDS)
        assert not thread.is_alive(), thread
