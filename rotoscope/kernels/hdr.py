"""HDR (PQ, HLG) shown to a network as SDR, and its results given back as HDR, by one curve that can be inverted.

    PQ or HLG values -> light in cd/m2 -> primaries of 2020 to 709 -> curve, channel by channel -> gamma 1/2.4

The curve is Reinhard's with a white point, y = x (1 + x / w^2) / (1 + x), x in units of reference white (203 cd/m2, ITU-R
BT.2408) and w = PEAK in the same units, so that 0..PEAK becomes 0..1. Light above PEAK and colours outside of 709 are clipped.
Sources: ITU-R BT.2100 (PQ, HLG), BT.2087 (2020 to 709), Reinhard et al. 2002, equation 4.
The CUDA kernel moves 32 bytes per pixel.
"""

import numpy as np

from rotoscope.kernels.arrays import AnyArray, check, on_cuda, output
from rotoscope.kernels.launch import run_kernel
from rotoscope.kernels.weighted_sum import line_blocks

PQ, HLG = 16, 18  # transfers of ITU-T H.273
REFERENCE, PEAK = 203.0, 1000.0  # cd/m2
_GAMMA, _OOTF = 2.4, 1.2
_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073
_TO_709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32)
_TO_2020 = np.linalg.inv(_TO_709).astype(np.float32)
_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)  # of 2020


def sdr_from_hdr(rgb: AnyArray, transfer: int) -> AnyArray:
    """(H,W,3) float32 of PQ or HLG and primaries of 2020, as the same of SDR in [0,1]."""
    light = _pq_light(rgb) if transfer == PQ else _hlg_light(rgb)
    x = np.clip(light @ _TO_709.T, 0, PEAK) / np.float32(REFERENCE)
    white = np.float32((PEAK / REFERENCE) ** 2)
    return np.asarray((x * (1 + x / white) / (1 + x)) ** np.float32(1 / _GAMMA), np.float32)


def hdr_from_sdr(picture: AnyArray, transfer: int, *, out: AnyArray | None = None) -> AnyArray:
    """Return `out`: the inverse of `sdr_from_hdr`.

    picture   (H,W,4) float32 RGB of SDR, clipped here to [0,1], C-contiguous
    transfer  PQ or HLG
    out       (H,W,4) float32, may be the picture; a new array if None. Its fourth channel is the picture's

    Device: both arrays NumPy, or both CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    version = hdr_from_sdr_cuda if on_cuda(picture, out) else hdr_from_sdr_cpu
    check(picture, (*picture.shape[:2], 4), ("float32",), "picture")
    if transfer not in (PQ, HLG):
        raise ValueError(f"{transfer=}; accepted: {PQ} (PQ), {HLG} (HLG)")
    out = output(out, picture.shape, "float32", picture)
    version(picture, transfer, out)
    return out


def hdr_from_sdr_reference(rgb: AnyArray, transfer: int) -> AnyArray:
    """`hdr_from_sdr` of (H,W,3) in the precision of its argument, with NumPy."""
    return _hdr(rgb, transfer)


def hdr_from_sdr_cpu(picture: AnyArray, transfer: int, out: AnyArray) -> None:
    """`hdr_from_sdr` on NumPy arrays, with NumPy."""
    out[..., :3], out[..., 3] = np.asarray(_hdr(picture[..., :3], transfer), np.float32), picture[..., 3]


def hdr_from_sdr_cuda(picture: AnyArray, transfer: int, out: AnyArray) -> None:
    """`hdr_from_sdr` on CuPy arrays."""
    size = picture.size // 4
    run_kernel(
        "hdr_from_sdr", "hdr_from_sdr", line_blocks(size), picture, np.bool_(transfer == PQ), np.int32(size), out
    )


def _hdr(rgb: AnyArray, transfer: int) -> AnyArray:
    y = np.clip(rgb, 0, 1) ** np.float32(_GAMMA)
    white = np.float32((PEAK / REFERENCE) ** 2)
    rest = 1 - y
    x = white / 2 * (np.sqrt(rest * rest + 4 * y / white) - rest)
    light = np.clip((x * np.float32(REFERENCE)) @ _TO_2020.T, 0, PEAK)
    return _pq_values(light) if transfer == PQ else _hlg_values(light)


def _pq_light(values: AnyArray) -> AnyArray:
    power = np.clip(values, 0, 1) ** np.float32(1 / _M2)
    return 10000 * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** np.float32(1 / _M1)


def _pq_values(light: AnyArray) -> AnyArray:
    power = (light / 10000) ** np.float32(_M1)
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** np.float32(_M2)


def _hlg_light(values: AnyArray) -> AnyArray:
    """Light of a display of PEAK: the inverse of the camera's curve, then the display's gamma of 1.2 on luminance."""
    values = np.clip(values, 0, 1)
    scene = np.where(values <= 0.5, values * values / 3, (np.exp((values - _C) / _A) + _B) / 12)
    luminance = (scene @ _LUMA)[..., None]
    return PEAK * np.maximum(luminance, 1e-9) ** np.float32(_OOTF - 1) * scene


def _hlg_values(light: AnyArray) -> AnyArray:
    luminance = (light @ _LUMA)[..., None] / PEAK
    scene = light / PEAK * np.maximum(luminance, 1e-9) ** np.float32((1 - _OOTF) / _OOTF)
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), _A * np.log(np.maximum(12 * scene - _B, 1e-9)) + _C)
