"""Imports point one way, and what is heavy or optional is imported late (the map in the design)."""

import ast
import importlib.util
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest
import tiny_clips

import rotoscope

ROOT = Path(rotoscope.__file__).parent
Import = namedtuple("Import", "module name late line")

# The rooms, lowest floor first, and the rooms below that each may import. A room is a folder or a module of the package;
# `runtime` and `training` are split into the folders below them. Every module must belong to a room of this table.
ROOMS = {
    "base": "",
    "kernels": "base",
    "weights": "base",
    "networks": "base weights",
    "runtime.media": "base kernels",
    "runtime.models": "base",
    "runtime.engines": "base runtime.models",
    "runtime.network": "base kernels runtime.models",
    "runtime.http": "base",
    "runtime.live": "base kernels runtime.http runtime.media",
    "runtime.motion": "base kernels",
    "runtime.steady": "base kernels runtime.motion runtime.network",
    "runtime.pipeline": "base kernels runtime.live runtime.media runtime.models runtime.motion runtime.network runtime.steady",
    "service": "base runtime.http runtime.media runtime.pipeline",
    "metrics": "base kernels networks runtime.media",
    "plots": "base metrics",
    "demo": "base metrics plots runtime.models runtime.pipeline",
    "export": "base metrics networks runtime.models runtime.network weights",
    "training.options": "base",
    "training.data": "base kernels networks runtime.media runtime.motion",
    "training.losses": "base networks runtime.motion weights",
    "training.loop": "base plots training.data training.options weights",
    "training.systems": "base networks training.data training.loop training.losses training.options",
    "assembly": "base export kernels runtime.engines runtime.media runtime.models runtime.motion runtime.network "
    "runtime.pipeline weights",
    "jobs": "assembly base runtime.media runtime.pipeline",
    "scenarios": "assembly base export kernels metrics runtime.live runtime.media runtime.models runtime.network "
    "runtime.pipeline",
    "api": "assembly base demo export jobs kernels metrics plots runtime.engines runtime.http runtime.live runtime.media "
    "runtime.models runtime.pipeline scenarios service training.loop training.options training.systems weights",
    "errors": "base",
    "testing": "api base",
    "__init__": "api assembly base jobs runtime.pipeline",
    "cli": "*",  # every room below it
    "__main__": "base cli",
}
EMPTY = {"runtime", "training"}  # the folders that are split; their own __init__ holds a docstring and nothing else
MAY_NAME_TORCH = {"networks", "export", "metrics"} | {room for room in ROOMS if room.startswith("training.")}
FLOOR = [room for room in ROOMS if room not in MAY_NAME_TORCH]
TORCH = {"torch", "onnxscript", "safetensors", "torchvision", "lightning"}
KERNELS_MAY_IMPORT = {"numpy", "platformdirs"}
KERNELS_MAY_IMPORT_LATE = KERNELS_MAY_IMPORT | {"numba", "llvmlite", "cupy", "cuda"}


def modules():
    """Every module of the package: (dotted name, file)."""
    for file in sorted(ROOT.rglob("*.py")):
        words = file.relative_to(ROOT.parent).with_suffix("").parts
        yield ".".join(words[:-1] if words[-1] == "__init__" else words), file


def room_of(name):
    """The room of `rotoscope.x.y`: the longest name in the table that it begins with; else `__init__`."""
    words = name.split(".")[1:]
    for length in (2, 1):
        room = ".".join(words[:length])
        if len(words) >= length and room in ROOMS:
            return room
    is_module = words and ((ROOT / words[0]).is_dir() or (ROOT / f"{words[0]}.py").exists())
    return ".".join(words) if is_module else "__init__"


def imports_of(room):
    """Every import statement of a room, with whether it stands inside a function."""
    for module, file in modules():
        if room_of(module) != room:
            continue
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


def is_ours(name):
    return name.split(".")[0] == "rotoscope"


def is_third_party(name):
    return not is_ours(name) and name.split(".")[0] not in sys.stdlib_module_names


def test_every_module_has_its_room_in_the_table():
    for module, file in modules():
        name = module.removeprefix("rotoscope").removeprefix(".")
        if name in EMPTY:
            assert len(ast.parse(file.read_text()).body) == 1, f"{module} holds more than a docstring"
        else:
            assert room_of(module) in ROOMS, module


def test_the_table_goes_one_way():
    below = []
    for room, names in ROOMS.items():
        assert names == "*" or set(names.split()) <= set(below), f"{room} imports a room above it"
        below.append(room)


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_one_way(room):
    below = list(ROOMS)[: list(ROOMS).index(room)] if ROOMS[room] == "*" else ROOMS[room].split()
    wrong = [item for item in imports_of(room) if is_ours(item.name) and room_of(item.name) not in {room, *below}]
    assert wrong == []


def test_kernels_stand_on_numpy_alone_until_one_runs():
    for item in imports_of("kernels"):
        if is_third_party(item.name):
            assert item.name.split(".")[0] in (KERNELS_MAY_IMPORT_LATE if item.late else KERNELS_MAY_IMPORT), item


@pytest.mark.parametrize("room", FLOOR)
def test_the_floor_never_names_torch(room):
    assert [item for item in imports_of(room) if item.name.split(".")[0] in TORCH] == []


def test_only_the_rooms_of_files_and_streams_know_pyav():
    # doctor and version print its version; the demo encodes its own clip.
    others = {"rotoscope.cli.doctor", "rotoscope.cli.version", "rotoscope.demo.encode_clip"}
    for room in FLOOR:
        for item in imports_of(room):
            if item.name.split(".")[0] == "av" and room not in ("runtime.media", "runtime.live"):
                assert item.module in others, item


def test_only_its_own_file_imports_an_engine():
    others = {"rotoscope.cli.doctor", "rotoscope.scenarios.by_hand"}  # the latter is a loop without our engines
    for room in FLOOR:
        for item in imports_of(room):
            engine = item.name.split(".")[0]
            if engine in ("onnxruntime", "openvino", "tensorrt") and item.module not in others:
                assert item.module.startswith(f"rotoscope.runtime.engines.{engine}")


def test_the_public_list_is_complete_and_sorted():
    tree = ast.parse((ROOT / "__init__.py").read_text())
    (for_types,) = [node for node in tree.body if isinstance(node, ast.If)]
    imported = {alias.name: node.module for node in for_types.body for alias in node.names}
    assert sorted(imported) == rotoscope.__all__
    assert imported == {name: f"rotoscope.{module}" for name, module in rotoscope._MODULES.items()}
    assert all(getattr(rotoscope, name).__doc__ for name in rotoscope.__all__)
    assert set(rotoscope.__all__) <= set(dir(rotoscope))


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


@pytest.mark.parametrize(("word", "imported"), [("--version", []), ("version", ["version"])])
def test_a_command_imports_no_other_command(word, imported):
    code = "import sys; from rotoscope.cli import COMMANDS, main; main(sys.argv[1:])"
    code += "; print(*(name for name in COMMANDS if f'rotoscope.cli.{name}' in sys.modules))"
    assert run_python(code, word).splitlines()[-1].split() == imported


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
