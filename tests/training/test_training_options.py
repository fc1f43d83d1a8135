"""The options of training refuse numbers that cannot be meant, with one line that names the option and what is accepted."""

from dataclasses import fields
from pathlib import Path
from typing import ClassVar, get_args, get_origin, get_type_hints

import pytest
import torch

from rotoscope.base.errors import UsageError
from rotoscope.base.limits import Within, plain_type
from rotoscope.training.loop.run import run_training
from rotoscope.training.options import (
    SYSTEMS,
    DistillOptions,
    DualGanOptions,
    InpaintingOptions,
    Pix2PixOptions,
    RunOptions,
    Vid2VidOptions,
)
from rotoscope.training.options.config_file import CONFIG, as_toml, from_toml
from rotoscope.training.systems.catalogue import make_system

KINDS = [*SYSTEMS, DistillOptions, RunOptions]
NAMES = [getattr(kind, "system", "run") for kind in KINDS]
ABSURD = (float("nan"), float("inf"), -float("inf"), 1e300, -1e300, -1, 10**30)


IN_PLACE_OF_LABELS = ("lines", "drawings", "more_drawings")  # inputs of vid2vid, which takes one kind


def made(kind, **values):
    """A value of a kind; options without a default get a path."""
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind) if "Path" in str(hints[field.name])]
    paths = {name: "somewhere" for name in names if name not in IN_PLACE_OF_LABELS}
    return kind(**{**paths, **values})


def numbers(kind):
    """Each option that holds numbers: its name, its limits, and whether it is a tuple."""
    for name, annotated in get_type_hints(kind, include_extras=True).items():
        if get_origin(annotated) is ClassVar:
            continue
        plain, limits = plain_type(annotated)
        words = {plain, *get_args(plain)}
        if words & {int, float}:
            yield name, limits, get_origin(plain) is tuple


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_every_number_has_limits_that_its_default_keeps(kind):
    made(kind)
    found = list(numbers(kind))
    assert len(found) > 4
    for name, limits, _ in found:
        assert isinstance(limits, Within), name
        assert 0 <= limits.least < limits.most < 1e20, name


@pytest.mark.parametrize("number", ABSURD, ids=str)
@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_absurd_numbers_are_refused(kind, number):
    for name, limits, is_tuple in numbers(kind):
        if number in limits:  # -1e300 to 10**30 are in none
            raise AssertionError(name)
        with pytest.raises(UsageError, match=rf"^{name}=.*; accepted: ") as error:
            made(kind, **{name: (number, number) if is_tuple else number})
        assert len(str(error.value)) < 300 and "\n" not in str(error.value)


@pytest.mark.parametrize("value", [True, "3", None, [1], 1.5])
def test_a_value_of_another_type_is_refused(value):
    with pytest.raises(UsageError, match=r"batch=.*; accepted: a whole number"):
        made(SYSTEMS[0], batch=value)


@pytest.mark.parametrize(("name", "value"), [("a", 5), ("flip", "yes"), ("objective", "best"), ("cycle_a", "10")])
def test_paths_choices_and_flags_are_checked(name, value):
    with pytest.raises(UsageError, match=f"{name}={value!r}; accepted: "):
        made(SYSTEMS[0], **{name: value})


@pytest.mark.parametrize("line", ["width = 1e300", "steps = 0", "learning_rate = nan", "keep = -3", "batch = '4'"])
def test_a_config_that_was_changed_names_itself(line, tmp_path):
    path = tmp_path / CONFIG
    name = line.split(" = ")[0]
    text = as_toml(made(SYSTEMS[0]), made(RunOptions))
    kept = [row for row in text.splitlines() if not row.startswith(f"{name} = ")]
    path.write_text("\n".join([*kept, line]))
    with pytest.raises(UsageError, match=f"config.toml: {name}=.*; accepted: "):
        from_toml(path)


@pytest.mark.parametrize(
    "words",
    [
        "--batch 1e300", "--batch nan", "--batch 99999999999", "--batch 1.5", "--learning-rate 1e300", "--learning-rate nan",
        "--learning-rate 0", "--cycle-a inf", "--cycle-a -1", "--seed -1", "--steps 0", "--crop 1000000 --resize 0",
        f"--width {'9' * 5000}", "--ema 1", "--ema nan",
    ],
)  # fmt: skip
def test_the_command_answers_in_one_line(words, rotoscope_main, tmp_path):
    code, _, err = rotoscope_main(
        "train", "cyclegan", "--a", tmp_path, "--b", tmp_path, "--out", tmp_path, *words.split()
    )
    assert code == 2 and err.count("\n") == 1 and "accepted" in err and len(err) < 600, err


@pytest.mark.parametrize(
    "words",
    [
        "--macs nan", "--macs inf", "--macs -1", "--macs 0", "--macs 1e300", f"--budget {'9' * 400}fps@64x64",
        "--budget 0.000fps@64x64", "--budget 30fps@0x0", "--macs 1 --size 99999x99999", "--batch 0", "--pixels nan",
    ],
)  # fmt: skip
def test_a_budget_that_cannot_be_meant_is_refused_before_the_teacher_is_opened(words, rotoscope_main, tmp_path):
    code, _, err = rotoscope_main(
        "distill", "missing.onnx", "--frames", tmp_path, "--out", tmp_path / "run", *words.split()
    )
    assert code == 2 and err.count("\n") == 1 and "accepted" in err and len(err) < 600, err


@pytest.mark.parametrize("name", ["cpu", "gpu", "python"])
def test_memory_that_is_short_is_named(name, tmp_path):
    def make():
        if name == "cpu":
            torch.empty(1 << 60, dtype=torch.uint8)
        raise torch.OutOfMemoryError("CUDA out of memory") if name == "gpu" else MemoryError

    with pytest.raises(UsageError, match="not enough memory for this run"):
        run_training(make, made(SYSTEMS[0]), RunOptions(out=tmp_path / "run", device="cpu"))
    assert not (tmp_path / "run").exists()


def test_other_errors_of_torch_stay_bugs(tmp_path):
    with pytest.raises(RuntimeError, match="inconsistent"):
        run_training(lambda: torch.zeros(2) @ torch.zeros(3), made(SYSTEMS[0]), RunOptions(out=tmp_path, device="cpu"))


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        (DualGanOptions, {"crop": 16}, "accepted: a multiple of 256"),
        (Pix2PixOptions, {"downs": 1}, "accepted: 2 to 10"),
        (InpaintingOptions, {"width": 1}, "accepted: 2 to 1024"),
        (Vid2VidOptions, {"width": 2, "scales": 8}, "accepted: a width of 128 or more"),
    ],
)
def test_the_least_numbers_are_those_that_networks_can_be_made_of(kind, values, words, tmp_path):
    with pytest.raises(UsageError, match=words):
        make_system(made(kind, **values), None)


def test_texts_become_paths():
    assert made(SYSTEMS[0]).a == Path("somewhere") == made(RunOptions).out


def test_milestones_are_whole_numbers(rotoscope_main, tmp_path):
    words = ["train", "super-slomo", "--frames", tmp_path, "--out", tmp_path, "--milestones", "1.5"]
    code, _, err = rotoscope_main(*words)
    assert code == 2 and err.count("\n") == 1 and "a whole number" in err
