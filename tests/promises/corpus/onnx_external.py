"""ONNX files that keep weights in other files: outside their folder, in links, in devices, or in fewer bytes than they say."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from promises.corpus.entry import CLIP, MODEL, Entry, translated
from promises.corpus.onnx_graphs import ESCAPES, constant, model, node, value


def external(location: str, **more: str) -> onnx.ModelProto:
    """A model that adds a constant which it says is stored in another file."""
    tensor = constant("weight", [0.0])
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=text)
    return model(node("Add", "in weight"), constants=[tensor])


LOCATIONS = {
    "up": {"location": "../secret.bin"},
    "up-twice": {"location": "../../etc/hostname"},
    "absolute": {"location": "/etc/hostname"},
    "inner-up": {"location": "folder/../../secret.bin"},
    "proc": {"location": "/proc/self/environ"},
    "device": {"location": "/dev/zero"},
    "missing": {"location": "missing.bin"},
    "empty": {"location": ""},
    "folder": {"location": "folder"},
    "dot": {"location": "."},
    "itself": {"location": "bad.onnx", "offset": "0", "length": "9999999"},
    "url": {"location": "http://127.0.0.1:9/w.bin"},
    "windows": {"location": "C:\\windows\\win.ini"},
    "back-slash": {"location": "..\\secret.bin"},
    "zero-byte": {"location": "w.bin\0x"},
    "escapes": {"location": ESCAPES},
    "very-long": {"location": "a" * 100_000},
    "link": {"location": "link.bin"},
    "hard-link": {"location": "hard.bin"},
    "fifo": {"location": "fifo.bin"},
    "folder-link": {"location": "there/secret.bin"},
    "offset-huge": {"location": "w.bin", "offset": str(1 << 62)},
    "offset-negative": {"location": "w.bin", "offset": "-4"},
    "offset-text": {"location": "w.bin", "offset": "x"},
    "length-huge": {"location": "w.bin", "length": str(1 << 62)},
    "length-negative": {"location": "w.bin", "length": "-1"},
    "length-overflow": {"location": "w.bin", "length": "9" * 5000},
}


def _beside_secrets(proto: onnx.ModelProto) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        inside = folder / "inside"
        inside.mkdir()
        (folder / "secret.bin").write_bytes(bytes(4))
        (folder / "w.bin").write_bytes(bytes(4))
        (folder / "folder").mkdir()
        (folder / "link.bin").symlink_to("secret.bin")
        (folder / "there").symlink_to(".")
        os.link(folder / "secret.bin", folder / "hard.bin")
        os.mkfifo(folder / "fifo.bin")
        (folder / "bad.onnx").write_bytes(proto.SerializeToString())

    return make


def _tensor_elsewhere(put: Callable[[onnx.ModelProto, onnx.TensorProto], None]) -> Callable[[], onnx.ModelProto]:
    def make() -> onnx.ModelProto:
        proto = model(node("Identity", "in"))
        tensor = external("/etc/hostname").graph.initializer[0]
        put(proto, tensor)
        return proto

    return make


def _in_branch(proto: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    branch = helper.make_graph([node("Identity", "weight", "b")], "branch", [], [value("b", [1])], [tensor])
    proto.graph.initializer.append(constant("yes", True, bool))
    proto.graph.node.append(node("If", "yes", "unused", then_branch=branch, else_branch=branch))


def _in_function(proto: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    inner = node("Constant", "", "c", value=tensor)
    proto.functions.append(helper.make_function("local", "f", [], ["c"], [inner], [helper.make_opsetid("", 18)]))
    proto.opset_import.append(helper.make_opsetid("local", 1))
    proto.graph.node.append(helper.make_node("f", [], ["unused"], domain="local"))


def _in_sparse(proto: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    sparse = proto.graph.sparse_initializer.add(dims=[4])
    sparse.values.CopyFrom(tensor)
    sparse.indices.CopyFrom(constant("i", [0], np.int64))


EXTERNAL_ELSEWHERE = {
    "in-constant": _tensor_elsewhere(lambda p, t: p.graph.node.append(node("Constant", "", "c", value=t))),
    "in-branch": _tensor_elsewhere(_in_branch),
    "in-function": _tensor_elsewhere(_in_function),
    "in-sparse": _tensor_elsewhere(_in_sparse),
}


def entries() -> Iterator[Entry]:
    """Yield about 30 entries."""
    for what, keys in LOCATIONS.items():
        yield Entry(
            f"onnx/external/{what}", translated(CLIP, model="bad.onnx"), MODEL, _beside_secrets(external(**keys))
        )
    for what, make in EXTERNAL_ELSEWHERE.items():
        yield Entry(f"onnx/external/{what}", translated(CLIP, model="bad.onnx"), MODEL, _beside_secrets(make()))
