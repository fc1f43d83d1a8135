"""The table of engines: it agrees with the options, the extras and the files, and finds the version of what is installed."""

import importlib
import importlib.metadata
import inspect
import json
import tomllib
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

import rotoscope
from rotoscope.assembly import engines
from rotoscope.assembly.engines import ENGINES, engine_version, installed_engines, make_engine
from rotoscope.base.engine import EngineSetup, first_line, last_line
from rotoscope.base.errors import UsageError
from rotoscope.base.options import ModelOptions
from rotoscope.runtime.models.model_file import open_model


def test_the_option_accepts_the_engines_of_the_table():
    assert set(get_args(get_type_hints(ModelOptions)["engine"])) == set(ENGINES)


def test_every_engine_has_an_extra_that_installs_it():
    project = tomllib.loads((Path(rotoscope.__file__).parent.parent / "pyproject.toml").read_text())["project"]
    for name, row in ENGINES.items():
        assert any(name in line for line in project["optional-dependencies"][row.extra]), name


@pytest.mark.parametrize("name", installed_engines())
def test_every_file_of_an_engine_opens_one_in_the_same_way(name):
    module = importlib.import_module(ENGINES[name].module)
    assert len(inspect.signature(module.open_engine).parameters) == 3


def test_the_keywords_of_make_engine_are_those_of_the_setup():
    keywords = inspect.signature(make_engine).parameters
    setup = inspect.signature(EngineSetup).parameters
    assert list(keywords) == ["file", "engine", "graph", *setup]
    assert all(keywords[name].default == setup[name].default for name in setup)


def test_precisions_of_the_table_are_those_that_the_engines_accept(identity):
    from rotoscope.export import torch_engine
    from rotoscope.runtime.engines import openvino

    assert ENGINES["torch"].precisions == torch_engine.PRECISIONS
    assert ENGINES["openvino"].precisions == tuple(openvino._PRECISIONS)
    for name in ("onnxruntime", "tensorrt"):
        assert ENGINES[name].precisions == ()


@pytest.mark.parametrize(("engine", "setup", "said"), [
    ("tensorflow", {}, "--engine tensorflow; accepted: onnxruntime, openvino, tensorrt, torch"),
    ("onnxruntime", {"compiled": True}, "--compiled is for the torch engine; onnxruntime compiles"),
    ("onnxruntime", {"precision": "bf16"}, "--precision bf16: identity.onnx is fp32, and onnxruntime runs a file as it is"),
    ("onnxruntime", {"device": "tpu"}, "--device tpu with onnxruntime; accepted: cpu, cuda, tensorrt"),
    ("onnxruntime", {"device": "cuda:1"}, r'no CUDAExecutionProvider; cuda:1 needs: pip install "\.\[cuda\]"'),
    ("openvino", {"compiled": True}, "--compiled is for the torch engine; openvino compiles"),
    ("openvino", {"op_library": "any.so"}, "--op-library with openvino; only onnxruntime"),
    ("openvino", {"device": "cuda"}, "--device cuda with openvino; accepted: cpu"),
    ("openvino", {"precision": "fp16"}, "--precision fp16 with openvino; accepted: fp32, bf16"),
    ("torch", {}, "--engine torch runs checkpoints, and identity.onnx is ONNX"),
])  # fmt: skip
def test_an_engine_refuses_what_it_cannot_do(engine, setup, said, identity):
    with pytest.raises(UsageError, match=said):
        make_engine(open_model(identity), engine=engine, **setup)


@pytest.fixture
def distributions(monkeypatch):
    """Replace what is installed: distributions({package: {distribution: version}})."""

    def replace(packages):
        versions = {name: version for item in packages.values() for name, version in item.items()}
        found = {package: list(item) for package, item in packages.items()}

        def version(name):
            if name not in versions:
                raise importlib.metadata.PackageNotFoundError(name)
            return versions[name]

        monkeypatch.setattr(engines.importlib.metadata, "packages_distributions", lambda: found)
        monkeypatch.setattr(engines.importlib.metadata, "version", version)

    return replace


@pytest.mark.parametrize(("installed", "version"), [
    ({"onnxruntime": "1.31.1"}, "1.31.1"),
    ({"onnxruntime-gpu": "1.31.1"}, "1.31.1"),
    ({"onnxruntime": "1.31.1", "onnxruntime-gpu": "1.31.1"}, "1.31.1"),
    ({"onnxruntime": "1.31.1", "onnxruntime-gpu": "1.30.0"}, "1.31.1 (onnxruntime), 1.30.0 (onnxruntime-gpu)"),
])  # fmt: skip
def test_the_version_of_an_engine_is_that_of_whatever_distribution_holds_it(installed, version, distributions):
    distributions({"onnxruntime": installed})
    assert engine_version("onnxruntime") == version


def test_the_version_of_an_engine_that_pip_did_not_install_is_its_own(distributions):
    import onnxruntime

    distributions({})
    assert engine_version("onnxruntime") == onnxruntime.__version__


def test_a_report_is_written_where_another_distribution_holds_the_engine(distributions, tmp_path):
    from rotoscope.cli.translate import write_report
    from rotoscope.runtime.pipeline.job import Run

    distributions({"onnxruntime": {"onnxruntime-gpu": "1.31.1"}})
    run = Run("a", "b", (), (), "", "", None, "", 1, 1, 1.0, 1.0, 8, 8)
    write_report(run, {"engine": "onnxruntime", "overwrite": False}, tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text())["versions"]["onnxruntime"] == "1.31.1"


@pytest.mark.parametrize("line", [first_line, last_line])
def test_an_error_without_a_message_is_named_by_its_type(line):
    assert line(RuntimeError()) == line(RuntimeError("\n \n")) == "RuntimeError"
    assert len(line(RuntimeError("x" * 300))) == 200


def test_an_error_of_several_lines_is_shown_by_one():
    error = RuntimeError("first\nlast\n")
    assert (first_line(error), last_line(error)) == ("first", "last")
