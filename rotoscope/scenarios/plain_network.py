"""A network from one picture to one picture, as programs other than Rotoscope can run it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Array
from rotoscope.base.manifest import Manifest
from rotoscope.base.sizes import Size
from rotoscope.runtime.models.model_file import ModelFile
from rotoscope.runtime.network.style import style_codes

PICTURE, RESULT = "rotoscope_picture", "rotoscope_result"
"""Names of the input and the output of a file that `write_in_unit_range` writes."""


@dataclass(frozen=True)
class PlainNetwork:
    """An ONNX file that other programs run on pictures of one size.

    size    (width, height) of the pictures
    inputs  further inputs of the graph that stay the same in each call, such as the weights of styles
    """

    path: Path
    manifest: Manifest
    sha256: str
    size: Size
    inputs: dict[str, Array] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Its name and the first digits of its digest, which say that two programs ran the same network."""
        return f"{self.manifest.name} {self.sha256[:12]}"


def plain_network(file: ModelFile, style: Any, size: Size) -> PlainNetwork:
    """Raise UsageError for networks that take more than one picture in colour, or not a picture of this size.

    style  what the user chose for a network with a style input; None for the first style
    """
    manifest = file.manifest
    frame = manifest.frame
    fits = all(
        side % frame.multiple == 0 and fixed in (None, side)
        for side, fixed in zip(size, (frame.width, frame.height), strict=True)
    )
    more = [
        what
        for what, is_there in (
            ("state", manifest.state),
            ("a mask", manifest.mask),
            ("instance maps", manifest.instances),
            ("an example picture", manifest.example),
            ("settings", manifest.settings),
            ("a frame number", manifest.number),
            ("a second picture", manifest.second),
            ("label maps", frame.labels),
            ("several frames", frame.window),
            (f"{frame.dtype} numbers", frame.dtype != "float32"),
            (f"{frame.channels} channels", frame.channels != 3 or manifest.output.channels != 3),
            ("NHWC pictures", "NHWC" in (frame.layout, manifest.output.layout)),
            (f"a batch axis of {frame.batch}", frame.batch != 1),
            ("its finish outside the graph", manifest.composite),
            (f"sides of its own, not {size[0]}x{size[1]}", not fits),
        )
        if is_there
    ]
    if more:
        raise UsageError(f"--peer: {manifest.name} has {more[0]}; the peers run networks from picture to picture")
    (code,) = style_codes([manifest], [style])
    inputs = {} if manifest.style is None or code is None else {manifest.style.tensor: code}
    return PlainNetwork(file.path, manifest, file.sha256, size, inputs)


def write_in_unit_range(network: PlainNetwork, target: Path) -> None:
    """Write the network with its value ranges and its constant inputs inside the graph.

    The only input is PICTURE, (1,3,H,W) float32 in [0,1], the only output RESULT, in [0,1] too; the order of the channels
    stays that of the manifest. The file keeps all weights as they are.
    """
    manifest = network.manifest
    model = onnx.load(network.path)
    graph = model.graph
    low, high = manifest.frame.range
    mean, std = np.array(manifest.frame.mean), np.array(manifest.frame.std)
    out_low, out_high = manifest.output.range
    constants = {
        "rotoscope_scale": ((high - low) / std).reshape(1, 3, 1, 1).astype(np.float32),
        "rotoscope_offset": ((low - mean) / std).reshape(1, 3, 1, 1).astype(np.float32),
        "rotoscope_result_scale": np.array(1 / (out_high - out_low), np.float32),
        "rotoscope_result_offset": np.array(-out_low / (out_high - out_low), np.float32),
        **network.inputs,
    }
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    nodes = [
        helper.make_node("Mul", [PICTURE, "rotoscope_scale"], ["rotoscope_scaled"]),
        helper.make_node("Add", ["rotoscope_scaled", "rotoscope_offset"], [manifest.frame.tensor]),
        *graph.node,
        helper.make_node("Mul", [manifest.output.tensor, "rotoscope_result_scale"], ["rotoscope_result_scaled"]),
        helper.make_node("Add", ["rotoscope_result_scaled", "rotoscope_result_offset"], [RESULT]),
    ]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    width, height = network.size
    graph.input.append(helper.make_tensor_value_info(PICTURE, onnx.TensorProto.FLOAT, (1, 3, height, width)))
    graph.output.append(helper.make_tensor_value_info(RESULT, onnx.TensorProto.FLOAT, None))
    model.ir_version = max(model.ir_version, 4)  # before, initialisers had to be inputs too
    onnx.save(model, target)
