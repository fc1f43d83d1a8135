"""TensorRT without TensorRT: the name of an engine's file, its signature, concurrent builds, and what is refused."""

import dataclasses
import sys
import threading
import types

import pytest

import rotoscope
from rotoscope.assembly.engines import installed_engines
from rotoscope.base import cache
from rotoscope.base.device import FIRST_GPU
from rotoscope.base.engine import EngineSetup
from rotoscope.runtime.engines import signed, tensorrt
from rotoscope.runtime.engines import tensorrt_build as engines
from rotoscope.runtime.models.model_file import open_model


class Plans:
    """Stands for the builder: counts what it is asked, and gives other bytes for other sizes."""

    def __init__(self):
        self.built = []

    def serialised(self, model, sizes, *, tf32, timings, on_progress):
        self.built.append(sizes)
        return f"plan of {model.name} for {sizes}".encode(), timings + b"measured "


@pytest.fixture
def plans(tmp_path, monkeypatch):
    plans = Plans()
    for module, folder in ((cache, "cache"), (signed, "config")):
        (tmp_path / folder).mkdir(mode=0o700)
        name = "user_cache_path" if module is cache else "user_config_path"
        monkeypatch.setattr(module, name, lambda *_, folder=tmp_path / folder, **__: folder)
    monkeypatch.setattr(engines, "serialised", plans.serialised)
    monkeypatch.setattr(engines, "device_name", lambda _device: "card 9.0")
    fake = types.ModuleType("tensorrt")
    fake.__version__ = "10.16"
    fake.Runtime = fake.Logger = lambda *_: pytest.fail("the file was handed to TensorRT")
    monkeypatch.setitem(sys.modules, "tensorrt", fake)
    return plans


@pytest.fixture
def model(identity):
    return open_model(identity)


def test_an_engine_is_built_once_for_each_size_device_and_version(plans, model, monkeypatch, tmp_path):
    first = engines.build_engine(model)
    assert engines.build_engine(model) == first and len(plans.built) == 1
    small = ((64, 64),) * 3
    others = {engines.build_engine(model, sizes=small)}
    monkeypatch.setattr(engines, "device_name", lambda _device: "card 12.0")
    others.add(engines.build_engine(model))
    monkeypatch.setattr(sys.modules["tensorrt"], "__version__", "10.17")
    others.add(engines.build_engine(model))
    assert first not in others and len(others) == 3 and len(plans.built) == 4


def test_an_engine_built_here_is_read(plans, model):
    plan = engines.checked_engine(engines.build_engine(model))
    assert plan.startswith(b"plan of identity for ")


def tampered(engine):
    engine.write_bytes(engine.read_bytes() + b"x")


def cut(engine):
    engine.write_bytes(engine.read_bytes()[: signed.NUM_SIGNATURE_BYTES - 1])


def unsigned(engine):
    engine.write_bytes(b"plan")


def resigned(engine):
    """As another user would sign it, who does not have the key."""
    engine.write_bytes(bytes(signed.NUM_SIGNATURE_BYTES) + b"plan")


def renamed(engine):
    """A signed engine of another model under this name."""
    other = engine.with_name("other.engine")
    engine.write_bytes(signed.signed(other.name, b"plan"))


@pytest.mark.parametrize("change", [tampered, cut, unsigned, resigned, renamed])
def test_what_was_not_built_here_never_reaches_tensorrt(change, plans, model):
    engine = engines.build_engine(model)
    change(engine)
    with pytest.raises(rotoscope.ModelRefused, match="not built here, or changed since"):
        engines.checked_engine(engine)


@pytest.mark.parametrize("change", [tampered, cut, unsigned, resigned, renamed])
def test_what_was_not_built_here_is_built_again(change, plans, model):
    engine = engines.build_engine(model)
    plan = engine.read_bytes()
    change(engine)
    assert engines.build_engine(model) == engine and len(plans.built) == 2
    assert engine.read_bytes() == plan


def test_an_engine_that_another_user_signed_is_refused(plans, model, tmp_path):
    engine = engines.build_engine(model)
    (tmp_path / "config" / "engine.key").write_bytes(b"another key of 32 bytes.........")
    with pytest.raises(rotoscope.ModelRefused):
        engines.checked_engine(engine)


def test_the_key_is_readable_by_its_user_only(plans, model, tmp_path):
    engines.build_engine(model)
    key = tmp_path / "config" / "engine.key"
    assert key.stat().st_mode & 0o777 == 0o600 and len(key.read_bytes()) == 32


def test_when_several_ask_at_once_one_builds(plans, model):
    found = []
    threads = [threading.Thread(target=lambda: found.append(engines.build_engine(model))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1 and len(plans.built) == 1


def test_a_key_that_another_process_makes_meanwhile_is_used(plans, monkeypatch, tmp_path):
    key = tmp_path / "config" / "engine.key"
    link = signed.os.link

    def slower(part, target):
        key.write_bytes(b"the key of another process.......")
        link(part, target)

    monkeypatch.setattr(signed.os, "link", slower)
    content = signed.signed("name", b"content")
    assert key.read_bytes().startswith(b"the key of another") and content.endswith(b"content")
    assert [file.name for file in key.parent.iterdir()] == ["engine.key"]


def timings(device=FIRST_GPU):
    return signed.read_signed(engines.timing_file(device))


def test_timings_are_handed_to_later_builds_of_the_same_card_and_version(plans, model, monkeypatch):
    engines.build_engine(model, sizes=((64, 64),) * 3)
    engines.build_engine(model, sizes=((32, 32),) * 3)
    assert timings() == b"measured measured "
    monkeypatch.setattr(engines, "device_name", lambda _device: "card 12.0")
    engines.build_engine(model)
    assert timings() == b"measured "


def test_changed_timings_are_not_used(plans, model):
    engines.build_engine(model)
    file = engines.timing_file(FIRST_GPU)
    file.write_bytes(file.read_bytes() + b"more")
    engines.build_engine(model, sizes=((64, 64),) * 3)
    assert timings() == b"measured "


def test_a_plan_is_kept_if_its_timings_cannot_be_written(plans, model, monkeypatch):
    def full(*_, **__):
        raise OSError("no space left")

    monkeypatch.setattr(engines, "part_file", full)
    with pytest.raises(OSError, match="no space"):
        engines.build_engine(model)
    assert engines.tightest_engine(model, (1280, 720)) is not None


def test_the_tightest_engine_that_holds_a_picture_is_taken(plans, model):
    wide = engines.build_engine(model)
    exact = engines.build_engine(model, sizes=((640, 360),) * 3)
    landscape = engines.build_engine(model, sizes=((256, 256), (640, 360), (1280, 720)))
    assert engines.tightest_engine(model, (640, 360)) == exact
    assert engines.tightest_engine(model, (320, 256)) == landscape
    assert engines.tightest_engine(model, (1080, 1920)) == wide, "portrait"
    assert engines.tightest_engine(model, (3840, 2160)) is None
    assert engines.tightest_engine(model, (128, 128)) is None
    assert engines.tightest_engine(model, (640, 360), tf32=True) is None


def test_a_changed_engine_is_never_the_tightest(plans, model):
    exact = engines.build_engine(model, sizes=((640, 360),) * 3)
    tampered(exact)
    assert engines.tightest_engine(model, (640, 360)) is None


def test_sizes_are_rounded_up_to_what_the_network_takes(plans, model):
    frame = model.manifest.frame.model_copy(update={"multiple": 16})
    coarse = dataclasses.replace(model, manifest=model.manifest.model_copy(update={"frame": frame}))
    engine = engines.build_engine(coarse, sizes=((1920, 1080),) * 3)
    assert engines.sizes_of(engine) == ((1920, 1088),) * 3
    assert engines.tightest_engine(coarse, (1920, 1088)) == engine


def test_profiles_name_every_input_at_every_size(model):
    assert engines.profile_shapes(model, (30, 20)) == {"in": (1, 3, 20, 30)}
    assert engines.default_sizes(model) == ((256, 256), (1280, 720), (1920, 1920))


@pytest.mark.parametrize(("setup", "said"), [
    ({"op_library": "any.so"}, "--op-library with tensorrt; only onnxruntime"),
    ({"compiled": True}, "--compiled is for the torch engine; tensorrt compiles"),
    ({"precision": "fp16"}, "--precision fp16: identity.onnx is fp32; export it as fp16"),
    ({"device": "tpu"}, "--device tpu; accepted: cpu, cuda"),
])  # fmt: skip
def test_the_engine_refuses_what_it_cannot_do(setup, said, plans, model):
    with pytest.raises(rotoscope.UsageError, match=said):
        tensorrt.open_engine(model, EngineSetup(**setup))
    assert plans.built == []


def test_a_foreign_engine_file_is_refused_by_its_ending(tmp_path):
    (tmp_path / "net.engine").write_bytes(b"plan")
    with pytest.raises(rotoscope.ModelRefused, match="a built engine is a program"):
        rotoscope.load(tmp_path / "net.engine")


def test_without_tensorrt_the_error_says_how_to_install_it(identity, rotoscope_main):
    if "tensorrt" in installed_engines():
        pytest.skip("TensorRT is installed")
    code, _, err = rotoscope_main("build", identity)
    assert code == 2 and 'pip install ".[tensorrt]"' in err
    assert rotoscope_main("build", identity, "--size", "1x1", "--size", "2x2")[0] == 2
