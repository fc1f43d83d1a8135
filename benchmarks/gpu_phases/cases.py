"""Every kernel with inputs of a size, its reference in NumPy, and the bytes that it has to move for each pixel.

Bytes are those of each module's docstring; None stands for every input and output once, which is what a kernel of one pass
moves. Kernels that are bound by arithmetic or by atomics have no goal.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from rotoscope.kernels.aggregate import aggregate, aggregate_reference
from rotoscope.kernels.blend import blend, blend_reference
from rotoscope.kernels.color_in import color_in, color_in_reference
from rotoscope.kernels.color_out import color_out, color_out_reference
from rotoscope.kernels.compose_flow import compose_flow, compose_flow_reference
from rotoscope.kernels.composite import composite, composite_reference
from rotoscope.kernels.densify_flow import densify_flow, densify_flow_reference
from rotoscope.kernels.detail import SMALLEST_PX, Energies, detail, detail_reference, detail_scratch
from rotoscope.kernels.flicker_sums import flicker_sums, flicker_sums_reference
from rotoscope.kernels.flows_between import flows_between, flows_between_reference
from rotoscope.kernels.halve import halve, halve_reference, halved_size
from rotoscope.kernels.interleave import interleave, interleave_reference
from rotoscope.kernels.interpolate import interpolate, interpolate_reference
from rotoscope.kernels.inverse_search import inverse_search, inverse_search_reference, patch_grid
from rotoscope.kernels.invert_flow import invert_flow, invert_flow_reference
from rotoscope.kernels.mix import mix, mix_reference
from rotoscope.kernels.occlusion import occlusion, occlusion_reference
from rotoscope.kernels.refine_flow import refine_flow, refine_flow_reference
from rotoscope.kernels.resize import resize, resize_reference
from rotoscope.kernels.resize_flow import resize_flow, resize_flow_reference
from rotoscope.kernels.resize_grey import resize_grey, resize_grey_reference
from rotoscope.kernels.still_flows import still_flows, still_flows_reference, still_scratch
from rotoscope.kernels.sums import sums, sums_reference, sums_scratch
from rotoscope.kernels.trust import trust, trust_reference
from rotoscope.kernels.trust_along import trust_along, trust_along_reference
from rotoscope.kernels.warp import warp, warp_reference
from rotoscope.kernels.weighted_sum import weighted_sum, weighted_sum_reference

F32 = np.float32
ENERGIES = np.random.default_rng(5).uniform(0.5, 2, (4, 4))


@dataclass
class Work:
    """One call of a kernel.

    given      inputs on the host, by name; lists stand for several arrays
    out        outputs on the host, by name: shapes and dtypes
    run        enqueues the call; it takes a namespace of all arrays, on the device, and `scratch`
    reference  the expected outputs by name, from the inputs on the host
    scratch    makes the scratch arrays from the namespace
    limit      largest difference that is rounding
    share      part of the values that may differ by more, where a choice is close
    """

    given: dict[str, Any]
    out: dict[str, Any]
    run: Callable[[SimpleNamespace], object]
    reference: Callable[[SimpleNamespace], Mapping[str, Any]]
    scratch: Callable[[SimpleNamespace], Any] = field(default=lambda _arrays: None)
    limit: float = 1e-4
    share: float = 1e-4

    @property
    def num_bytes(self) -> int:
        """Bytes of every input and output, once."""
        return sum(map(nbytes, (*self.given.values(), *self.out.values())))


@dataclass(frozen=True)
class Case:
    """A kernel in one form: `make` gives its work for a `Material`."""

    name: str
    make: Callable[["Material"], Work]
    bytes_per_pixel: float | None = None
    is_bandwidth_bound: bool = True
    smallest_side: int = 1

    def counted_bytes(self, work: Work, pixels: int) -> float:
        return work.num_bytes if self.bytes_per_pixel is None else self.bytes_per_pixel * pixels


class Material:
    """Random inputs of one size; `wild` flows also leave the picture and hold NaN and infinity."""

    def __init__(self, height: int, width: int, *, wild: bool) -> None:
        self.size, self.wild = (height, width), wild
        self._random = np.random.default_rng(0)

    def picture(self) -> Any:
        picture = self._random.random((*self.size, 4), F32)
        picture[..., 3] = 0
        return picture

    def planar(self, channels: int = 3) -> Any:
        return self._random.random((channels, *self.size), F32)

    def plane(self, top: float = 1.0) -> Any:
        return self._random.random(self.size, F32) * F32(top)

    def mask(self) -> Any:
        return self._random.integers(0, 2, self.size, np.uint8)

    def luma(self) -> tuple[Any, Any]:
        """Two pictures 0 to 255 of one smooth pattern, the second moved by (1.5, -0.75) pixels."""
        y, x = np.mgrid[: self.size[0], : self.size[1]].astype(F32)

        def seen(right: float, down: float) -> Any:
            return 128 + 50 * np.sin((x - right) / 5) * np.cos((y - down) / 7) + 40 * np.sin((x - right + y - down) / 23)

        return seen(0, 0).astype(F32), seen(1.5, -0.75).astype(F32)

    def flow(self, dtype: Any = F32) -> Any:
        y, x = np.ogrid[: self.size[0], : self.size[1]]
        phase = self._random.uniform(0, 6, 2)
        smooth = [8 * np.sin(x / 100 + phase[0]) + 0 * y, 5 * np.cos(y / 90 + phase[1]) + 0 * x]
        flow = np.stack(smooth, -1).astype(F32) + self._random.random((*self.size, 2), F32)
        if self.wild:
            far = self._random.random(self.size) < 0.1
            strange = np.array([np.nan, np.inf, -np.inf, 1e4, -6e4], F32)
            flow[far] = self._random.choice(strange, (int(far.sum()), 2))
        return flow.astype(dtype)

    def codes(self, depth: int = 8) -> tuple[Any, Any]:
        """NV12, or P010 with depth 16: luma (H,W) and chroma (h,w,2)."""
        height, width = self.size
        dtype = np.uint8 if depth == 8 else np.uint16
        small = ((height + 1) // 2, (width + 1) // 2, 2)
        top = 1 << depth
        return self._random.integers(0, top, self.size, dtype), self._random.integers(0, top, small, dtype)


def like(array: Any, *shape: int, dtype: Any = None) -> Any:
    return np.zeros(shape or array.shape, dtype or array.dtype)


def nbytes(arrays: Any) -> int:
    return sum(map(nbytes, arrays)) if isinstance(arrays, (list, tuple)) else int(arrays.nbytes)


def warp_work(m: Material, sampling: str = "bilinear", dtype: Any = F32, planar: bool = False) -> Work:
    picture = m.planar() if planar else m.picture()
    return Work(
        {"picture": picture, "flow": m.flow(dtype)}, {"out": like(picture)},
        lambda a: warp(a.picture, a.flow, sampling=sampling, out=a.out),
        lambda a: {"out": warp_reference(a.picture, a.flow, sampling)[0]},
    )  # fmt: skip


def blend_work(m: Material, sampling: str = "cubic", planar: bool = False, dtype: Any = F32) -> Work:
    now, past = (m.planar() if planar else m.picture() for _ in range(2))
    given = {"now": now, "past": past, "flow": m.flow(dtype), "sure": m.plane()}
    return Work(
        given, {"out": like(now)},
        lambda a: blend(a.now, a.past, a.flow, strength=0.7, confidence=a.sure, sampling=sampling, out=a.out),
        lambda a: {"out": blend_reference(a.now, a.past, a.flow, 0.7, a.sure, None, sampling)},
    )  # fmt: skip


def aggregate_work(m: Material, pool: str, others: int = 6, planar: bool = False, dtype: Any = F32) -> Work:
    center, *neighbours = (m.planar() if planar else m.picture() for _ in range(others + 1))
    given = {"center": center, "neighbours": neighbours, "flows": [m.flow(dtype) for _ in range(others)]}
    if pool == "weighted":
        given["valid"] = [m.plane() for _ in range(others)]
    return Work(
        given, {"out": like(center)},
        lambda a: aggregate(a.center, a.neighbours, a.flows, pool=pool, valid=getattr(a, "valid", None), out=a.out),
        lambda a: {"out": aggregate_reference(a.center, a.neighbours, a.flows, pool, getattr(a, "valid", None))},
    )  # fmt: skip


def interpolate_work(m: Material) -> Work:
    given = {"a": m.picture(), "b": m.picture(), "to_a": m.flow(), "to_b": m.flow(), "weight": m.plane()}
    return Work(
        given, {"out": like(given["a"])},
        lambda a: interpolate(a.a, a.b, a.to_a, a.to_b, a.weight, out=a.out),
        lambda a: {"out": interpolate_reference(a.a, a.b, a.to_a, a.to_b, a.weight)},
    )  # fmt: skip


def color_in_work(m: Material, form: str, depth: int = 8) -> Work:
    height, width = m.size
    luma, chroma = m.codes(depth)
    out = np.zeros((height, width, 4), F32) if form == "picture" else np.zeros((3, height, width), form)

    def reference(a: SimpleNamespace) -> dict[str, Any]:
        rgb = color_in_reference((a.luma, a.chroma), depth=depth)
        if form == "picture":
            return {"out": np.concatenate([rgb, np.zeros((height, width, 1))], 2)}
        return {"out": np.moveaxis(rgb, 2, 0)}

    return Work(
        {"luma": luma, "chroma": chroma}, {"out": out},
        lambda a: color_in((a.luma, a.chroma), a.out, depth=depth), reference,
        limit=3e-3 if form == "float16" else 1e-4,
    )  # fmt: skip


def color_out_work(m: Material, depth: int = 8) -> Work:
    luma, chroma = m.codes(depth)
    return Work(
        {"picture": m.picture()}, {"luma": like(luma), "chroma": like(chroma)},
        lambda a: color_out(a.picture, (a.luma, a.chroma), depth=depth),
        lambda a: dict(zip(("luma", "chroma"), color_out_reference(a.picture, (luma.shape, chroma.shape), depth=depth))),
        limit=0.5 + 2e-7 * 2**depth + 1e-3,
    )  # fmt: skip


def interleave_work(m: Material, dtype: Any = F32) -> Work:
    planar = m.planar().astype(dtype)

    def reference(a: SimpleNamespace) -> dict[str, Any]:
        rgb, bad = interleave_reference(a.planar.astype(F32), m.size)
        return {"out": np.concatenate([rgb, np.zeros((*m.size, 1))], 2), "counter": np.array([bad])}

    return Work(
        {"planar": planar}, {"out": np.zeros((*m.size, 4), F32), "counter": np.zeros(1, np.uint32)},
        lambda a: interleave(a.planar, a.out, counter=a.counter), reference,
    )  # fmt: skip


def mix_work(m: Material, masked: bool = False) -> Work:
    given = {"first": m.picture(), "second": m.picture(), **({"mask": m.mask()} if masked else {})}
    return Work(
        given, {"out": like(given["first"])},
        lambda a: mix(a.first, a.second, share=0.3, mask=getattr(a, "mask", None), out=a.out),
        lambda a: {"out": mix_reference(a.first, a.second, 0.3, getattr(a, "mask", None))},
    )  # fmt: skip


def copy_work(m: Material) -> Work:
    picture = m.picture()
    return Work(
        {"first": picture}, {"out": like(picture)},
        lambda a: mix(a.first, out=a.out), lambda a: {"out": mix_reference(a.first)},
    )  # fmt: skip


def composite_work(m: Material) -> Work:
    flow = np.ascontiguousarray(np.moveaxis(m.flow(), 2, 0))
    given = {"before": m.planar(), "flow": flow, "carried": m.planar(1), "drawn": m.planar()}
    return Work(
        given, {"out": like(given["before"])},
        lambda a: composite(a.before, a.flow, a.carried, a.drawn, out=a.out),
        lambda a: {"out": composite_reference(a.before, a.flow, a.carried, a.drawn)},
    )  # fmt: skip


def occlusion_work(m: Material, dtype: Any = F32) -> Work:
    return Work(
        {"there": m.flow(dtype), "back": m.flow(dtype)}, {"sure": np.zeros(m.size, F32), "mask": np.zeros(m.size, np.uint8)},
        lambda a: occlusion(a.there, a.back, confidence=a.sure, out=a.mask),
        lambda a: dict(zip(("mask", "sure"), occlusion_reference(a.there, a.back))),
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


def resize_work(m: Material, method: str, factor: float) -> Work:
    size = tuple(max(1, round(side * factor)) for side in m.size)
    return Work(
        {"picture": m.picture()}, {"out": np.zeros((*size, 4), F32)},
        lambda a: resize(a.picture, size, method=method, out=a.out),
        lambda a: {"out": resize_reference(a.picture, size, method)},
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
        lambda a: dict(zip(("to", "fro"), still_flows_reference(a.a, a.b, a.there, a.back)[:2])),
        scratch=lambda a: still_scratch(m.size, a.a), limit=1e-3, share=1e-2,
    )  # fmt: skip


def trust_work(m: Material) -> Work:
    given = agreement_given(m)
    return Work(
        given, {"sure": like(given["a"]), "difference": like(given["a"])},
        lambda a: trust(a.a, a.b, a.there, a.back, out=a.sure, difference=a.difference, scratch=a.scratch),
        lambda a: dict(zip(("sure", "difference"), trust_reference(a.a, a.b, a.there, a.back))),
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
        lambda a: dict(zip(names, flows_between_reference(a.there, a.back, a.sure, 0.5))),
        limit=2e-2 if m.wild else 1e-4,
    )  # fmt: skip


def flicker_work(m: Material) -> Work:
    return Work(
        {"now": m.picture(), "past": m.picture(), "flow": m.flow(), "sure": m.plane()}, {"out": np.zeros(3, F32)},
        lambda a: flicker_sums(a.now, a.past, a.flow, a.sure, out=a.out, scratch=a.scratch),
        lambda a: {"out": flicker_sums_reference(a.now, a.past, a.flow, a.sure)},
        scratch=lambda a: sums_scratch(3, a.out), limit=1e-4 * m.size[0] * m.size[1],
    )  # fmt: skip


def detail_work(m: Material, measure: bool) -> Work:
    given = {"averaged": m.picture(), "framewise": m.picture(), "weight": m.plane()}
    given |= {"energies": ENERGIES.astype(F32), "aim": np.ones(4, F32)}

    def known(a: SimpleNamespace) -> Energies:
        return Energies(a.energies, a.aim)

    return Work(
        given, {"out": like(given["averaged"])},
        lambda a: detail(
            a.averaged, a.framewise, a.weight, known(a), measure=measure, out=a.out, scratch=a.scratch
        ),
        lambda a: {"out": detail_reference(a.averaged, a.framewise, a.weight, *map(np.float64, known(a)), measure)[0]},
        scratch=lambda a: detail_scratch(m.size, a.averaged), limit=5e-4,
    )  # fmt: skip


HALF = np.float16
CASES = (
    Case("warp", warp_work),
    Case("warp, fp16 flow", partial(warp_work, dtype=HALF)),
    Case("warp, planar", partial(warp_work, planar=True)),
    Case("warp cubic", partial(warp_work, sampling="cubic")),
    Case("blend", partial(blend_work, sampling="bilinear")),
    Case("blend cubic", blend_work),
    Case("blend cubic, fp16 flow", partial(blend_work, dtype=HALF)),
    Case("blend, planar", partial(blend_work, sampling="bilinear", planar=True)),
    Case("aggregate mean of 7", partial(aggregate_work, pool="mean")),
    Case("aggregate median of 7", partial(aggregate_work, pool="median")),
    Case("aggregate median of 3", partial(aggregate_work, pool="median", others=2)),
    Case("aggregate weighted of 7", partial(aggregate_work, pool="weighted")),
    Case("aggregate mean of 7, planar", partial(aggregate_work, pool="mean", planar=True)),
    Case("aggregate mean of 7, fp16 flow", partial(aggregate_work, pool="mean", dtype=HALF)),
    Case("interpolate", interpolate_work),
    Case("color_in NV12 to picture", partial(color_in_work, form="picture"), 17.5),
    Case("color_in NV12 to fp32 planar", partial(color_in_work, form="float32"), 13.5),
    Case("color_in NV12 to fp16 planar", partial(color_in_work, form="float16"), 7.5),
    Case("color_in P010 to fp16 planar", partial(color_in_work, form="float16", depth=16), 9.0),
    Case("color_out to NV12", color_out_work, 17.5),
    Case("color_out to 10 bits", partial(color_out_work, depth=10), 19.0),
    Case("interleave", interleave_work, 28.0),
    Case("interleave of fp16", partial(interleave_work, dtype=HALF), 22.0),
    Case("mix", mix_work, 48.0),
    Case("mix with mask", partial(mix_work, masked=True), 49.0),
    Case("copy by mix", copy_work, 32.0),
    Case("composite", composite_work, 48.0),
    Case("occlusion", occlusion_work),
    Case("occlusion, fp16 flow", partial(occlusion_work, dtype=HALF)),
    Case("compose_flow", compose_work),
    Case("compose_flow, fp16 flow", partial(compose_work, dtype=HALF)),
    Case("invert_flow", invert_work, is_bandwidth_bound=False),
    Case("resize area to half", partial(resize_work, method="area", factor=0.5)),
    Case("resize bicubic to double", partial(resize_work, method="bicubic", factor=2.0)),
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
    Case("detail", partial(detail_work, measure=False), 80.0, smallest_side=SMALLEST_PX),
    Case("detail, measured", partial(detail_work, measure=True), 322.0, smallest_side=SMALLEST_PX),
)


def on_device(work: Work) -> SimpleNamespace:
    """Return all arrays of a call on the device, with their scratch."""
    import cupy

    def placed(arrays: Any) -> Any:
        return [placed(array) for array in arrays] if isinstance(arrays, list) else cupy.asarray(arrays)

    arrays = SimpleNamespace(**{name: placed(array) for name, array in {**work.given, **work.out}.items()})
    arrays.scratch = work.scratch(arrays)
    return arrays
