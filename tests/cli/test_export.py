"""rotoscope export, and translate straight from a checkpoint: what users see and what appears on disk."""

import importlib.util
import stat
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_clips
import torch

import rotoscope
from rotoscope.base import cache
from rotoscope.base.files import file_digest
from rotoscope.networks.compact import CompactGenerator
from rotoscope.networks.resnet import ResnetGenerator


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The cache of exported checkpoints, empty."""
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    monkeypatch.setattr(cache, "user_cache_path", lambda _name: folder)
    return folder / "models"


@pytest.fixture
def checkpoint(here):
    torch.manual_seed(0)
    torch.save(CompactGenerator(8, 2).state_dict(), here / "latest_net_G_A.pth")
    return here / "latest_net_G_A.pth"


@pytest.fixture
def photo(here):
    cv2.imwrite("photo.png", tiny_clips.pattern(0))
    return "photo.png"


def test_export_says_what_it_found_how_well_it_agrees_and_what_it_wrote(checkpoint, rotoscope_main):
    code, out, err = rotoscope_main("export", checkpoint, "net.onnx")
    assert (code, out) == (0, "")
    first, second, third = err.splitlines()
    assert first.startswith("compact student, AtoB, 3 k parameters, ") and first.endswith("GMAC at 256x256")
    assert (
        second.startswith("torch fp32 cpu and onnxruntime fp32 cpu: max ")
        and "(allowed: max 0.001, mean 1e-05)" in second
    )
    assert third.startswith("written: net.onnx (0.")
    manifest = rotoscope.load("net.onnx").file.manifest
    assert (manifest.name, manifest.direction, manifest.frame.range) == ("latest_net_G_A", "AtoB", (-1, 1))
    assert manifest.checkpoint_sha256 == file_digest(checkpoint)


def test_weights_go_to_safetensors_and_from_there_to_onnx(here, rotoscope_main):
    torch.manual_seed(0)
    network = ResnetGenerator(width=2, num_blocks=1, norm="batch_running", bias=False)
    torch.save(network.state_dict(), "net.pth")
    assert rotoscope_main("export", "net.pth", "net.safetensors", "--hint", "statistics=running")[0] == 0
    assert stat.S_IMODE(Path("net.safetensors").stat().st_mode) & 0o044  # as readable as any other result
    assert rotoscope_main("export", "net.safetensors", "net.onnx")[0] == 0
    assert rotoscope.load("net.onnx").file.manifest.normalisation == "batch running"


def test_a_file_that_exists_is_replaced_only_when_asked(checkpoint, rotoscope_main):
    checkpoint.with_name("net.onnx").write_text("mine")
    code, _, err = rotoscope_main("export", checkpoint, "net.onnx")
    assert code == 2 and "--overwrite" in err and checkpoint.with_name("net.onnx").read_text() == "mine"
    code, _, err = rotoscope_main("export", checkpoint, "net.onnx", "--overwrite")
    assert code == 2 and "-o net.onnx --overwrite" in err and checkpoint.with_name("net.onnx").read_text() == "mine"
    assert rotoscope_main("export", checkpoint, "-o", "net.onnx", "--overwrite")[0] == 0


def test_an_export_that_computes_something_else_is_not_written(checkpoint, rotoscope_main, monkeypatch):
    from rotoscope.export import convert as module

    def slightly_wrong(graph, path, **options):
        graph.module.requires_grad_(False)
        bias = [values for name, values in graph.module.named_parameters() if name.endswith("bias")][-1]
        original = bias.clone()
        bias += 0.01
        manifest = write_onnx(graph, path, **options)
        bias.copy_(original)
        return manifest

    write_onnx = module.write_onnx
    monkeypatch.setattr(module, "write_onnx", slightly_wrong)
    code, _, err = rotoscope_main("export", checkpoint, "net.onnx")
    assert code == 4 and "gives other results (picture: max " in err
    assert [path.name for path in checkpoint.parent.glob("*net*")] == [checkpoint.name]


@pytest.mark.parametrize(("words", "code", "said"), [
    (["none.pth", "x.onnx"], 4, "none.pth: no such file"),
    (["latest_net_G_A.pth", "x.pth"], 2, "x.pth: a model file ends in .onnx or .safetensors"),
    (["latest_net_G_A.pth", "x.onnx", "--hint", "direction=AtoB"], 2, "does not take the hint 'direction'"),
    (["latest_net_G_A.pth", "x.onnx", "--hint", "direction"], 2, "--hint direction; accepted: KEY=VALUE"),
    (["latest_net_G_A.pth", "x.onnx", "--edges"], 2, "need --labels"),
    (["latest_net_G_A.pth", "x.onnx", "--labels", "2", "--palette", "red"], 2, "--palette red; accepted: six hex"),
])  # fmt: skip
def test_what_cannot_be_exported_is_one_line(words, code, said, checkpoint, rotoscope_main):
    found, _, err = rotoscope_main("export", *words)
    assert (found, len(err.splitlines())) == (code, 1) and said in err


# Straight from a checkpoint


def test_info_of_a_checkpoint_says_what_it_was_recognised_as(checkpoint, rotoscope_main):
    before = sorted(checkpoint.parent.iterdir())
    code, out, _ = rotoscope_main("info", checkpoint, "--input-range", "0,255")
    assert code == 0
    rows = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert rows["system"] == "compact student" and rows["input"].endswith("0..255")
    assert rows["sha256"] == file_digest(checkpoint)
    code, _, err = rotoscope_main("info", checkpoint, "--write", "copy.onnx")
    assert code == 2 and "rotoscope export" in err
    checkpoint.write_bytes(b"nothing")
    code, _, err = rotoscope_main("info", checkpoint)
    assert code == 4 and err.count("\n") == 1
    assert sorted(checkpoint.parent.iterdir()) == before


def test_translate_exports_a_checkpoint_once(checkpoint, photo, folder, rotoscope_main):
    code, _, err = rotoscope_main("translate", photo, "-m", checkpoint)
    assert code == 0 and "3 k parameters" in err and "exported once (parity " in err.splitlines()[0]
    assert Path("photo.latest_net_G_A.png").exists()
    (made,) = folder.glob("*.onnx")
    before = made.stat().st_ino
    code, _, err = rotoscope_main("translate", photo, "again.png", "-m", checkpoint)
    assert code == 0 and "exported" not in err and made.stat().st_ino == before
    assert np.array_equal(cv2.imread("photo.latest_net_G_A.png"), cv2.imread("again.png"))


def test_another_checkpoint_or_hint_is_another_file(here, folder):
    for seed in (0, 1):
        torch.manual_seed(seed)
        torch.save(ResnetGenerator(width=2, num_blocks=1, norm="batch_running", bias=False).state_dict(), "net.pth")
        rotoscope.load("net.pth")
    rotoscope.load("net.pth", hints=("statistics=running",))
    assert len(list(folder.glob("*.onnx"))) == 3


def test_half_precision_is_a_file_of_its_own(checkpoint, folder):
    assert rotoscope.load(checkpoint, precision="fp16").file.precision == "fp16"
    rotoscope.load(checkpoint)
    assert len(list(folder.glob("*.onnx"))) == 2


def test_the_torch_engine_runs_a_checkpoint_as_it_is(checkpoint, photo, folder):
    picture = tiny_clips.pattern(0)
    exported, direct = rotoscope.load(checkpoint)(picture), rotoscope.load(checkpoint, engine="torch")(picture)
    assert np.abs(exported.astype(int) - direct).max() <= 1
    run = rotoscope.translate(photo, "out.png", model=checkpoint, engine="torch", precision="bf16")
    assert run.engine.startswith("torch bf16 cpu")


def test_the_torch_engine_refuses_onnx_by_name(identity):
    with pytest.raises(rotoscope.UsageError, match=r"--engine torch runs checkpoints, and identity\.onnx is ONNX"):
        rotoscope.load(identity, engine="torch")(tiny_clips.pattern(0))


def test_without_torch_the_error_says_how_to_install_it(checkpoint, photo, monkeypatch, rotoscope_main):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else find(name, *rest))
    for words in (["translate", photo, "-m", checkpoint], ["export", checkpoint, "x.onnx"]):
        code, _, err = rotoscope_main(*words)
        assert code == 2 and err.endswith('a checkpoint, which needs torch: pip install ".[export]"\n')


def test_without_torch_what_was_exported_before_still_runs(checkpoint, photo, monkeypatch, rotoscope_main):
    rotoscope.load(checkpoint)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else find(name, *rest))
    assert rotoscope_main("translate", photo, "-m", checkpoint)[0] == 0


def test_a_cache_that_others_may_write_to_is_refused(checkpoint, folder):
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(rotoscope.UsageError, match="only you can write to"):
        rotoscope.load(checkpoint)


def test_a_changed_exporter_exports_again(checkpoint, folder, monkeypatch):
    from rotoscope.export import source_digest

    rotoscope.load(checkpoint)
    monkeypatch.setattr(source_digest, "exporter_digest", lambda: "another")
    rotoscope.load(checkpoint)
    assert len(list(folder.glob("*.onnx"))) == 2


def test_one_call_exports_and_reports(checkpoint):
    report = rotoscope.export_model(checkpoint, "net.onnx", name="student", licence="MIT")
    assert report.path == Path("net.onnx") and report.parity.is_within
    assert report.manifest == rotoscope.load("net.onnx").file.manifest
    assert (report.manifest.name, report.manifest.licence) == ("student", "MIT")
    with pytest.raises(rotoscope.UsageError, match="did you mean hints"):
        rotoscope.export_model(checkpoint, "other.onnx", hint=("direction=AtoB",))
    with pytest.raises(rotoscope.UsageError, match="no checkpoint given"):
        rotoscope.export_model([], "other.onnx")


@pytest.mark.parametrize("name", ["net.onnx", "net.pth", "net.safetensors", "net.npz"])
def test_a_file_that_may_not_be_read_is_refused_with_the_reason(name, here, monkeypatch):
    path = here / name
    path.write_bytes(b"x")
    opened = Path.open

    def denied(self, *words, **options):
        if self == path:
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *words, **options)

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(rotoscope.ModelRefused, match=f"{name}: Permission denied"):
        rotoscope.load(path)
    if not name.endswith(".onnx"):
        with pytest.raises(rotoscope.ModelRefused, match=f"{name}: Permission denied"):
            rotoscope.export_model(path, here / "out.onnx")


def test_info_knows_endings_in_upper_case(checkpoint, identity, here, rotoscope_main):
    (here / "UP.ONNX").write_bytes(Path(identity).read_bytes())
    (here / "NET.PTH").write_bytes(checkpoint.read_bytes())
    for name in ("UP.ONNX", "NET.PTH"):
        assert rotoscope_main("info", name)[0] == 0
        assert rotoscope.info(name).num_parameters >= 0


def test_info_is_data(checkpoint, here):
    clip = tiny_clips.write_clip(here / "clip.mp4")
    assert rotoscope.info(clip).info.num_frames_from_header > 0
    assert rotoscope.info("starry").manifest.kind == "translate"
    assert rotoscope.info(checkpoint).manifest.system == "compact student"
