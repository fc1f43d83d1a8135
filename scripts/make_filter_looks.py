"""Write the looks that need no training as ONNX files: the same bytes on every run.

python scripts/make_filter_looks.py rotoscope/looks
"""

import argparse
from pathlib import Path

import onnx
from filter_looks.graph import OPSET, Graph
from filter_looks.look_file import look_file
from filter_looks.looks import LOOKS

from rotoscope.base.manifest import FrameInput, FrameOutput, Manifest

LEAST_SIDE_PX = 32  # the widest blur, at half the size, mirrors 8 pixels


def graph_of(name: str) -> onnx.ModelProto:
    """Return the graph of a look, without its description."""
    graph = Graph()
    return graph.model(LOOKS[name](graph))


def make(name: str) -> onnx.ModelProto:
    """Return a look with its description and golden values."""
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
    return look_file(graph_of(name), manifest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for name in LOOKS:
        (folder / f"{name}.onnx").write_bytes(make(name).SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
