"""Write the weights of a trained look as the ONNX file that ships in `rotoscope/models/`.

python scripts/export_look.py starry.safetensors rotoscope/models/starry.onnx
"""

import argparse
import hashlib
from pathlib import Path

from safetensors.torch import load_file

from rotoscope.export.adapters import Flat
from rotoscope.export.graph import Graph
from rotoscope.export.onnx import write_onnx
from rotoscope.manifest import FrameInput, FrameOutput, Manifest
from rotoscope.networks.compact import FOLD, CompactGenerator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--source", default="scripts/train_look.py")
    options = parser.parse_args()

    network = CompactGenerator()
    network.load_state_dict(load_file(options.weights))
    manifest = Manifest(
        name=options.out.stem,
        system="compact student, fast style transfer losses",
        licence="Apache-2.0",
        source=options.source,
        frame=FrameInput(tensor="frame", range=(-1.0, 1.0), multiple=FOLD),
        output=FrameOutput(tensor="picture", range=(-1.0, 1.0)),
        normalisation="instance",
        checkpoint_sha256=hashlib.sha256(options.weights.read_bytes()).hexdigest(),
    )
    write_onnx(Graph(Flat(network.eval(), 0).eval(), manifest), options.out)
    print(f"{options.out}: {options.out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
