"""Choices of blind tests: added, with Wilson's interval, and refused if they are of another test."""

import json

import pytest

from rotoscope.base.errors import InputRefused
from rotoscope.metrics.choices import count_choices


def result(path, chosen, test="t"):
    content = {"test": test, "a": "ours", "b": "theirs", "choices": [{"pair": "p", "chosen": side} for side in chosen]}
    path.write_text(json.dumps(content))
    return path


def test_choices_of_several_people_are_added(tmp_path):
    found = count_choices([result(tmp_path / "1.json", "aaaab"), result(tmp_path / "2.json", "aaaba")])
    assert (found.count_a, found.total, found.people) == (8, 10, 2)
    assert found.interval_a == pytest.approx((0.4902, 0.9433), abs=5e-5)
    assert found.text().splitlines() == [
        "ours    chosen 8 of 10: 80% (49% to 94%, Wilson 95%)",
        "theirs  chosen 2 of 10: 20% (6% to 51%, Wilson 95%)",
    ]


@pytest.mark.parametrize(("text", "said"), [
    ('{"test": "other", "a": "ours", "b": "theirs", "choices": []}', "is of another test than"),
    ('{"test": "t", "a": "ours", "b": "theirs", "choices": [{"chosen": "c"}]}', "not a result of a blind test"),
    ("[1]", "not a result of a blind test"),
    ("no", "not a result of a blind test"),
])  # fmt: skip
def test_other_files_are_refused(tmp_path, text, said):
    (tmp_path / "2.json").write_text(text)
    with pytest.raises(InputRefused, match=said):
        count_choices([result(tmp_path / "1.json", "ab"), tmp_path / "2.json"])
