"""The driver of a batch with workers that the test plays: no process, no network."""

import signal
from dataclasses import replace

import pytest

from rotoscope.jobs import batch
from rotoscope.jobs.listing.job import BatchJob
from rotoscope.jobs.results.records import Record, Records
from rotoscope.jobs.results.standing import History
from rotoscope.jobs.workers.task import Outcome
from rotoscope.jobs.workers.worker_process import Message
from rotoscope.runtime.pipeline.parts import Part

JOB = BatchJob("a.mp4", "a.mp4", ("m",), {})
RECORD = Record(key="a" * 64, state="started", source="a.mp4", target="a.mp4", models=("m",))


class PlayedWorker:
    """Does nothing with its tasks until the test says how they end."""

    is_running = True

    def __init__(self, number, messages):
        self.number, self._messages, self.tasks = number, messages, []
        self.say("ready")

    def say(self, event, **content):
        self._messages.put(Message(self, event, content))

    def give(self, task):
        self.tasks.append(task)

    def end_task(self, state, **outcome):
        self.say("ended", outcome=Outcome(state, **outcome).to_json())

    def end(self):
        pass

    def wait(self):
        pass


class PlayedWorkers:
    """`number` of them; `made` are those that the driver has started."""

    threads = 1

    def __init__(self, number):
        self.number, self.made = number, []

    def start(self, number, _out, messages):
        self.made.append(PlayedWorker(number, messages))
        return self.made[-1]

    def close(self):
        pass

    @property
    def given(self):
        """(number of the worker, task), of all tasks."""
        return [(worker.number, task) for worker in self.made for task in worker.tasks]


@pytest.fixture
def play(here, monkeypatch):
    """Run a batch whose `look` takes the next value of a script at each call; the script ends the batch."""
    monkeypatch.setattr(batch, "TICK_SECONDS", 0.001)
    (here / "a.mp4").write_bytes(b"clip")
    results, workers = Records(here / "out"), PlayedWorkers(2)
    history = History(results, lambda _job: ("m",))

    def run(script):
        steps = script(workers)

        def look():
            try:
                return next(steps)
            except StopIteration:
                signal.raise_signal(signal.SIGTERM)
                return ()

        return batch.run_batch((), results, history, workers=workers, segment_seconds=1.0, look=look)

    return run


def rounds_until(is_so):
    """Let the driver go round until something is so."""
    while not is_so():
        yield ()


def test_a_file_that_is_replaced_while_it_is_in_work_waits_for_the_same_target(play):
    """A second worker must not have it: two would write one result."""

    def script(workers):
        yield (JOB,)
        yield from rounds_until(lambda: workers.given)
        yield (JOB,)
        yield from rounds_until(lambda: len(workers.made) == 2)
        yield ()
        yield ()  # the second worker is ready, and the job waits
        assert len(workers.given) == 1
        workers.made[0].end_task("done", record=replace(RECORD, state="done"))
        yield from rounds_until(lambda: len(workers.given) == 2)
        next(worker for worker in workers.made if worker.tasks[1:] or worker.number == 2).end_task(
            "done", record=replace(RECORD, state="done", key="b" * 64)
        )
        yield ()

    report = play(script)
    assert [record.key[0] for record in report.made] == ["a", "b"]


def test_another_job_passes_one_whose_target_is_in_work(play, here):
    other = BatchJob("b.mp4", "b.mp4", ("m",), {})
    (here / "b.mp4").write_bytes(b"clip")

    def script(workers):
        yield (JOB,)
        yield from rounds_until(lambda: workers.given)
        yield (JOB, other)
        yield from rounds_until(lambda: len(workers.given) == 2)

    report = play(script)
    assert {missing.target for missing in report.missing} == {"a.mp4", "b.mp4"}


def test_the_task_that_joins_parts_names_their_record(play):
    """If the source has changed since, the whole has another one."""

    def script(workers):
        yield (JOB,)
        yield from rounds_until(lambda: workers.given)
        workers.made[0].end_task("divided", record=RECORD, parts=(Part(0, None),))
        yield from rounds_until(lambda: len(workers.given) == 2)
        (part,) = [worker for worker in workers.made if worker.tasks and worker.tasks[-1].part]
        part.end_task("part written")
        yield from rounds_until(lambda: len(workers.given) == 3)
        (task,) = [task for _, task in workers.given if not task.part and task.replaced]
        assert task.replaced == (RECORD.key,)

    play(script)
