"""Give trained looks their finish: strokes of oil and the detail of the source. Writes the same bytes on every run.

python scripts/make_painted_looks.py rotoscope/looks/networks/starry.onnx rotoscope/looks/networks/scream.onnx rotoscope/looks

A look of your own, as `rotoscope export runs/mine` writes it, takes the place of the first files.
"""

import argparse
from pathlib import Path

import onnx
from filter_looks.graph import OPSET, Graph
from filter_looks.look_file import look_file
from filter_looks.painted import PALE, Finish, painted

from rotoscope.base.manifest import METADATA_KEY, FrameInput, FrameOutput, Manifest

LEAST_SIDE_PX = 64  # a blur of the luma, at half the size, mirrors 18 pixels


FINISHES = {"scream": PALE}  # by the name of a look; others have the default


def make(network: onnx.ModelProto, where: str) -> onnx.ModelProto:
    """Return a look with its finish, description and golden values; the name, the licence and the origin stay."""
    (text,) = (item.value for item in network.metadata_props if item.key == METADATA_KEY)
    plain = Manifest.from_json(text, where=where)
    if plain.frame.range != plain.output.range or len(plain.inputs) != 1 or plain.state:
        raise SystemExit(f"{where}: accepted: a look, with one picture of one range that goes in and out")
    graph = Graph()
    model = graph.model(painted(graph, network, plain.frame.range, FINISHES.get(plain.name, Finish())))
    manifest = Manifest(
        name=plain.name,
        system=f"{plain.system}, finish of oil",
        licence=plain.licence,
        source=plain.source,
        frame=FrameInput(tensor="frame", multiple=2 * plain.frame.multiple, minimum=LEAST_SIDE_PX),
        output=FrameOutput(tensor="picture"),
        is_steady=True,
        normalisation=plain.normalisation,
        exported_by=f"scripts/make_painted_looks.py, opset {OPSET}",
    )
    return look_file(model, manifest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", type=Path, nargs="+")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    for path in options.networks:
        made = make(onnx.load(path), path.name)
        (options.folder / path.name).write_bytes(made.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
