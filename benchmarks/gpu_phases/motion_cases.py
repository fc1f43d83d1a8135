"""Cases of the kernels that make and judge motion: flows, search, agreement, sums."""

from functools import partial
from typing import Any

import numpy as np

from gpu_phases.case import F32, HALF, Case, Material, Work, like
from rotoscope.kernels.compose_flow import compose_flow, compose_flow_reference
from rotoscope.kernels.densify_flow import densify_flow, densify_flow_reference
from rotoscope.kernels.flicker_sums import flicker_sums, flicker_sums_reference
from rotoscope.kernels.flows_between import flows_between, flows_between_reference
from rotoscope.kernels.halve import halve, halve_reference, halved_size
from rotoscope.kernels.inverse_search import inverse_search, inverse_search_reference, patch_grid
from rotoscope.kernels.invert_flow import invert_flow, invert_flow_reference
from rotoscope.kernels.occlusion import occlusion, occlusion_reference
from rotoscope.kernels.refine_flow import refine_flow, refine_flow_reference
from rotoscope.kernels.resize_flow import resize_flow, resize_flow_reference
from rotoscope.kernels.resize_grey import resize_grey, resize_grey_reference
from rotoscope.kernels.still_flows import still_flows, still_flows_reference, still_scratch
from rotoscope.kernels.sums import sums, sums_reference, sums_scratch
from rotoscope.kernels.trust import trust, trust_reference
from rotoscope.kernels.trust_along import trust_along, trust_along_reference
from rotoscope.kernels.weighted_sum import weighted_sum, weighted_sum_reference


def occlusion_work(m: Material, dtype: Any = F32) -> Work:
    return Work(
        {"there": m.flow(dtype), "back": m.flow(dtype)}, {"sure": np.zeros(m.size, F32), "mask": np.zeros(m.size, np.uint8)},
        lambda a: occlusion(a.there, a.back, confidence=a.sure, out=a.mask),
        lambda a: dict(zip(("mask", "sure"), occlusion_reference(a.there, a.back), strict=True)),
        share=1e-3,
    )  # fmt: skip


def compose_work(m: Material, dtype: Any = F32) -> Work:
    first, second = m.flow(dtype), m.flow(dtype)
    second[~np.isfinite(second)] = 0
    return Work(
        {"ab": first, "bc": second}, {"out": like(first, dtype=F32)},
        lambda a: compose_flow(a.ab, a.bc, out=a.out), lambda a: {"out": compose_flow_reference(a.ab, a.bc)},
        limit=1e-2 if dtype == np.float16 else 2e-3,
    )  # fmt: skip


def invert_work(m: Material) -> Work:
    return Work(
        {"ab": m.flow()}, {"out": np.zeros((*m.size, 2), F32)},
        lambda a: invert_flow(a.ab, out=a.out), lambda a: {"out": invert_flow_reference(a.ab)[0]},
        limit=2e-2, share=1e-2,
    )  # fmt: skip


def resize_grey_work(m: Material) -> Work:
    size = tuple(max(1, side // 2) for side in m.size)
    luma, _ = m.codes()
    return Work(
        {"plane": luma}, {"out": np.zeros(size, F32)},
        lambda a: resize_grey(a.plane, size, method="area", out=a.out),
        lambda a: {"out": resize_grey_reference(a.plane, size, "area")},
        share=2e-2,  # means that end in one half are rounded up or down
    )  # fmt: skip


def resize_flow_work(m: Material) -> Work:
    flow = m.flow()
    flow[~np.isfinite(flow)] = 0
    size = tuple(2 * side for side in m.size)
    return Work(
        {"flow": flow}, {"out": np.zeros((*size, 2), F32)},
        lambda a: resize_flow(a.flow, size, out=a.out), lambda a: {"out": resize_flow_reference(a.flow, size)},
        limit=2e-2 if m.wild else 1e-3,  # wild flows are up to 60,000 pixels long
    )  # fmt: skip


def halve_work(m: Material) -> Work:
    return Work(
        {"picture": m.plane(255)}, {"out": np.zeros(halved_size(m.size), F32)},
        lambda a: halve(a.picture, out=a.out), lambda a: {"out": halve_reference(a.picture)},
    )  # fmt: skip


def search_work(m: Material) -> Work:
    first, second = m.luma()
    return Work(
        {"first": first, "second": second}, {"out": np.zeros((2, *patch_grid(*m.size), 2), F32)},
        lambda a: inverse_search(a.first, a.second, out=a.out),
        lambda a: {"out": inverse_search_reference(a.first, a.second)[0]},
        limit=1e-2, share=0.1,
    )  # fmt: skip


def densify_work(m: Material) -> Work:
    first, second = m.luma()
    patches = np.random.default_rng(1).normal(0, 3, (2, *patch_grid(*m.size), 2)).astype(F32)
    return Work(
        {"first": first, "second": second, "patches": patches}, {"out": np.zeros((2, *m.size, 2), F32)},
        lambda a: densify_flow(a.first, a.second, a.patches, out=a.out),
        lambda a: {"out": densify_flow_reference(a.first, a.second, a.patches)},
        limit=1e-2, share=1e-3,
    )  # fmt: skip


def refine_work(m: Material) -> Work:
    """The result of 8 sweeps is in `flow`, which is also the start."""
    first, second = m.luma()
    start = np.zeros((2, *m.size, 2), F32)
    start[0], start[1] = (1.3, -0.6), (-1.3, 0.6)
    return Work(
        {"first": first, "second": second}, {"flow": start},
        lambda a: refine_flow(a.first, a.second, a.flow, equations=a.scratch[0], spare=a.scratch[1]),
        lambda a: {"flow": refine_flow_reference(a.first, a.second, start)},
        scratch=lambda a: (np.zeros_like(a.first, shape=(2, 5, *m.size)), np.zeros_like(a.flow)),
        limit=1e-2, share=1e-3,
    )  # fmt: skip


def agreement_given(m: Material) -> dict[str, Any]:
    a, b = m.luma()
    return {"a": a, "b": b, "there": m.flow(), "back": m.flow()}


def still_work(m: Material) -> Work:
    given = agreement_given(m)
    return Work(
        given, {"to": like(given["there"]), "fro": like(given["there"])},
        lambda a: still_flows(a.a, a.b, a.there, a.back, out_ab=a.to, out_ba=a.fro, scratch=a.scratch),
        lambda a: dict(zip(("to", "fro"), still_flows_reference(a.a, a.b, a.there, a.back)[:2], strict=True)),
        scratch=lambda a: still_scratch(m.size, a.a), limit=1e-3, share=1e-2,
    )  # fmt: skip


def trust_work(m: Material) -> Work:
    given = agreement_given(m)
    return Work(
        given, {"sure": like(given["a"]), "difference": like(given["a"])},
        lambda a: trust(a.a, a.b, a.there, a.back, out=a.sure, difference=a.difference, scratch=a.scratch),
        lambda a: dict(zip(("sure", "difference"), trust_reference(a.a, a.b, a.there, a.back), strict=True)),
        scratch=lambda a: (np.zeros_like(a.a), np.zeros_like(a.a)), limit=5e-2, share=1e-3,
    )  # fmt: skip


def trust_along_work(m: Material) -> Work:
    return Work(
        {"sure": m.plane(), "flow": m.flow(), "before": m.plane()},
        {"votes": np.zeros(m.size, np.uint8), "out": np.zeros(m.size, F32)},
        lambda a: trust_along(a.sure, a.flow, a.before, votes=a.votes, out=a.out),
        lambda a: {"out": trust_along_reference(a.sure, a.flow, a.before)},
    )  # fmt: skip


def sums_work(m: Material) -> Work:
    return Work(
        {"planes": [m.plane(), m.plane()]}, {"out": np.zeros(2, F32)},
        lambda a: sums(a.planes, out=a.out, scratch=a.scratch), lambda a: {"out": sums_reference(a.planes)},
        scratch=lambda a: sums_scratch(2, a.out), limit=1e-5 * m.size[0] * m.size[1],
    )  # fmt: skip


def weighted_sum_work(m: Material) -> Work:
    return Work(
        {"arrays": [m.plane(), m.plane(), m.plane()]}, {"out": np.zeros(m.size, F32)},
        lambda a: weighted_sum(a.arrays, (0.5, -1.0, 2.0), out=a.out),
        lambda a: {"out": weighted_sum_reference(a.arrays, (0.5, -1.0, 2.0))},
    )  # fmt: skip


def flows_between_work(m: Material) -> Work:
    there, back = m.flow(), m.flow()
    there[~np.isfinite(there)] = back[~np.isfinite(back)] = 0
    names = "to_a", "to_b", "weight"
    return Work(
        {"there": there, "back": back, "sure": m.plane()},
        {"to_a": like(there), "to_b": like(there), "weight": np.zeros(m.size, F32)},
        lambda a: flows_between(a.there, a.back, a.sure, 0.5, out=(a.to_a, a.to_b, a.weight)),
        lambda a: dict(zip(names, flows_between_reference(a.there, a.back, a.sure, 0.5), strict=True)),
        limit=2e-2 if m.wild else 1e-4,
    )  # fmt: skip


def flicker_work(m: Material) -> Work:
    return Work(
        {"now": m.picture(), "past": m.picture(), "flow": m.flow(), "sure": m.plane()}, {"out": np.zeros(3, F32)},
        lambda a: flicker_sums(a.now, a.past, a.flow, a.sure, out=a.out, scratch=a.scratch),
        lambda a: {"out": flicker_sums_reference(a.now, a.past, a.flow, a.sure)},
        scratch=lambda a: sums_scratch(3, a.out), limit=1e-4 * m.size[0] * m.size[1],
    )  # fmt: skip


MOTION_CASES = (
    Case("occlusion", occlusion_work),
    Case("occlusion, fp16 flow", partial(occlusion_work, dtype=HALF)),
    Case("compose_flow", compose_work),
    Case("compose_flow, fp16 flow", partial(compose_work, dtype=HALF)),
    Case("invert_flow", invert_work, is_bandwidth_bound=False),
    Case("resize_grey area to half", resize_grey_work),
    Case("resize_flow to double", resize_flow_work),
    Case("halve", halve_work),
    Case("inverse_search", search_work, is_bandwidth_bound=False),
    Case("densify_flow", densify_work, is_bandwidth_bound=False),
    Case("refine_flow, 8 sweeps", refine_work, is_bandwidth_bound=False),
    Case("still_flows", still_work, 120.0),
    Case("trust", trust_work, 52.0),
    Case("trust_along", trust_along_work, 21.0),
    Case("sums of two planes", sums_work, 8.0),
    Case("weighted_sum of three", weighted_sum_work, 16.0),
    Case("flows_between", flows_between_work, 40.0),
    Case("flicker_sums", flicker_work, 44.0),
)
