"""Cases of the kernels that make pictures: colour, warps, mixing, aggregation, sizes, detail."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from gpu_phases.case import F32, HALF, Case, Material, Work, like
from rotoscope.kernels.aggregate import aggregate, aggregate_reference
from rotoscope.kernels.blend import blend, blend_reference
from rotoscope.kernels.color_in import color_in, color_in_reference
from rotoscope.kernels.color_out import color_out, color_out_reference
from rotoscope.kernels.composite import composite, composite_reference
from rotoscope.kernels.detail import SMALLEST_PX, Energies, detail, detail_reference, detail_scratch
from rotoscope.kernels.exchange_luma import exchange_luma, exchange_luma_reference
from rotoscope.kernels.hdr import PQ, hdr_from_sdr, hdr_from_sdr_reference
from rotoscope.kernels.interleave import interleave, interleave_reference
from rotoscope.kernels.interpolate import interpolate, interpolate_reference
from rotoscope.kernels.mix import mix, mix_reference
from rotoscope.kernels.place_map import place_map, place_map_reference
from rotoscope.kernels.resize import resize, resize_reference
from rotoscope.kernels.warp import warp, warp_reference

ENERGIES = np.random.default_rng(5).uniform(0.5, 2, (4, 4))


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

    def reference(a: SimpleNamespace) -> dict[str, Any]:
        planes = color_out_reference(a.picture, (luma.shape, chroma.shape), depth=depth)
        return dict(zip(("luma", "chroma"), planes, strict=True))

    return Work(
        {"picture": m.picture()}, {"luma": like(luma), "chroma": like(chroma)},
        lambda a: color_out(a.picture, (a.luma, a.chroma), depth=depth), reference,
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


def luma_work(m: Material) -> Work:
    weights = (0.299, 0.587, 0.114)
    given = {"colours": m.picture(), "lumas": m.picture()}
    return Work(
        given, {"out": like(given["colours"])},
        lambda a: exchange_luma(a.colours, a.lumas, weights, out=a.out),
        lambda a: {"out": exchange_luma_reference(a.colours, a.lumas, weights)},
    )  # fmt: skip


def hdr_work(m: Material) -> Work:
    def reference(a: SimpleNamespace) -> dict[str, Any]:
        rgb = hdr_from_sdr_reference(a.picture[..., :3].astype(np.float64), PQ)
        return {"out": np.concatenate([rgb, a.picture[..., 3:]], axis=2)}

    picture = np.clip(m.picture(), 0, 1)
    return Work(
        {"picture": picture}, {"out": like(picture)},
        lambda a: hdr_from_sdr(a.picture, PQ, out=a.out), reference, limit=5e-4,
    )  # fmt: skip


def hole_work(m: Material) -> Work:
    """A mask in a network's input of half size."""
    size = tuple(max(1, side // 2) for side in m.size)
    place = {"crop": (0, 0, m.size[1], m.size[0]), "content": size[::-1], "hole": (0.0, 1.0)}
    return Work(
        {"mask": m.mask()}, {"out": np.zeros(size, F32)},
        lambda a: place_map(a.mask, a.out, **place),
        lambda a: {"out": place_map_reference(a.mask, size, **place)},
    )  # fmt: skip


def resize_work(m: Material, method: str, factor: float) -> Work:
    size = tuple(max(1, round(side * factor)) for side in m.size)
    return Work(
        {"picture": m.picture()}, {"out": np.zeros((*size, 4), F32)},
        lambda a: resize(a.picture, size, method=method, out=a.out),
        lambda a: {"out": resize_reference(a.picture, size, method)},
    )  # fmt: skip


def detail_work(m: Material, measure: bool) -> Work:
    given = {"averaged": m.picture(), "framewise": m.picture(), "weight": m.plane()}
    given |= {"energies": ENERGIES.astype(F32), "aim": np.ones(4, F32)}

    def known(a: SimpleNamespace) -> Energies:
        return Energies(a.energies, a.aim)

    def reference(a: SimpleNamespace) -> dict[str, Any]:
        energies, aim = a.energies.astype(np.float64), a.aim.astype(np.float64)
        return {"out": detail_reference(a.averaged, a.framewise, a.weight, energies, aim, measure)[0]}

    return Work(
        given, {"out": like(given["averaged"])},
        lambda a: detail(
            a.averaged, a.framewise, a.weight, known(a), measure=measure, out=a.out, scratch=a.scratch
        ),
        reference,
        scratch=lambda a: detail_scratch(m.size, a.averaged), limit=5e-4,
    )  # fmt: skip


PICTURE_CASES = (
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
    Case("exchange_luma", luma_work, 48.0),
    Case("hdr_from_sdr", hdr_work, 32.0, is_bandwidth_bound=False),
    Case("place_map, a mask at half size", hole_work, 2.0),
    Case("resize area to half", partial(resize_work, method="area", factor=0.5)),
    Case("resize bicubic to double", partial(resize_work, method="bicubic", factor=2.0)),
    Case("detail", partial(detail_work, measure=False), 80.0, smallest_side=SMALLEST_PX),
    Case("detail, measured", partial(detail_work, measure=True), 322.0, smallest_side=SMALLEST_PX),
)
