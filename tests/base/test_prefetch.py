"""The one thread boundary: order, the end, errors and an early stop all get across."""

import threading
import time

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
    producer = Producer()
    stream = prefetch(producer, 3)
    assert next(stream) == 0
    deadline = time.monotonic() + 5
    while producer.made < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert producer.made == 5  # one taken, three waiting, one in the producer's hand
    stream.close()


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


def test_a_stream_that_nobody_reads_starts_nothing():
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
