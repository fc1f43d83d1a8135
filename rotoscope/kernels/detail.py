"""Detail: give a picture that was averaged over time the fine detail back that averaging removed, octave by octave.

The average of pictures whose details differ has less of them than any one of the pictures, and looks blurred. Sharpening by a
fixed amount overshoots in one octave and misses the next. Here each octave (a band of a Laplacian pyramid) is raised to the
energy that the frame-wise pictures have, as far as history was used. Only the mean of the three channels is raised, until the
energy of all three is reached: a third of the work, and where colours have averaged out, contrast replaces them. The energies
and the gains stay where the arrays are; the host reads nothing.

Thirteen CUDA kernels; for each pixel they move 80 bytes, and 242 more on frames that are measured.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, check, flat, on_cuda, output
from rotoscope.kernels.launch import Launch, pixel_grid, run_kernel
from rotoscope.kernels.pyramid import (
    add_doubled,
    add_to_channels,
    band_energy,
    doubled_reference,
    down_reference,
    energy_reference,
    level_sizes,
    mean_of_channels,
    pyramid_down,
    weighted_energies,
)
from rotoscope.kernels.rows import run_rows
from rotoscope.kernels.sums import fold, partial_blocks, sums_scratch

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

OCTAVES = 4
SMALLEST_PX = 2**OCTAVES  # side of the smallest picture that has all OCTAVES
LEAST, MOST = 0.7, 1.8  # gain
AIMS = 0.5, 1.5  # times the frame-wise energy
TINY = 1e-12
MEMORY = 0.7  # weight of the past in the energies, per measurement


class Energies(NamedTuple):
    """State of a scene: float64 on the CPU, float32 on CUDA.

    energies  (4,4): rows plain, once, twice, wanted; one column per octave
    aim       (4,): what each octave aims at, as a multiple of the frame-wise energy
    """

    energies: AnyArray
    aim: AnyArray


class DetailScratch(NamedTuple):
    """Arrays that `detail` overwrites on CUDA; lists go from the finest level to the coarsest."""

    grey: list[AnyArray]  # float32, levels 0 to 4
    weights: list[AnyArray]  # float32, levels 1 to 3
    more: list[AnyArray]  # float32, levels 1 to 3
    factors: AnyArray  # (4,) float32
    colour: list[AnyArray]  # (h,w,4) float32, levels 1 to 4
    colour_bands: list[AnyArray]  # (h,w,4) float32, levels 0 to 3
    bands: list[AnyArray]  # float32, levels 0 to 3
    partials: tuple[AnyArray, ...]  # of 20 sums
    reached: tuple[AnyArray, ...]  # of 4 sums
    sums: AnyArray  # (20,) float32
    energies: AnyArray  # (4,) float32


def first_energies(like: AnyArray) -> Energies:
    """Return the energies with which a scene begins, on the device of `like`."""
    dtype = np.float32 if on_cuda(like) else np.float64
    energies: AnyArray = np.zeros_like(like, shape=(4, OCTAVES), dtype=dtype)
    aim: AnyArray = np.zeros_like(like, shape=(OCTAVES,), dtype=dtype)
    aim[...] = 1
    return Energies(energies, aim)


def detail_scratch(size: tuple[int, int], like: AnyArray) -> DetailScratch:
    """Return the scratch arrays for pictures of `size` (height, width), on the device of `like`, a CuPy array."""
    sizes = level_sizes(size, OCTAVES)

    def planes(levels: Sequence[tuple[int, int]], *channels: int) -> list[AnyArray]:
        return [np.empty_like(like, shape=(*level, *channels), dtype=np.float32) for level in levels]

    few = [np.empty_like(like, shape=(count,), dtype=np.float32) for count in (OCTAVES, 5 * OCTAVES, OCTAVES)]
    return DetailScratch(
        grey=planes(sizes),
        weights=planes(sizes[1:-1]),
        more=planes(sizes[1:-1]),
        factors=few[0],
        colour=planes(sizes[1:], 4),
        colour_bands=planes(sizes[:-1], 4),
        bands=planes(sizes[:-1]),
        partials=sums_scratch(5 * OCTAVES, like),
        reached=sums_scratch(OCTAVES, like),
        sums=few[1],
        energies=few[2],
    )


def detail(
    averaged: AnyArray,
    framewise: AnyArray,
    weight: AnyArray,
    known: Energies,
    *,
    measure: bool,
    out: AnyArray | None = None,
    scratch: DetailScratch | None = None,
) -> AnyArray:
    """Return `out`: the averaged picture with the detail of the frame-wise one.

    averaged, framewise  (H,W,4) float32 RGB in [0,1] and 0; both sides at least 16 pixels
    weight               (H,W) float32 in [0,1]: where history was used
    known                of `first_energies`; read, and updated in place if `measure`
    measure              measure the energies of this frame
    out                  (H,W,4) float32, may be averaged; a new array if None
    scratch              of `detail_scratch`; allocated if None; not used on the CPU

    Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    version = detail_cuda if on_cuda(averaged, framewise, weight, *known, out) else detail_cpu
    if averaged.ndim != 3 or min(averaged.shape[:2]) < SMALLEST_PX:
        raise ValueError(f"averaged: {averaged.shape}; accepted: (H,W,4), both sides at least {SMALLEST_PX}")
    check(averaged, (*averaged.shape[:2], 4), ("float32",), "averaged")
    check(framewise, averaged.shape, ("float32",), "framewise")
    check(weight, averaged.shape[:2], ("float32",), "weight")
    out = output(out, averaged.shape, "float32", averaged)
    version(averaged, framewise, weight, known, measure, out, scratch)
    return out


def gains(plain: F64, once: F64, twice: F64, wanted: F64) -> F64:
    """Return the gain g of each octave for which plain + 2 (g - 1) once + (g - 1)^2 twice = wanted, from 0.7 to 1.8.

    plain, wanted  energies of all three channels, as they are and as they should be
    once, twice    three times the energy of their mean, weighted by the weight and by its square
    """
    root = np.sqrt(np.maximum(once * once + twice * (wanted - plain), 0))
    return 1 + np.clip((root - once) / np.maximum(twice, TINY), LEAST - 1, MOST - 1)


def next_aim(aim: F64, plain: F64, wanted: F64, grey: F64, reached: F64) -> F64:
    """Return what the octaves aim at after gains that changed the energy of the mean of the channels from grey to reached.

    Octaves overlap: a gain in one raises the next, which then aims lower. One plane is added to three channels, so only the
    energy of their mean changes.
    """
    energy = plain + 3 * (reached - grey)
    return np.clip(aim * np.sqrt(np.clip(wanted / np.maximum(energy, TINY), 0.5, 2)), *AIMS)


def detail_reference(
    averaged: F32, framewise: F32, weight: F32, energies: F64, aim: F64, measure: bool
) -> tuple[F64, F64, F64]:
    """`detail` in float64 with NumPy; return (picture, energies, aim)."""

    def bands_of(picture: F64) -> list[F64]:
        bands = []
        for _ in range(OCTAVES):
            coarser = down_reference(picture)
            bands.append(picture - doubled_reference(coarser, picture.shape))
            picture = coarser
        return bands

    picture = averaged.astype(np.float64)
    grey = picture[..., :3].mean(2, keepdims=True)
    bands, weights = bands_of(grey), [weight.astype(np.float64)]
    for _ in range(OCTAVES - 1):
        weights.append(down_reference(weights[-1][..., None])[..., 0])
    plain, wanted, plain_grey, once, twice = np.zeros((5, OCTAVES))
    if measure:
        plain, wanted, plain_grey = (
            np.array([energy_reference(band) for band in given])
            for given in (bands_of(picture), bands_of(framewise.astype(np.float64)), bands)
        )
        once, twice = (
            np.array([energy_reference(band, share, power) for band, share in zip(bands, weights, strict=True)])
            for power in (1, 2)
        )
        energies = MEMORY * energies + (1 - MEMORY) * np.stack([plain, 3 * once, 3 * twice, wanted])
    factors = gains(energies[0], energies[1], energies[2], aim * energies[3]) - 1
    more = np.zeros((1, 1, 1))
    for band, share, factor in reversed(list(zip(bands, weights, factors, strict=True))):
        more = band * share[..., None] * factor + doubled_reference(more, band.shape)
    if measure:
        reached = np.array([energy_reference(band) for band in bands_of(grey + more)])
        aim = next_aim(aim, plain, wanted, plain_grey, reached)
    picture[..., :3] += more
    return picture, energies, aim


def detail_cpu(
    averaged: AnyArray,
    framewise: AnyArray,
    weight: AnyArray,
    known: Energies,
    measure: bool,
    out: AnyArray,
    _scratch: DetailScratch | None,
) -> None:
    """`detail` on NumPy arrays."""
    height, width = weight.shape
    sizes = level_sizes((height, width), OCTAVES)
    grey = np.empty(height * width, np.float32)
    run_rows(mean_of_channels, height, flat(averaged), width, grey)
    bands, weights = list(_bands_cpu(grey, sizes)), [flat(weight)]
    for size in sizes[:-2]:
        weights.append(_down_cpu(weights[-1], size))
    plain, wanted, before = np.zeros((3, OCTAVES))
    if measure:
        plain, wanted = (_energies_cpu(flat(given), sizes, 4) for given in (averaged, framewise))
        before = _energies_cpu(grey, sizes)
        once, twice = np.transpose(
            [
                np.sum(run_rows(weighted_energies, size[0], band, share, size), axis=0)
                for band, share, size in zip(bands, weights, sizes, strict=False)
            ]
        )
        known.energies[...] *= MEMORY
        known.energies[...] += (1 - MEMORY) * np.stack([plain, 3 * once, 3 * twice, wanted])
    now = known.energies
    factors = gains(now[0], now[1], now[2], known.aim * now[3]) - 1
    for band, share, factor in zip(bands, weights, factors, strict=True):
        np.multiply(band, share, out=band)
        np.multiply(band, np.float32(factor), out=band)
    for k in range(OCTAVES - 2, -1, -1):
        run_rows(add_doubled, sizes[k][0], bands[k], bands[k + 1], sizes[k], 1, np.float32(1), bands[k])
    more = bands[0]
    if measure:
        reached = _energies_cpu(grey + more, sizes)
        known.aim[...] = next_aim(known.aim, plain, wanted, before, reached)
    run_rows(add_to_channels, height, flat(averaged), more, width, flat(out))


def _down_cpu(level: F32, size: tuple[int, int], channels: int = 1) -> F32:
    """Return the next level of a flat level (H*W*C,) of `size` (H, W), flat."""
    height, width = -(-size[0] // 2), -(-size[1] // 2)
    out = np.empty(height * width * channels, np.float32)
    run_rows(pyramid_down, height, level, size, channels, out)
    return out


def _bands_cpu(level: F32, sizes: list[tuple[int, int]], channels: int = 1) -> Iterator[F32]:
    """Yield the octaves of a flat level, flat, finest first."""
    for size in sizes[:-1]:
        coarser, band = _down_cpu(level, size, channels), np.empty_like(level)
        run_rows(add_doubled, size[0], level, coarser, size, channels, np.float32(-1), band)
        level = coarser
        yield band


def _energies_cpu(level: F32, sizes: list[tuple[int, int]], channels: int = 1) -> F64:
    """Return the energy of each octave of a flat level; one octave is in memory at a time."""
    bands = zip(_bands_cpu(level, sizes, channels), sizes, strict=False)
    return np.array([sum(run_rows(band_energy, size[0], band, size, channels)) for band, size in bands])


def detail_cuda(
    averaged: AnyArray,
    framewise: AnyArray,
    weight: AnyArray,
    known: Energies,
    measure: bool,
    out: AnyArray,
    scratch: DetailScratch | None,
) -> None:
    """`detail` on CuPy arrays."""
    t = detail_scratch(averaged.shape[:2], averaged) if scratch is None else scratch
    run_kernel("detail", "grey_of", _over(t.grey[0]), averaged, *_size(t.grey[0]), t.grey[0])
    _down_cuda("float", t.grey)
    weights = [weight, *t.weights]
    _down_cuda("float", weights)
    if measure:
        for picture, row in ((averaged, 0), (framewise, 1)):
            levels = [picture, *t.colour]
            _down_cuda("float4", levels)
            _energies_cuda("float4", levels, t.colour_bands, None, [t.partials[0][5 * k + row] for k in range(OCTAVES)])
        _energies_cuda(
            "float", t.grey, t.bands, weights, [t.partials[0][5 * k + 2 : 5 * k + 5] for k in range(OCTAVES)]
        )
        fold(t.partials, t.sums)
    octaves = (1, 1, 1), (OCTAVES, 1, 1)
    limits = np.float32(1 - MEMORY if measure else 0), np.float32(LEAST - 1), np.float32(MOST - 1)
    run_kernel("detail", "octave_gains", octaves, t.sums, *limits, known.aim, known.energies, t.factors)
    more: AnyArray | None = None
    for k in range(OCTAVES - 1, 0, -1):
        level, coarser = t.grey[k], t.grey[k + 1]
        sizes = *_size(level), *_size(coarser)
        source = level, coarser, weights[k], t.factors, np.int32(k), more
        run_kernel("detail", "collapse", _over(level), *source, *sizes, t.more[k - 1])
        more = t.more[k - 1]
    sizes = *_size(t.grey[0]), *_size(t.grey[1])
    finest = averaged, t.grey[0], t.grey[1], weight, t.factors, more
    raised = t.bands[0] if measure else None
    run_kernel("detail", "collapse_onto", _over(t.grey[0]), *finest, *sizes, raised, out)
    if measure:
        _aim_cuda(t, known)


def _aim_cuda(t: DetailScratch, known: Energies) -> None:
    """Measure what the gains reached, on the grey picture with them in t.bands[0], and aim at more or less."""
    levels = [t.bands[0], *t.grey[1:]]
    _down_cuda("float", levels)
    _energies_cuda("float", levels, [t.grey[0], *t.bands[1:]], None, [t.reached[0][k] for k in range(OCTAVES)])
    fold(t.reached, t.energies)
    limits = np.float32(AIMS[0]), np.float32(AIMS[1])
    run_kernel("detail", "octave_aims", ((1, 1, 1), (OCTAVES, 1, 1)), t.sums, t.energies, *limits, known.aim)


def _size(level: AnyArray) -> tuple[Any, Any]:
    return np.int32(level.shape[0]), np.int32(level.shape[1])


def _over(level: AnyArray) -> Launch:
    return pixel_grid(level.shape[0], level.shape[1])


def _down_cuda(kind: str, levels: list[AnyArray]) -> None:
    """Fill each level from the one before it."""
    for level, coarser in pairwise(levels):
        run_kernel("detail", f"pyramid_down<{kind}>", _over(coarser), level, *_size(level), *_size(coarser), coarser)


def _energies_cuda(
    kind: str, levels: list[AnyArray], bands: list[AnyArray], weights: list[AnyArray] | None, partials: list[AnyArray]
) -> None:
    """Write the bands of a pyramid and the partial sums of their energies."""
    for k, (level, coarser) in enumerate(pairwise(levels)):
        run_kernel("detail", f"band_of<{kind}>", _over(level), level, coarser, *_size(level), *_size(coarser), bands[k])
        weight = weights[k] if weights else None
        run_kernel("detail", f"band_energy<{kind}>", partial_blocks(1), bands[k], weight, *_size(level), partials[k])
