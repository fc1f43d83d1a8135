"""Imports point one way, and what is heavy or optional is imported late (the map in the design)."""

import ast
import importlib.util
import pkgutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest
import tiny_clips

import rotoscope

ROOT = Path(rotoscope.__file__).parent
Import = namedtuple("Import", "module name late line")

# What each part may import of the others. `cli` and `_api` stand on top; only they reach what makes an engine of its name.
NOUNS = {"errors", "frame", "manifest"}
ENTRANCE = {"_api", "_engines", "_opening", "_pair_networks"}
FLOOR = ("kernels", "runtime", "demo", "cli", *sorted(ENTRANCE | NOUNS))
MAY_IMPORT = {
    "errors": set(),
    "frame": set(),
    "manifest": {"errors"},
    "kernels": set(),
    "runtime": {"kernels", *NOUNS},
    "demo": {"kernels", "runtime", "metrics", "plots", *NOUNS},
    "networks": {"errors"},
    "metrics": {"kernels", "runtime", "networks", *NOUNS},
    "plots": {"metrics"},
    "training": {"networks", "runtime", "kernels", "metrics", "plots", *NOUNS},
    "export": {"networks", "runtime", *NOUNS},
    "_engines": {"runtime", "export", *NOUNS},
    "_opening": {"_engines", "runtime", "export", *NOUNS},
    "_pair_networks": {"_engines", "_opening", "runtime", "kernels", *NOUNS},
    "_api": {"_engines", "_opening", "_pair_networks", "runtime", "kernels", "export", *NOUNS},
    "cli": {*ENTRANCE, "__init__", "runtime", "kernels", "demo", "export", "training", "metrics", "plots", *NOUNS},
    "__init__": {"_api", "errors"},
    "__main__": {"cli"},
}
TORCH = {"torch", "onnxscript", "safetensors", "torchvision", "lightning"}
KERNELS_MAY_IMPORT = {"numpy", "platformdirs"}
KERNELS_MAY_IMPORT_LATE = KERNELS_MAY_IMPORT | {"numba", "llvmlite", "cupy", "cuda"}


def imports_of(part):
    """Every import statement below a part of the package, with whether it stands inside a function."""
    files = [ROOT / f"{part}.py"] if (ROOT / f"{part}.py").exists() else sorted((ROOT / part).rglob("*.py"))
    for file in files:
        module = ".".join(file.relative_to(ROOT.parent).with_suffix("").parts)
        tree = ast.parse(file.read_text())
        late = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for inner in ast.walk(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(module, alias.name, id(node) in late, node.lineno)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{module}:{node.lineno} is a relative import"
                submodules = [f"{node.module}.{alias.name}" for alias in node.names]
                for name in submodules if node.module == "rotoscope" else [node.module]:
                    yield Import(module, name, id(node) in late, node.lineno)


def part_of(name):
    """The part of the package that `rotoscope.x.y` belongs to; the package itself is `__init__`."""
    words = name.split(".")
    exists = len(words) > 1 and ((ROOT / words[1]).is_dir() or (ROOT / f"{words[1]}.py").exists())
    return words[1] if exists else "__init__"


def is_ours(name):
    return name.split(".")[0] == "rotoscope"


def is_third_party(name):
    return not is_ours(name) and name.split(".")[0] not in sys.stdlib_module_names


def test_every_part_has_its_place_in_the_map():
    parts = {item.name for item in pkgutil.iter_modules([str(ROOT)])}
    assert parts <= set(MAY_IMPORT)


@pytest.mark.parametrize("part", [part for part in MAY_IMPORT if part != "__init__"])
def test_imports_point_one_way(part):
    allowed = MAY_IMPORT[part] | {part}
    wrong = [item for item in imports_of(part) if is_ours(item.name) and part_of(item.name) not in allowed]
    assert wrong == []


FLOOR = (
    "kernels", "runtime", "demo", "cli", "_api", "_engines", "_opening", "_pair_networks", "frame", "manifest", "errors",
)  # fmt: skip


def test_kernels_stand_on_numpy_alone_until_one_runs():
    for item in imports_of("kernels"):
        if is_third_party(item.name):
            assert item.name.split(".")[0] in (KERNELS_MAY_IMPORT_LATE if item.late else KERNELS_MAY_IMPORT), item


@pytest.mark.parametrize("part", FLOOR)
def test_the_floor_never_names_torch(part):
    assert [item for item in imports_of(part) if item.name.split(".")[0] in TORCH] == []


def test_only_the_media_module_knows_pyav():
    late_users = {"rotoscope.cli.doctor", "rotoscope.cli.translate"}
    for part in FLOOR:
        for item in imports_of(part):
            if item.name.split(".")[0] == "av" and not item.module.startswith("rotoscope.runtime.media."):
                assert item.late and item.module in late_users, item


def test_only_its_own_file_imports_an_engine():
    for item in imports_of("runtime"):
        if item.name.split(".")[0] in ("onnxruntime", "openvino"):
            assert item.module == f"rotoscope.runtime.engines.{item.name.split('.')[0]}"


def test_training_and_export_do_not_know_each_other():
    assert not [item for item in imports_of("training") if part_of(item.name) == "export"]
    assert not [item for item in imports_of("export") if part_of(item.name) == "training"]


def test_the_public_list_is_complete_and_sorted():
    tree = ast.parse((ROOT / "__init__.py").read_text())
    imported = [alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(imported) == rotoscope.__all__
    assert all(getattr(rotoscope, name).__doc__ for name in rotoscope.__all__)


def run_python(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


HEAVY = {"av", "cv2", "numba", "numpy", "onnx", "onnxruntime", "torch"}
LOADED = f"print(*sorted({{name.split('.')[0] for name in sys.modules}} & {HEAVY}))"


def test_importing_the_package_imports_nothing_heavy():
    assert run_python(f"import sys, rotoscope; {LOADED}").split() == []


@pytest.mark.parametrize("words", [["--help"], ["translate", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(words):
    code = f"import sys; from rotoscope.cli import main; assert main(sys.argv[1:]) == 0; {LOADED}"
    assert run_python(code, *words).splitlines()[-1] == ""


def test_the_runtime_works_where_torch_cannot_be_imported(tmp_path, identity):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4")
    code = """
import importlib, pkgutil, sys
sys.modules["torch"] = None  # importing it now raises
import rotoscope, rotoscope.runtime
for item in pkgutil.walk_packages(rotoscope.runtime.__path__, "rotoscope.runtime."):
    importlib.import_module(item.name)
from rotoscope.cli import main
sys.exit(main(sys.argv[1:]))
"""
    run_python(code, "translate", clip, tmp_path / "out.mp4", "-m", identity)
    assert (tmp_path / "out.mp4").exists()


def test_without_an_engine_the_error_says_how_to_install_one(monkeypatch, identity):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name in ("onnxruntime", "openvino") else find(name, *rest),
    )
    with pytest.raises(rotoscope.UsageError) as error, rotoscope.Translator(identity):
        pass
    assert 'pip install ".[cpu]"' in str(error.value)


def test_an_engine_that_is_missing_names_its_own_extra(monkeypatch, identity):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "openvino" else find(name, *rest)
    )
    with pytest.raises(rotoscope.UsageError, match=r'pip install "\.\[openvino\]"'):
        rotoscope.load(identity, engine="openvino")(tiny_clips.pattern(0))
