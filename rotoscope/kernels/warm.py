"""Compile every CPU kernel for the types that the pipeline uses, so that later calls do not wait for compilation."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rotoscope.kernels.aggregate import POOLS, aggregate
from rotoscope.kernels.blend import blend
from rotoscope.kernels.color_in import color_in
from rotoscope.kernels.color_out import color_out
from rotoscope.kernels.compose_flow import compose_flow
from rotoscope.kernels.composite import composite
from rotoscope.kernels.densify_flow import densify_flow
from rotoscope.kernels.detail import SMALLEST_PX, detail, first_energies
from rotoscope.kernels.flicker_sums import flicker_sums
from rotoscope.kernels.flows_between import flows_between
from rotoscope.kernels.halve import halve
from rotoscope.kernels.interleave import interleave
from rotoscope.kernels.interpolate import interpolate
from rotoscope.kernels.inverse_search import inverse_search
from rotoscope.kernels.invert_flow import invert_flow
from rotoscope.kernels.look_ahead_weights import look_ahead_weights
from rotoscope.kernels.mix import mix
from rotoscope.kernels.occlusion import occlusion
from rotoscope.kernels.past_weight import past_weight
from rotoscope.kernels.refine_flow import refine_flow
from rotoscope.kernels.resize import resize
from rotoscope.kernels.resize_flow import resize_flow
from rotoscope.kernels.resize_grey import resize_grey
from rotoscope.kernels.still_flows import still_flows
from rotoscope.kernels.sums import sums
from rotoscope.kernels.trust import trust
from rotoscope.kernels.trust_along import trust_along
from rotoscope.kernels.warp import warp
from rotoscope.kernels.weighted_sum import weighted_sum

HEIGHT, WIDTH = 4, 6


def warm() -> Iterator[str]:
    """Compile one operation after the other and yield its name. Operations in the cache folder take milliseconds."""
    picture = np.zeros((HEIGHT, WIDTH, 4), np.float32)
    planar = np.zeros((3, HEIGHT, WIDTH), np.float32)
    flow = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    mask, weight = np.ones((HEIGHT, WIDTH), np.uint8), np.ones((HEIGHT, WIDTH), np.float32)
    large = np.zeros((SMALLEST_PX, SMALLEST_PX, 4), np.float32)
    patches, flows = np.zeros((2, 1, 2, 2), np.float32), np.zeros((2, HEIGHT, WIDTH, 2), np.float32)
    work: dict[str, Callable[[], Any]] = {
        "color_in": lambda: [
            color_in(planes, out, depth=8 * min(planes[0].itemsize, 2))
            for planes in [*_coded(), [picture]]
            for out in (planar, planar.astype(np.float16), picture.copy())
        ],
        "color_out": lambda: [color_out(picture, planes, depth=8 * planes[0].itemsize) for planes in _coded()],
        "interleave": lambda: interleave(planar, picture.copy()),
        "resize": lambda: resize(picture, (3, 3)),
        "resize_grey": lambda: [
            resize_grey(plane, (3, 3), out=np.empty((3, 3), plane.dtype)) for plane in (mask, weight)
        ],
        "warp": lambda: warp(picture, flow),
        "flicker_sums": lambda: flicker_sums(picture, picture, flow, weight),
        "composite": lambda: composite(planar, planar[:2], planar[:1], planar),
        "mix": lambda: mix(picture, picture, share=0.5),
        "flows_between": lambda: flows_between(flow, flow, weight, 0.5),
        "trust_along": lambda: trust_along(weight, flow, weight),
        "weighted_sum": lambda: weighted_sum([flow], [0.5]),
        "detail": lambda: detail(large, large, large[..., 0].copy(), first_energies(large), measure=True),
        "still_flows": lambda: still_flows(weight, weight, flow, flow.copy()),
        "sums": lambda: sums([weight]),
        "trust": lambda: trust(weight, weight, flow, flow),
        "aggregate": lambda: [
            aggregate(picture, [picture], [flow], pool=pool, valid=[weight if pool == "weighted" else mask])
            for pool in POOLS
        ],
        "occlusion": lambda: occlusion(flow, flow),
        "blend": lambda: blend(picture, picture, flow, strength=0.5, out=picture.copy()),
        "past_weight": lambda: past_weight(weight, flow, weight, strength=0.5),
        "look_ahead_weights": lambda: look_ahead_weights(np.zeros_like(weight), [weight], [0.5], full=1.0),
        "compose_flow": lambda: compose_flow(flow, flow),
        "resize_flow": lambda: resize_flow(flow, (3, 3)),
        "invert_flow": lambda: invert_flow(flow),
        "halve": lambda: halve(weight),
        "inverse_search": lambda: inverse_search(weight, weight, patches=patches),
        "densify_flow": lambda: densify_flow(weight, weight, patches),
        "refine_flow": lambda: refine_flow(weight, weight, flows),
        "interpolate": lambda: interpolate(picture, picture, flow, flow, weight),
    }
    for name, compile_it in work.items():
        compile_it()
        yield name


def _coded() -> list[list[Any]]:
    """Return planes of one small picture as decoders and encoders have them, uint8 and uint16: Y'CbCr, NV12, grey and RGB.

    4:2:0, 4:2:2 and 4:4:4 run the same compiled code: their sizes are arguments.
    """
    half = (HEIGHT // 2, WIDTH // 2)
    coded: list[list[Any]] = []
    for dtype in (np.uint8, np.uint16):
        luma, chroma = np.zeros((HEIGHT, WIDTH), dtype), np.zeros(half, dtype)
        coded += [
            [luma, chroma, chroma.copy()],
            [luma, np.zeros((*half, 2), dtype)],
            [luma],
            [np.zeros((HEIGHT, WIDTH, 3), dtype)],
        ]
    return coded
