"""The loop: a resumed run is the run, accumulated batches are a large batch, nothing is lost."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import tiny_data
import torch
from safetensors import SafetensorError, safe_open

from rotoscope.base.errors import InputRefused, OutputFailed, UsageError
from rotoscope.export.checkpoint import open_checkpoint
from rotoscope.training.data.datasets import Domain, Geometry
from rotoscope.training.loop import state_file
from rotoscope.training.loop.checkpoints import checkpoint_steps, load_checkpoint, save_checkpoint
from rotoscope.training.loop.run import make_fabric, run_training
from rotoscope.training.loop.run_folder import create_run
from rotoscope.training.loop.run_log import Means
from rotoscope.training.loop.run_page import read_log
from rotoscope.training.loop.trainer import LossNotFinite, Trainer
from rotoscope.training.loop.training_system import TrainingSystem, Update
from rotoscope.training.options import CycleGanOptions, RunOptions
from rotoscope.training.systems.cyclegan import CycleGan

SIZE = {"resize": 36, "crop": 32, "width": 2, "blocks": 1, "discriminator_width": 2, "discriminator_layers": 2}


@pytest.fixture
def photos(tmp_path):
    return {
        "a": tiny_data.folder(tmp_path / "a", count=5),
        "b": tiny_data.folder(tmp_path / "b", count=4, seed=50, change=lambda rgb: 255 - rgb),
    }


def run_cyclegan(photos, out, *, resume=False, options=(), on_progress=lambda _progress: None, **run):
    options = CycleGanOptions(**{**photos, **SIZE, "pool": 3, **dict(options)})
    run = RunOptions(out=out, device="cpu", **{"steps": 6, "save_every": 3, "sample_every": 3, "log_every": 2, **run})
    return run_training(lambda: CycleGan(options), options, run, resume=resume, on_progress=on_progress)


def state_of(out):
    return load_checkpoint(out / "checkpoints", rank=0)


def assert_same(one, other, where=""):
    assert type(one) is type(other), where
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for index, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            assert_same(mine, theirs, f"{where}[{index}]")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    else:
        assert one == other, where


def without_time(state):
    return {key: value for key, value in state.items() if key != "seconds"}


def log_of(out):
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


@pytest.mark.parametrize("more", [{}, {"ema": 0.9, "accumulate": 2}, {"workers": 1}], ids=str)
def test_a_resumed_run_is_bit_for_bit_the_run_that_was_never_stopped(photos, tmp_path, more):
    temporal = {"temporal": 1.0}  # draws random flow in every step
    run_cyclegan(photos, tmp_path / "whole", options=temporal, **more)
    run_cyclegan(photos, tmp_path / "parts", options=temporal, **{**more, "steps": 3})
    run_cyclegan(photos, tmp_path / "parts", options=temporal, resume=True, **more)
    assert_same(without_time(state_of(tmp_path / "whole")), without_time(state_of(tmp_path / "parts")))
    assert (tmp_path / "whole" / "AtoB.safetensors").read_bytes() == (
        tmp_path / "parts" / "AtoB.safetensors"
    ).read_bytes()


def test_a_run_killed_between_checkpoints_goes_on_as_if_never_killed(photos, tmp_path):
    run_cyclegan(photos, tmp_path / "whole", save_every=2)

    class Killed(BaseException):
        pass

    def kill(progress):
        if progress.step == 5:
            raise Killed

    with pytest.raises(Killed):
        run_cyclegan(photos, tmp_path / "killed", save_every=2, log_every=1, on_progress=kill)
    assert checkpoint_steps(tmp_path / "killed" / "checkpoints") == [2, 4]
    run_cyclegan(photos, tmp_path / "killed", save_every=2, log_every=1, resume=True)
    assert_same(without_time(state_of(tmp_path / "whole")), without_time(state_of(tmp_path / "killed")))
    assert [row["step"] for row in log_of(tmp_path / "killed")] == [1, 2, 3, 4, 5, 6]


def gradients_after_one_step(photos, out, *, batch, accumulate):
    options = CycleGanOptions(**photos, **SIZE, pool=0, batch=batch, flip=False)
    run = RunOptions(out=out, device="cpu", accumulate=accumulate)
    torch.manual_seed(0)
    fabric = make_fabric(run)
    fabric.launch()
    trainer = Trainer(fabric, CycleGan(options), options, run)
    positions = list(range(batch * accumulate))
    trainer.train_step(
        [trainer.data.batch(positions[start : start + batch]) for start in range(0, len(positions), batch)]
    )
    return {name: parameter.grad for name, parameter in trainer.system.named_parameters()}


def test_accumulated_batches_make_the_gradients_of_the_batch_of_all_of_them(photos, tmp_path):
    one = gradients_after_one_step(photos, tmp_path / "one", batch=4, accumulate=1)
    several = gradients_after_one_step(photos, tmp_path / "several", batch=1, accumulate=4)
    for name, gradient in one.items():
        # The discriminators' inputs already went through generators that one step moved apart by rounding.
        torch.testing.assert_close(several[name], gradient, atol=2e-5, rtol=2e-3, msg=name)


def test_weights_of_a_finished_run_are_a_checkpoint_that_export_recognises(photos, tmp_path):
    result = run_cyclegan(photos, tmp_path / "run")
    assert result.is_finished and result.step == result.total == 6
    assert result.weights == (tmp_path / "run" / "AtoB.safetensors", tmp_path / "run" / "BtoA.safetensors")
    loaded = open_checkpoint(tmp_path / "run" / "AtoB.safetensors")
    assert loaded.description.system == "CycleGAN ResNet-1"
    picture = torch.rand(1, 3, 32, 32)
    state = state_of(tmp_path / "run")["system"]
    trained = CycleGan(CycleGanOptions(**photos, **SIZE, pool=3))
    trained.load_state_dict(state)
    assert torch.equal(loaded.network(picture), trained.g_ab(picture))


def test_the_running_average_is_what_a_run_leaves_behind(photos, tmp_path):
    run_cyclegan(photos, tmp_path / "run", ema=0.5)
    state = state_of(tmp_path / "run")
    with safe_open(tmp_path / "run" / "AtoB.safetensors", framework="pt") as file:
        left = file.get_tensor("model.1.weight")
    assert torch.equal(left, state["average"]["module.AtoB.model.1.weight"])
    assert not torch.equal(left, state["system"]["g_ab.model.1.weight"])


def test_old_checkpoints_go_and_the_newest_stay(photos, tmp_path):
    run_cyclegan(photos, tmp_path / "run", save_every=1, keep=2)
    assert checkpoint_steps(tmp_path / "run" / "checkpoints") == [5, 6]


def test_the_best_weights_by_a_term_are_kept(photos, tmp_path):
    run_cyclegan(photos, tmp_path / "run", save_every=1, best_by="cycle_a")
    rows = {row["step"]: row["cycle_a"] for row in log_of(tmp_path / "run")}
    with safe_open(tmp_path / "run" / "best" / "AtoB.safetensors", framework="pt") as file:
        best_step = json.loads(file.metadata()["rotoscope"])["steps"]
    assert len(rows) == 3
    assert state_of(tmp_path / "run")["best"] <= min(rows.values())
    assert 1 <= best_step <= 6


def test_an_unknown_term_for_the_best_is_refused(photos, tmp_path):
    with pytest.raises(UsageError, match=r"--best-by nothing; accepted: .*cycle_a"):
        run_cyclegan(photos, tmp_path / "run", best_by="nothing")


def test_a_loss_that_is_no_number_stops_the_run_and_leaves_its_batch(photos, tmp_path, monkeypatch):
    calls = iter(range(100))

    def broken(one, other):
        value = (one - other).abs().mean()
        return value * float("nan") if next(calls) == 9 else value

    monkeypatch.setattr("rotoscope.training.systems.cyclegan.l1_loss", broken)
    with pytest.raises(LossNotFinite, match=r"step 2: loss cycle_b nan; its batch is in "):
        run_cyclegan(photos, tmp_path / "run", save_every=1)
    (saved,) = (tmp_path / "run").glob("not-finite-step-*.pt")
    content = torch.load(saved, weights_only=True)
    assert content["batch"]["a"].shape == (1, 3, 32, 32)
    assert np.isnan(content["terms"]["cycle_b"])
    assert checkpoint_steps(tmp_path / "run" / "checkpoints") == [1, 2]
    assert all(
        torch.isfinite(value).all() for value in state_of(tmp_path / "run")["system"].values() if torch.is_tensor(value)
    )


def test_a_picture_that_cannot_be_read_costs_nothing_that_was_trained(photos, tmp_path):
    def damage(progress):
        if progress.step == 2:
            for file in photos["a"].iterdir():
                file.write_bytes(b"nothing")

    with pytest.raises(InputRefused, match="not a readable picture"):
        run_cyclegan(photos, tmp_path / "run", steps=50, on_progress=damage)
    assert checkpoint_steps(tmp_path / "run" / "checkpoints") == [2]


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, {"step": 1, "system": {"x": torch.zeros(1000)}}, rank=0, keep=2)

    def full(*_arguments, **_keywords):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(state_file, "save_file", full)
    with pytest.raises(OutputFailed, match="is the disk full"):
        save_checkpoint(tmp_path, {"step": 2, "system": {}}, rank=0, keep=2)
    assert [file.name for file in tmp_path.iterdir()] == ["step-00000001.safetensors"]


class SeveralUpdates(TrainingSystem):
    """One number, moved by several updates in each step."""

    def __init__(self, num_updates, data):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.num_updates, self.data = num_updates, data
        self.optimisers = {"sgd": torch.optim.SGD([self.weight], 0.1)}

    def domains(self):
        return [Domain({"a": self.data}, Geometry())]

    def num_steps(self, epoch_steps):
        return 10

    def results(self):
        return {}

    def step(self, batch):
        for _ in range(self.num_updates):
            yield Update("sgd", {"square": (self.weight - batch["a"].mean()).square().sum()})


def host_reads_of_a_step(photos, out, monkeypatch, num_updates):
    options, run = CycleGanOptions(**photos, **SIZE), RunOptions(out=out, device="cpu")
    fabric = make_fabric(run)
    fabric.launch()
    trainer = Trainer(fabric, SeveralUpdates(num_updates, photos["a"]), options, run)
    batch = trainer.data.batch([0])
    reads = []
    with monkeypatch.context() as patch:
        for name in ("__bool__", "__float__", "__int__", "item", "tolist", "cpu"):
            original = getattr(torch.Tensor, name)
            patch.setattr(torch.Tensor, name, lambda *words, original=original: reads.append(1) or original(*words))
        trainer.train_step([batch])
    return len(reads)


def test_losses_are_read_once_a_step_and_not_in_every_update(photos, tmp_path, monkeypatch):
    few = host_reads_of_a_step(photos, tmp_path, monkeypatch, 1)
    many = host_reads_of_a_step(photos, tmp_path, monkeypatch, 6)
    assert few == many == 1


def test_a_run_stopped_before_its_first_checkpoint_resumes_at_its_start(photos, tmp_path):
    run_cyclegan(photos, tmp_path / "whole")
    options, run = CycleGanOptions(**{**photos, **SIZE, "pool": 3}), RunOptions(out=tmp_path / "run", device="cpu")
    create_run(tmp_path / "run", options, run)  # the folder as Ctrl-C leaves it before the first step
    run_cyclegan(photos, tmp_path / "run", resume=True)
    assert_same(without_time(state_of(tmp_path / "whole")), without_time(state_of(tmp_path / "run")))


def test_a_new_run_replaces_one_without_a_checkpoint_but_no_edited_configuration(photos, tmp_path):
    options, run = CycleGanOptions(**{**photos, **SIZE}), RunOptions(out=tmp_path / "run", device="cpu", seed=7)
    create_run(tmp_path / "run", options, run)
    config = tmp_path / "run" / "config.toml"
    assert "seed = 7\n" in config.read_text()
    create_run(tmp_path / "run", options, replace(run, seed=8))
    assert "seed = 8\n" in config.read_text()
    config.write_text("# mine\n" + config.read_text())
    with pytest.raises(UsageError, match="is not empty"):
        create_run(tmp_path / "run", options, run)
    assert config.read_text().startswith("# mine")


def test_weights_whose_checkpoints_are_gone_are_not_trained_over(photos, tmp_path):
    run_cyclegan(photos, tmp_path / "run", steps=1)
    for file in (tmp_path / "run" / "checkpoints").iterdir():
        file.unlink()
    before = (tmp_path / "run" / "AtoB.safetensors").read_bytes()
    with pytest.raises(UsageError, match="is not empty"):
        run_cyclegan(photos, tmp_path / "run", steps=2)
    with pytest.raises(InputRefused, match="no checkpoint to resume from"):
        run_cyclegan(photos, tmp_path / "run", steps=2, resume=True)
    assert (tmp_path / "run" / "AtoB.safetensors").read_bytes() == before


def test_a_checkpoint_of_other_options_is_refused_in_one_line(photos, tmp_path):
    run_cyclegan(photos, tmp_path / "run", steps=1)
    with pytest.raises(
        InputRefused, match=r"run: the newest checkpoint does not fit the options in config.toml"
    ) as error:
        run_cyclegan(photos, tmp_path / "run", steps=2, resume=True, options={"width": 3})
    assert "\n" not in str(error.value)


def test_a_run_in_another_thread_leaves_signal_handlers_alone(photos, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run_cyclegan, photos, tmp_path / "run", steps=1).result().is_finished
    assert signal.getsignal(signal.SIGINT) is before


def test_a_stop_ends_after_the_step_with_a_checkpoint(photos, tmp_path):
    def stop(progress):
        if progress.step == 4:
            os.kill(os.getpid(), signal.SIGINT)

    result = run_cyclegan(photos, tmp_path / "run", steps=50, save_every=50, on_progress=stop)
    assert not result.is_finished and (result.step, result.total) == (5, 50)
    assert checkpoint_steps(tmp_path / "run" / "checkpoints") == [5]
    assert "stopped" in (tmp_path / "run" / "run.html").read_text()
    with safe_open(tmp_path / "run" / "AtoB.safetensors", framework="pt") as file:
        assert json.loads(file.metadata()["rotoscope"])["steps"] == 5
    assert open_checkpoint(tmp_path / "run" / "AtoB.safetensors").description.system == "CycleGAN ResNet-1"


def test_the_report_shows_curves_and_samples_and_needs_no_other_file(photos, tmp_path):
    run_cyclegan(photos, tmp_path / "run")
    page = (tmp_path / "run" / "run.html").read_text()
    assert page.count("<svg") == len(log_of(tmp_path / "run")[0]) - 1  # every column but the step
    assert page.count("data:image/jpeg;base64,") == 3
    assert "http-equiv" not in page  # a finished run does not reload
    assert "src='http" not in page and "href" not in page
    events = list((tmp_path / "run" / "tensorboard").iterdir())
    assert events and events[0].stat().st_size > 0


def test_samples_use_up_nothing_of_the_runs_chance(photos, tmp_path):
    temporal = {"temporal": 1.0}
    run_cyclegan(photos, tmp_path / "few", options=temporal, sample_every=6)
    run_cyclegan(photos, tmp_path / "many", options=temporal, sample_every=1)
    assert_same(without_time(state_of(tmp_path / "few")), without_time(state_of(tmp_path / "many")))


DDP = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from rotoscope.training.systems.cyclegan import CycleGan
from rotoscope.training.options import CycleGanOptions, RunOptions
from rotoscope.training.loop.run import run_training
a, b, out, batch = sys.argv[1:]
options = CycleGanOptions(a=Path(a), b=Path(b), batch=int(batch), pool=0, flip=False, resize=36, crop=32, width=2,
                          blocks=1, discriminator_width=2, discriminator_layers=2)
run = RunOptions(out=Path(out), device="cpu", steps=3, log_every=1, sample_every=100)
run_training(lambda: CycleGan(options), options, run)
"""


def test_two_processes_train_like_one_with_the_doubled_batch(photos, tmp_path):
    script = tmp_path / "ddp.py"
    script.write_text(DDP)
    words = [script, photos["a"], photos["b"]]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for command in (
        [*torchrun, *words, tmp_path / "two", 1],
        [sys.executable, *words, tmp_path / "one", 2],
    ):
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "two" / "checkpoints" / "step-00000003.rank1.safetensors").exists()
    one, two = log_of(tmp_path / "one"), log_of(tmp_path / "two")
    assert len(one) == len(two) == 3
    for mine, theirs in zip(one, two, strict=True):
        assert theirs == pytest.approx(mine, rel=1e-4)


def test_a_stop_in_between_changes_nothing_about_the_best(photos, tmp_path, monkeypatch):
    compared, keep_best = [], Trainer.keep_best

    def noted(trainer):
        state = trainer.means_for_best.state()
        compared.append((trainer.step, state["counts"]["cycle_a"], state["sums"]["cycle_a"]))
        keep_best(trainer)

    monkeypatch.setattr(Trainer, "keep_best", noted)
    run_cyclegan(photos, tmp_path / "whole", save_every=4, best_by="cycle_a", steps=8)
    whole, compared[:] = list(compared), []
    for steps in (5, 7, 8):  # a single lucky step must not compete with means of four
        resume = steps > 5
        run_cyclegan(photos, tmp_path / "parts", save_every=4, best_by="cycle_a", steps=steps, resume=resume)
    assert [entry[:2] for entry in compared] == [entry[:2] for entry in whole] == [(4, 4), (8, 4)]
    assert [entry[2] for entry in compared] == pytest.approx([entry[2] for entry in whole], rel=1e-6)


def test_steps_beyond_the_schedule_are_refused(photos, tmp_path):
    with pytest.raises(UsageError, match=r"--steps 11: the learning rate's schedule ends after 10"):
        run_cyclegan(photos, tmp_path / "run", steps=11, options={"epochs": 1, "epochs_decay": 1}.items())


def test_means_of_many_half_precision_terms_keep_their_digits():
    means = Means()
    for _ in range(1000):
        means.add({"term": torch.tensor(0.3, dtype=torch.bfloat16)})
    assert means.pop()["term"] == pytest.approx(0.3, rel=0.01)


def test_a_log_that_a_full_disk_cut_short_is_read_up_to_there(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert [row["step"] for row in read_log(tmp_path / "log.jsonl")] == [1, 2]


def test_a_run_that_is_refused_before_its_first_step_may_begin_again(photos, tmp_path):
    for file in photos["b"].iterdir():
        file.write_bytes(b"nothing")
    with pytest.raises(InputRefused):
        run_cyclegan(photos, tmp_path / "run")
    assert checkpoint_steps(tmp_path / "run" / "checkpoints") == []


def test_compiling_reaches_every_module_that_is_called_and_needs_a_compiler(photos, tmp_path, monkeypatch):
    options = CycleGanOptions(**photos, **SIZE)
    run = RunOptions(out=tmp_path, device="cpu", compile=True)
    monkeypatch.setenv("CXX", sys.executable)  # found; nothing is compiled before a step
    trainer = Trainer(make_fabric(run), CycleGan(options), options, run)
    assert [module._compiled_call_impl is not None for module in trainer.system.modules_to_compile()] == [True] * 4
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(UsageError, match=r"--compile needs a C\+\+ compiler on a CPU; no-such-compiler was not found"):
        make_fabric(run)
