"""Bad files of our own making: no crash, no hang, one line, nothing left, and the outcome that each entry states."""

import os

import pytest

from promises.corpus import entries
from promises.corpus_run import run_corpus, totals

LEAST_ENTRIES = 500
LEAST_SHARE = 0.99
EVERY = 25  # one of so many entries also runs as a user runs it

ALL = entries()
# Each third entry in the short form; all of them in the full form.
ENTRIES = ALL if os.environ.get("ROTOSCOPE_PROMISES") == "full" else ALL[::3]


def test_there_are_enough_entries_and_each_has_a_name_of_its_own():
    assert len(ENTRIES) >= LEAST_ENTRIES
    assert len({entry.name for entry in ALL}) == len(ALL)


@pytest.mark.timeout(3600)  # for a machine ten times as busy
def test_every_bad_file_ends_as_expected():
    judge(list(run_corpus(ENTRIES)))


@pytest.mark.timeout(3600)
def test_a_sample_ends_as_expected_through_the_executable():
    judge(list(run_corpus(ENTRIES[::EVERY], executable=True)))


def judge(outcomes):
    """Fail with every entry that is not as expected; no crash and no hang is allowed, and one in a hundred may surprise."""
    found = totals(outcomes)
    surprises = "\n".join(
        f"{outcome.entry.name}: {'; '.join(outcome.reasons)}\n    {outcome.said[:300]!a}"
        for outcome in outcomes
        if outcome.reasons
    )
    assert found["crashes"] == 0 and found["hangs"] == 0, f"{found}\n{surprises}"
    assert found["share"] >= LEAST_SHARE, f"{found}\n{surprises}"
    print(found)
    if surprises:
        print(surprises)
