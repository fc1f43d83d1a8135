"""A look as a file: the graph with its description and golden values."""

import numpy as np
import onnx
import onnxruntime

from rotoscope.base.manifest import METADATA_KEY, GoldenCheck, Manifest
from rotoscope.runtime.models.golden import golden_inputs, sample_output

GOLDEN_SIZE = (96, 128)  # height, width
TOLERANCE = 1e-3  # of the golden values: lines are steep functions of small differences
DECIMALS = 4  # of the golden values; processors differ in the last bits


def look_file(graph: onnx.ModelProto, manifest: Manifest) -> onnx.ModelProto:
    """Return the graph of a look with its description, completed by golden values."""
    height, width = GOLDEN_SIZE
    inputs, _ = golden_inputs(manifest, seed=0, height=height, width=width)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    values = tuple(float(value) for value in np.round(sample_output(session.run(None, inputs)[0]), DECIMALS))
    golden = GoldenCheck(seed=0, height=height, width=width, values=values, tolerance=TOLERANCE)
    manifest = manifest.model_copy(update={"golden": golden})
    made = onnx.ModelProto()
    made.CopyFrom(graph)
    made.metadata_props.add(key=METADATA_KEY, value=manifest.model_dump_json())
    onnx.checker.check_model(made, full_check=True)
    return made
