"""Write the looks that need no training as ONNX files: the same bytes on every run.

python scripts/make_filter_looks.py rotoscope/looks
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from filter_looks.graph import OPSET, Graph
from filter_looks.looks import LOOKS

from rotoscope.base.manifest import METADATA_KEY, FrameInput, FrameOutput, GoldenCheck, Manifest
from rotoscope.runtime.models.golden import golden_inputs, sample_output

GOLDEN_SIZE = (96, 128)  # height, width
LEAST_SIDE_PX = 32  # the widest blur, at half the size, mirrors 8 pixels
TOLERANCE = 1e-3  # of the golden values: lines are steep functions of small differences
DECIMALS = 4  # of the golden values; processors differ in the last bits


def graph_of(name: str) -> onnx.ModelProto:
    """Return the graph of a look, without its description."""
    graph = Graph()
    return graph.model(LOOKS[name](graph))


def make(name: str) -> onnx.ModelProto:
    """Return a look with its description and golden values."""
    model = graph_of(name)
    manifest = Manifest(
        name=name,
        system="classical filters",
        licence="Apache-2.0",
        source="scripts/make_filter_looks.py",
        frame=FrameInput(tensor="frame", multiple=2, minimum=LEAST_SIDE_PX),
        output=FrameOutput(tensor="picture"),
        is_steady=True,
        normalisation="none",
        exported_by=f"scripts/make_filter_looks.py, opset {OPSET}",
    )
    height, width = GOLDEN_SIZE
    inputs, _ = golden_inputs(manifest, seed=0, height=height, width=width)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    values = tuple(float(value) for value in np.round(sample_output(session.run(None, inputs)[0]), DECIMALS))
    golden = GoldenCheck(seed=0, height=height, width=width, values=values, tolerance=TOLERANCE)
    manifest = manifest.model_copy(update={"golden": golden})
    model.metadata_props.add(key=METADATA_KEY, value=manifest.model_dump_json())
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for name in LOOKS:
        (folder / f"{name}.onnx").write_bytes(make(name).SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
