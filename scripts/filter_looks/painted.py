"""The finish of a trained look: strokes of oil, with the light of the source, so that faces and letters stay."""

from typing import NamedTuple

import onnx
from filter_looks.filters import blurred, luma
from filter_looks.graph import Graph, Value
from filter_looks.looks import coloured, strokes

NOISE = 5 / 255  # deviation of fine detail that is half kept


class Finish(NamedTuple):
    """How strong tone and colour become: factors of the contrast of luma around a middle grey, and of colour differences."""

    contrast: float = 1.15
    colour: float = 1.5


PALE = Finish(1.45, 2.1)  # for networks that were trained to be steady, which are pale


def painted(graph: Graph, network: onnx.ModelProto, value_range: tuple[float, float], finish: Finish) -> Value:
    """Paint at half the size, put in the detail of the frame's luma, draw strokes, and add fine detail above the noise.

    network      of one picture input and one picture output, sides at least those of a frame of half the size
    value_range  its values of black and of white, in and out
    At half the size the network costs a quarter, its strokes are twice as wide, and it sees a quarter of the noise (variance).
    """
    black, white = value_range
    half = graph.frame.halved(3)
    picture = (graph.include(network, half * (white - black) + black) - black) * (1 / (white - black))
    light = luma(half)
    picture = (picture + (light - blurred(light, 6.0)) * 0.9).clip(0.0, 1.0)
    larger, _, sharp = strokes(picture)
    fine = luma(graph.frame)
    detail = fine - blurred(fine, 1.2)
    energy = detail * detail
    kept = detail * (energy / (energy + NOISE**2))
    tone = (sharp + kept * 1.2 - 0.45) * finish.contrast + 0.48
    return coloured(tone, larger, finish.colour).clip(0.0, 1.0)
