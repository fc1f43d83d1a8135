"""The residual blocks of a model file, found for a student that keeps them."""

import numpy as np
import onnx
from catalogue import named
from onnx import TensorProto, helper, numpy_helper

import rotoscope
from rotoscope.export.residual_body import residual_blocks

WIDTH, STYLES = 4, 3


def test_the_blocks_of_a_checkpoint_are_found_with_its_weights(exported):
    path, _, (teacher, _) = exported(named("fast style transfer"))
    blocks = residual_blocks(rotoscope.load(path).file, None)
    assert len(blocks) == 5
    for number, block in enumerate(blocks, start=1):
        for n in (1, 2):
            own = teacher.get_submodule(f"res{number}")
            assert np.array_equal(block[f"conv{n}.weight"], own.get_parameter(f"conv{n}.conv2d.weight").detach())
            assert np.array_equal(block[f"norm{n}.weight"], own.get_parameter(f"in{n}.weight").detach())
            assert np.array_equal(block[f"norm{n}.bias"], own.get_parameter(f"in{n}.bias").detach())


def conditional(path):
    """A block whose norms are chains of operators, with scale and shift from a style; return its constants."""
    random = np.random.default_rng(0)
    values = {"first": random.standard_normal((WIDTH, 3, 3, 3)), "last": random.standard_normal((3, WIDTH, 3, 3))}
    nodes = [helper.make_node("Conv", ["x", "first"], ["v"], pads=[1] * 4)]
    for n, source in (("1", "v"), ("2", "r")):
        values[f"kernel{n}"] = random.standard_normal((WIDTH, WIDTH, 3, 3))
        values |= {f"{part}{n}": random.standard_normal((STYLES, WIDTH)) for part in ("gamma", "beta")}
        nodes += [
            helper.make_node("Pad", [source, "pads"], [f"p{n}"], mode="reflect"),
            helper.make_node("Conv", [f"p{n}", f"kernel{n}"], [f"c{n}"]),
            helper.make_node("ReduceMean", [f"c{n}"], [f"m{n}"], axes=[2, 3]),
            helper.make_node("Sub", [f"c{n}", f"m{n}"], [f"s{n}"]),
        ]
        for part in ("gamma", "beta"):
            nodes += [
                helper.make_node("MatMul", ["style_weights", f"{part}{n}"], [f"row {part}{n}"]),
                helper.make_node("Reshape", [f"row {part}{n}", "channels"], [f"own {part}{n}"]),
            ]
        nodes += [
            helper.make_node("Mul", [f"own gamma{n}", f"s{n}"], [f"g{n}"]),
            helper.make_node("Add", [f"g{n}", f"own beta{n}"], [f"n{n}"]),
        ]
        nodes += [helper.make_node("Relu", ["n1"], ["r"])] if n == "1" else []
    nodes += [
        helper.make_node("Add", ["n2", "v"], ["sum"]),
        helper.make_node("Conv", ["sum", "last"], ["w"], pads=[1] * 4),
        helper.make_node("Sigmoid", ["w"], ["y"]),
    ]
    constants = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in values.items()]
    constants += [
        numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1]), "pads"),
        numpy_helper.from_array(np.array([1, WIDTH, 1, 1]), "channels"),
    ]
    picture, style = (1, 3, "h", "w"), (1, STYLES)
    inputs = [helper.make_tensor_value_info(*each) for each in (
        ("x", TensorProto.FLOAT, picture), ("style_weights", TensorProto.FLOAT, style)
    )]  # fmt: skip
    graph = helper.make_graph(
        nodes, "conditional", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, picture)], constants
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return values


def test_norms_that_depend_on_a_style_are_evaluated_for_it(tmp_path):
    values = conditional(tmp_path / "styles.onnx")
    model = rotoscope.load(tmp_path / "styles.onnx", style="0:0.25,2:0.75")
    (block,) = residual_blocks(model.file, model.options.style)
    for n in ("1", "2"):
        assert np.array_equal(block[f"conv{n}.weight"], values[f"kernel{n}"].astype(np.float32))
        for ours, theirs in (("weight", "gamma"), ("bias", "beta")):
            mixed = 0.25 * values[theirs + n][0] + 0.75 * values[theirs + n][2]
            np.testing.assert_allclose(block[f"norm{n}.{ours}"], mixed, rtol=1e-5)


def test_a_network_without_such_blocks_has_none(identity):
    assert residual_blocks(rotoscope.load(identity).file, None) == []
