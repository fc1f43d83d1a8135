"""What one steadied frame costs beside its network: the kernels of a run with `blend`, in their order, as one piece of work."""

from types import SimpleNamespace

import numpy as np

from gpu_phases.case import F32, Case, Material, Work
from gpu_phases.table import STEADYING
from rotoscope.kernels.blend import blend
from rotoscope.kernels.color_in import color_in
from rotoscope.kernels.color_out import color_out
from rotoscope.kernels.detail import SMALLEST_PX, Energies, detail, detail_scratch
from rotoscope.kernels.interleave import interleave
from rotoscope.kernels.resize_flow import resize_flow
from rotoscope.kernels.resize_grey import resize_grey
from rotoscope.kernels.still_flows import still_flows, still_scratch
from rotoscope.kernels.sums import sums, sums_scratch
from rotoscope.kernels.trust import trust
from rotoscope.runtime.motion.inverse_search import Workspace, flow_both_ways, grey_pyramid

SEARCH = "dense inverse search, half size, both ways"


def half(m: Material) -> tuple[int, int]:
    return max(1, m.size[0] // 2), max(1, m.size[1] // 2)


def steadying_work(m: Material) -> Work:
    """Colour in, the network's output, luma and agreement at half size, blend, detail without measuring, NV12 out."""
    small, size = Material(*half(m), wild=False), m.size
    luma, chroma = m.codes()
    given = {"luma": luma, "chroma": chroma, "network": m.planar(), "past": m.picture(), "small_past": small.plane(255)}
    given |= {"there": small.flow(), "back": small.flow(), "energies": np.ones((4, 4), F32), "aim": np.ones(4, F32)}
    out = {"out": np.zeros(luma.shape, np.uint8), "out_chroma": np.zeros(chroma.shape, np.uint8)}

    def scratch(a: SimpleNamespace) -> SimpleNamespace:
        def empty(*shape: int) -> object:
            return np.zeros_like(a.past, shape=shape)

        return SimpleNamespace(
            given=empty(3, *size), small=empty(*small.size), to=empty(*small.size, 2), fro=empty(*small.size, 2),
            sure=empty(*small.size), difference=empty(*small.size), pair=(empty(*small.size), empty(*small.size)),
            still=still_scratch(small.size, a.past), partial=sums_scratch(2, a.past), numbers=empty(2),
            flow=empty(*size, 2), trusted=empty(*size), picture=empty(*size, 4), blended=empty(*size, 4),
            detail=detail_scratch(size, a.past), counter=np.zeros_like(a.past, shape=(1,), dtype=np.uint32),
        )  # fmt: skip

    def run(a: SimpleNamespace) -> None:
        s = a.scratch
        color_in((a.luma, a.chroma), s.given)
        interleave(a.network, s.picture, counter=s.counter)
        resize_grey(a.luma, small.size, method="area", out=s.small)
        still_flows(s.small, a.small_past, a.there, a.back, out_ab=s.to, out_ba=s.fro, scratch=s.still)
        trust(s.small, a.small_past, s.to, s.fro, out=s.sure, difference=s.difference, scratch=s.pair)
        sums([s.difference, s.sure], out=s.numbers, scratch=s.partial)
        resize_flow(s.to, size, out=s.flow)
        resize_grey(s.sure, size, out=s.trusted)
        blend(s.picture, a.past, s.flow, strength=0.7, confidence=s.trusted, sampling="cubic", out=s.blended)
        known = Energies(a.energies, a.aim)
        detail(s.blended, s.picture, s.trusted, known, measure=False, out=s.blended, scratch=s.detail)
        color_out(s.blended, (a.out, a.out_chroma))

    return Work(given, out, run, lambda _arrays: {}, scratch)


def search_work(m: Material) -> Work:
    """Pyramids of both pictures, and the search: what a frame adds, and the pyramid that it could keep."""
    first, second = Material(*half(m), wild=False).luma()

    def run(a: SimpleNamespace) -> None:
        flow_both_ways(grey_pyramid(a.first, a.scratch[0]), grey_pyramid(a.second, a.scratch[1]), a.scratch[2])

    def scratch(a: SimpleNamespace) -> tuple:
        return (
            grey_pyramid(a.first)[1:],
            grey_pyramid(a.second)[1:],
            Workspace(a.first.shape[0], a.first.shape[1], a.first),
        )

    return Work({"first": first, "second": second}, {}, run, lambda _arrays: {}, scratch)


FRAME_CASES = (
    Case(STEADYING, steadying_work, is_bandwidth_bound=False, smallest_side=SMALLEST_PX),
    Case(SEARCH, search_work, is_bandwidth_bound=False),
)
