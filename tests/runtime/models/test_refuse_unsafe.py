"""Models that are not trusted: dangerous ones are refused before an engine opens them, endless ones are stopped."""

import os
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny_clips
import tiny_models
from onnx import TensorProto, helper

import rotoscope
from rotoscope.runtime.models import refuse_unsafe


def refused(path):
    with pytest.raises(rotoscope.ModelRefused) as error:
        rotoscope.load(path)(np.zeros((8, 8, 3), np.uint8))
    assert str(error.value).startswith(str(path))
    return str(error.value)


def with_weights_at(folder, location, *, length=12, place="initializer"):
    """A model in `folder` whose three weights are said to be in a file at `location`."""
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3, 1, 1], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", str(length))):
        weights.external_data.add(key=key, value=value)
    node = helper.make_node("Mul", ["in", "w"], ["out"])
    if place == "initializer":
        path = tiny_models.save(folder / "model.onnx", [node])
        proto = onnx.load(path, load_external_data=False)
        proto.graph.initializer.append(weights)
    else:
        constant = helper.make_node("Constant", [], ["w"])
        constant.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(weights)
        nodes = [constant, node]
        if place == "subgraph":
            body = helper.make_graph(nodes, "body", [], [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)])
            nodes = [helper.make_node("If", ["yes"], ["out"], then_branch=body, else_branch=body)]
        path = tiny_models.save(folder / "model.onnx", [])
        proto = onnx.load(path, load_external_data=False)
        proto.graph.node.extend(nodes)
        if place == "subgraph":
            proto.graph.initializer.append(helper.make_tensor("yes", TensorProto.BOOL, [], [True]))
    path.write_bytes(proto.SerializeToString())
    return path


@pytest.fixture
def folder(tmp_path):
    """The folder of the model; beside it is a file that the model may not read."""
    (tmp_path / "secret.bin").write_bytes(np.float32([1, 2, 3]).tobytes())
    (tmp_path / "models" / "inner").mkdir(parents=True)
    return tmp_path / "models"


@pytest.mark.parametrize("location", ["weights.bin", "inner/weights.bin"])
def test_weights_in_a_file_inside_the_folder_are_read(location, folder):
    (folder / location).write_bytes(np.float32([1, 0.5, 0]).tobytes())
    path = with_weights_at(folder, location)
    model = rotoscope.load(path)
    assert model(np.full((4, 4, 3), 200, np.uint8))[0, 0].tolist() == [200, 100, 0]
    before = model.file.sha256
    (folder / location).write_bytes(np.float32([1, 0.5, 1]).tobytes())
    assert rotoscope.load(path).file.sha256 != before


@pytest.mark.parametrize("place", ["initializer", "constant", "subgraph"])
@pytest.mark.parametrize(
    "location", ["../secret.bin", "inner/../../secret.bin", "/etc/passwd", "..\\secret.bin", "C:\\x", ""]
)
def test_weights_outside_the_folder_are_refused(location, place, folder):
    assert "outside its folder" in refused(with_weights_at(folder, location, place=place))


def test_links_do_not_lead_outside(folder):
    (folder / "symbolic.bin").symlink_to(folder.parent / "secret.bin")
    (folder / "linked").symlink_to(folder.parent)
    os.link(folder.parent / "secret.bin", folder / "hard.bin")
    assert "outside its folder" in refused(with_weights_at(folder, "symbolic.bin"))
    assert "outside its folder" in refused(with_weights_at(folder, "linked/secret.bin"))
    assert "a link or not a regular file" in refused(with_weights_at(folder, "hard.bin"))


def test_what_is_not_a_regular_file_is_not_read(folder):
    os.mkfifo(folder / "pipe")
    assert "a link or not a regular file" in refused(with_weights_at(folder, "pipe"))
    assert "a link or not a regular file" in refused(with_weights_at(folder, "inner"))
    assert "missing" in refused(with_weights_at(folder, "none.bin"))


def test_a_file_that_is_too_short_is_refused(folder):
    (folder / "weights.bin").write_bytes(b"1234")
    assert "has 4 bytes, fewer than the model says" in refused(with_weights_at(folder, "weights.bin"))
    assert "fewer" in refused(with_weights_at(folder, "weights.bin", length=-5))


def test_a_model_that_never_ends_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(refuse_unsafe, "LOOP_SECONDS", 0.5)
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Cos", ["x"], ["y"])],
        "body",
        [
            helper.make_tensor_value_info("count", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
        ],
    )
    constants = [
        helper.make_tensor("times", TensorProto.INT64, [], [2**62]), helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    ]  # fmt: skip
    path = tiny_models.save(
        tmp_path / "loop.onnx",
        [helper.make_node("Loop", ["times", "yes", "in"], ["out"], body=body)],
        constants=constants,
    )
    with pytest.raises(rotoscope.ModelRefused, match=r"not done with a picture of 64x64 after 0\.5 s; stopped"):
        rotoscope.load(path)(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(rotoscope.ModelRefused, match="has a loop"):
        rotoscope.load(path, engine="openvino")(np.zeros((8, 8, 3), np.uint8))
    # The loop alone would take centuries: that this line is reached proves that the engine was stopped.


# Libraries of operators


@pytest.fixture
def op_library():
    """A real library of custom operators, NegPos among them."""
    return pytest.importorskip("onnxruntime_extensions").get_library_path()


def with_custom_operator(path, operator="NegPos"):
    """out = 2 max(in - 0.5, 0), by an operator that splits numbers into negative and positive."""
    half, two = (
        helper.make_tensor(name, TensorProto.FLOAT, [], [value]) for name, value in (("half", 0.5), ("two", 2))
    )
    nodes = [
        helper.make_node("Sub", ["in", "half"], ["shifted"]),
        helper.make_node(operator, ["shifted"], ["negative", "positive"], domain="ai.onnx.contrib"),
        helper.make_node("Mul", ["positive", "two"], ["out"]),
    ]
    return tiny_models.save(path, nodes, constants=[half, two])


def test_custom_operators_are_refused_and_the_flag_is_named(tmp_path):
    said = refused(with_custom_operator(tmp_path / "custom.onnx"))
    assert "uses operators of ai.onnx.contrib" in said and said.endswith("--op-library FILE")


def test_operators_of_a_library_run_with_a_warning(tmp_path, op_library, caplog):
    path = with_custom_operator(tmp_path / "custom.onnx")
    model = rotoscope.load(path, op_library=op_library)
    picture = np.full((8, 8, 3), 255, np.uint8)
    picture[:4] = 204
    picture[:, :3] = 100
    made = model(picture)
    assert (made[0, 0, 0], made[0, 5, 0], made[7, 7, 0]) == (0, 153, 255)
    assert [record.message for record in caplog.records] == [
        f"{path}: operators come from {op_library}, a program that runs with your rights"
    ]


def test_the_flag_is_the_only_way_to_name_a_library(here, op_library, rotoscope_main, monkeypatch):
    with_custom_operator(here / "custom.onnx")
    tiny_clips.write_clip(here / "clip.mp4")
    words = ["translate", "clip.mp4", "-o", "out.mp4", "-m", "custom.onnx"]
    code, _, err = rotoscope_main(*words, "--op-library", op_library)
    assert code == 0 and "a program that runs with your rights" in err and Path(op_library).name in err
    (here / "rotoscope.toml").write_text(f'[translate]\nop-library = "{op_library}"\n')
    code, _, err = rotoscope_main(*words, "--overwrite")
    assert code == 2 and "accepted only as the flag --op-library" in err
    (here / "rotoscope.toml").unlink()
    monkeypatch.setenv("ROTOSCOPE_TRANSLATE_OP_LIBRARY", op_library)
    code, _, err = rotoscope_main(*words, "--overwrite")
    assert code == 2 and "accepted only as the flag --op-library" in err


def test_an_operator_that_the_library_does_not_have_is_refused(tmp_path, op_library):
    path = with_custom_operator(tmp_path / "custom.onnx", "NoSuchOperator")
    with pytest.raises(rotoscope.ModelRefused, match=r"ONNX Runtime refuses it: .*NoSuchOperator"):
        rotoscope.load(path, op_library=op_library)(np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize(("make", "said"), [
    (lambda path: None, "no such file, or not a regular one"),
    (Path.mkdir, "no such file, or not a regular one"),
    (os.mkfifo, "no such file, or not a regular one"),
    (lambda path: path.write_bytes(b"no program"), "ONNX Runtime cannot load it"),
])  # fmt: skip
def test_a_file_that_is_not_a_library_is_refused_in_one_line(make, said, tmp_path, identity):
    library = tmp_path / "library.so"
    make(library)
    with pytest.raises(rotoscope.UsageError) as error:
        rotoscope.load(identity, op_library=str(library))(np.zeros((8, 8, 3), np.uint8))
    assert str(error.value).startswith(f"--op-library {library}: {said}") and "\n" not in str(error.value)


def test_a_name_without_a_folder_is_a_file_of_the_current_folder(here, identity):
    with pytest.raises(rotoscope.UsageError, match=r"libc\.so\.6: no such file"):
        rotoscope.load(identity, op_library="libc.so.6")(np.zeros((8, 8, 3), np.uint8))
    (here / "libc.so.6").write_bytes(b"no program")
    with pytest.raises(rotoscope.UsageError, match=re.escape(f"cannot load it: {here}/libc.so.6")):
        rotoscope.load(identity, op_library="libc.so.6")(np.zeros((8, 8, 3), np.uint8))


def test_other_engines_take_no_library(tmp_path):
    path = with_custom_operator(tmp_path / "custom.onnx")
    with pytest.raises(rotoscope.UsageError, match="--op-library with openvino; only onnxruntime"):
        rotoscope.load(path, engine="openvino", op_library="any.so")(np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize("operator", ["DepthToSpace", "SpaceToDepth"])
@pytest.mark.parametrize("block", [0, -1, 1 << 40])
def test_blocks_that_would_end_the_process_are_refused(operator, block, tmp_path):

    path = tiny_models.save(tmp_path / "m.onnx", [helper.make_node(operator, ["in"], ["out"], blocksize=block)])
    with pytest.raises(rotoscope.ModelRefused, match=f"{operator} with blocks of {block}; accepted: 1 to 1024"):
        rotoscope.load(path)


def test_a_file_that_ends_onnx_runtime_ends_only_the_process_that_tries_it(tmp_path, monkeypatch):
    monkeypatch.setattr(refuse_unsafe, "MAX_BLOCK", 2**62)  # such blocks are refused before
    crash = helper.make_node("DepthToSpace", ["in"], ["out"], blocksize=2**40)
    assert "ONNX Runtime crashed (SIG" in refused(tiny_models.save(tmp_path / "crash.onnx", [crash]))
    assert rotoscope.load(tiny_models.identity(tmp_path / "fine.onnx"))(np.zeros((8, 8, 3), np.uint8)).shape == (
        8,
        8,
        3,
    )
