"""The one thread boundary: order, the end, errors and an early stop all get across."""

import contextvars
import threading

import pytest

from rotoscope.base.prefetch import prefetch


def our_threads():
    return [thread for thread in threading.enumerate() if thread.name == "rotoscope-prefetch"]


class Producer:
    """Counts up, remembers how far it got and whether it was closed."""

    def __init__(self, stop=10**6, error=None):
        self.made, self.closed, self.stop, self.error = 0, False, stop, error

    def __iter__(self):
        try:
            while self.made < self.stop:
                self.made += 1
                yield self.made - 1
            if self.error is not None:
                raise self.error
        finally:
            self.closed = True


@pytest.mark.parametrize("depth", [1, 3, 100])
def test_items_come_in_order(depth):
    assert list(prefetch(range(500), depth)) == list(range(500))
    assert our_threads() == []


def test_an_empty_producer_ends_at_once():
    assert list(prefetch([], 4)) == []


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt(), MemoryError()])
def test_an_error_comes_after_the_items_before_it(error):
    got = []
    with pytest.raises(type(error)) as raised:
        for item in prefetch(Producer(7, error), 2):
            got.append(item)
    assert got == list(range(7))
    assert raised.value is error
    assert our_threads() == []


def test_an_error_in_iter_itself_gets_across():
    class Refuses:
        def __iter__(self):
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        list(prefetch(Refuses(), 2))


def test_an_error_while_closing_gets_across():
    def items():
        try:
            yield 1
        finally:
            raise OSError("cannot close")

    with pytest.raises(OSError, match="cannot close"):
        list(prefetch(items(), 2))


def test_it_runs_no_further_ahead_than_asked():
    producer = Producer(200)
    ahead = [producer.made - count for count, _ in enumerate(prefetch(producer, 3), start=1)]
    assert max(ahead) <= 3 + 1  # waiting, and one in the producer's hand


def test_closing_early_stops_the_producer_and_joins_its_thread():
    producer = Producer()
    stream = prefetch(producer, 2)
    next(stream)
    stream.close()  # the producer waits for room in a full queue now
    assert producer.closed
    assert our_threads() == []


def test_an_exception_in_the_consumer_stops_the_producer():
    producer = Producer()

    def consume():
        for item in prefetch(producer, 2):
            if item == 3:
                raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        consume()
    assert producer.closed
    assert our_threads() == []


def test_a_stream_that_is_never_read_starts_nothing():
    producer = Producer()
    prefetch(producer, 2).close()
    assert producer.made == 0


def test_a_producer_that_waits_for_ever_is_interrupted():
    never = threading.Event()

    def silent_pipe():
        yield 1
        never.wait()

    stream = prefetch(silent_pipe(), 2, interrupt=never.set)
    assert next(stream) == 1
    stream.close()
    assert our_threads() == []


def test_an_interruption_of_the_start_leaves_no_thread(monkeypatch):
    """Ctrl-C may arrive while `start` waits for the new thread."""
    start = threading.Thread.start

    def interrupted(thread):
        start(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(prefetch(Producer(), 2))
    assert our_threads() == []


def test_an_interrupt_that_fails_leaves_no_thread():
    def broken():
        raise OSError("no such device")

    stream = prefetch(Producer(), 2, interrupt=broken)
    next(stream)
    with pytest.raises(OSError, match="no such device"):
        stream.close()
    assert our_threads() == []


def test_a_thread_inherits_the_context_of_its_consumer():
    name = contextvars.ContextVar("name", default="outside")

    def items():
        yield name.get()
        name.set("changed by the producer")
        yield name.get()

    token = name.set("inside")
    got = list(prefetch(items(), 1))
    assert got == ["inside", "changed by the producer"] and name.get() == "inside"
    name.reset(token)


# Dropping


class Gate:
    """A producer that makes its items at once, and then waits until it may end."""

    def __init__(self, num):
        self.num, self.all_made, self.may_end = num, threading.Event(), threading.Event()

    def __iter__(self):
        yield from range(self.num)
        self.all_made.set()
        assert self.may_end.wait(240)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_dropping_keeps_the_newest_and_tells_of_every_drop(depth):
    gate, dropped = Gate(50), []
    stream = prefetch(gate, depth, when_full="drop oldest", on_drop=dropped.append)
    got = [next(stream)]  # starts the thread; the first item that is still there
    assert gate.all_made.wait(240)
    gate.may_end.set()
    got.extend(stream)
    assert got[-depth:] == list(range(50 - depth, 50))
    assert sorted(got + dropped) == list(range(50)) and got == sorted(got) and dropped == sorted(dropped)


def test_dropping_never_makes_the_producer_wait():
    gate = Gate(1000)
    stream = prefetch(gate, 1, when_full="drop oldest")
    next(stream)
    assert gate.all_made.wait(240)  # although nothing more is taken
    gate.may_end.set()
    stream.close()
    assert our_threads() == []


def test_an_error_is_not_dropped():
    def items():
        yield from range(100)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(prefetch(items(), 1, when_full="drop oldest"))
