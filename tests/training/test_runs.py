"""train, resume and distill as Python functions, and the configuration that they write."""

import dataclasses
from pathlib import Path

import pytest
import tiny_data
import torch

from rotoscope.base.errors import UsageError
from rotoscope.training.options import SYSTEMS, CycleGanOptions, DistillOptions, RunOptions, Vid2VidOptions
from rotoscope.training.options.config_file import as_toml, from_toml
from rotoscope.training.systems import runs
from rotoscope.training.systems.catalogue import CLASSES
from rotoscope.training.systems.distill import OpenedTeacher
from rotoscope.training.systems.runs import distill, resume, teacher_device, train

TINY = {"resize": 36, "crop": 32, "width": 2, "blocks": 1, "discriminator_width": 2, "discriminator_layers": 2}


def negative(picture):
    return 255 - picture


def test_train_and_resume_return_the_weights(tmp_path):
    options = CycleGanOptions(a=tiny_data.folder(tmp_path / "a"), b=tiny_data.folder(tmp_path / "b", seed=9), **TINY)
    seen = []
    result = train(options, RunOptions(out=tmp_path / "run", device="cpu", steps=1), on_progress=seen.append)
    assert [(progress.step, progress.total) for progress in seen] == [(1, 1)]
    assert result.is_finished and all(file.is_file() for file in result.weights)
    result = resume(tmp_path / "run", steps=2)
    assert (result.step, result.total, result.folder) == (2, 2, tmp_path / "run")


def distillation(tmp_path, **options):
    frames = tiny_data.folder(tmp_path / "frames", count=2)
    options = DistillOptions(teacher="mine", frames=frames, resize=36, crop=32, batch=1, perceptual=0.0, **options)
    return options, RunOptions(out=tmp_path / "run", device="cpu", steps=1)


def test_distill_opens_its_teacher_once_and_takes_the_widest_student_in_the_budget(tmp_path):
    options, run = distillation(tmp_path)
    opened, tried = [], []
    result = distill(
        options,
        run,
        open_teacher=lambda options, device: opened.append((options.teacher, device)) or OpenedTeacher(negative),
        fps=100,
        size=(100, 48),
        time_student=lambda student, size: 1e-6 * student.width * size[0],
        on_candidate=lambda student, seconds: tried.append((student.width, seconds)),
    )
    assert opened == [("mine", "cpu")]
    assert result.weights == (tmp_path / "run" / "student.safetensors",)
    assert from_toml(tmp_path / "run" / "config.toml")[0].width == 96
    assert (96, pytest.approx(0.0096)) in tried


def test_distill_measures_nothing_for_a_folder_that_it_refuses(tmp_path):
    options, run = distillation(tmp_path)
    run.out.mkdir()
    (run.out / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        distill(options, run, open_teacher=pytest.fail, fps=30, time_student=pytest.fail)


@pytest.mark.parametrize(
    ("device", "has_gpu", "rank", "place"),
    [
        ("auto", False, None, "cpu"),
        ("cpu", True, None, "cpu"),
        ("cuda", False, None, "cpu"),  # which the run then refuses
        ("auto", True, None, "cuda:0"),
        ("cuda", True, "2", "cuda:2"),
    ],
)
def test_a_teacher_may_run_on_the_gpu_of_its_process(device, has_gpu, rank, place, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    if rank is None:
        monkeypatch.delenv("LOCAL_RANK", raising=False)
    else:
        monkeypatch.setenv("LOCAL_RANK", rank)
    assert teacher_device(RunOptions(out=tmp_path, device=device)) == place


def test_a_resumed_distillation_opens_its_teacher_on_the_device_of_the_run(tmp_path, monkeypatch):
    options, run = distillation(tmp_path)
    train(options, run, open_teacher=lambda _options, _device: OpenedTeacher(negative))
    monkeypatch.setattr(runs, "teacher_device", lambda run: f"cuda:0 of {run.out.name}")
    opened = []
    open_teacher = lambda _options, device: opened.append(device) or OpenedTeacher(negative)  # noqa: E731
    resume(run.out, steps=2, open_teacher=open_teacher)
    assert opened == ["cuda:0 of run"]


def test_a_distillation_without_a_way_to_open_its_teacher_is_refused(tmp_path):
    options, run = distillation(tmp_path)
    with pytest.raises(UsageError, match="distillation of mine needs open_teacher"):
        train(options, run)
    assert not run.out.exists()


def test_every_system_of_the_options_has_a_class():
    assert set(SYSTEMS) == set(CLASSES)


@pytest.mark.parametrize("kind", [*SYSTEMS, DistillOptions])
def test_options_survive_their_file(kind, tmp_path):
    required = {
        field.name: Path(f"data/{field.name}")
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING
    }
    if kind is Vid2VidOptions:  # which of its inputs are needed depends on the others
        required = {name: Path(f"data/{name}") for name in ("labels", "frames")}
    options, run = kind(**required), RunOptions(out=tmp_path / "run", steps=3, best_by="cycle_a")
    (tmp_path / "config.toml").write_text(as_toml(options, run))
    assert from_toml(tmp_path / "config.toml") == (options, run)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('system = "nothing"', "not the configuration of a run"),
        ("title = 'my site'", "not the configuration of a run"),
        ("[system]\nname = 1", "not the configuration of a run"),
        (b"\xff\xfe", "not TOML"),
        ('system = "cyclegan"\nout = "run"', "missing 2 required keyword-only arguments: 'a' and 'b'"),
        ('system = "cyclegan"\na = "a"\nb = "b"\nout = "run"\nsede = 5', "unknown sede"),
        ('system = "cyclegan"\na = 1\nb = "b"\nout = "run"', "config.toml: "),
    ],
)
def test_other_files_are_no_configuration_of_a_run(content, says, tmp_path):
    (tmp_path / "config.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError) as error:
        from_toml(tmp_path / "config.toml")
    assert says in str(error.value)


def test_tuples_and_paths_come_back_with_their_types(tmp_path):
    options = Vid2VidOptions(labels=Path("labels"), frames=Path("frames"), foreground=(24, 26), vgg19=Path("vgg19.pth"))
    (tmp_path / "config.toml").write_text(as_toml(options, RunOptions(out=Path("run"))))
    assert from_toml(tmp_path / "config.toml")[0] == options
