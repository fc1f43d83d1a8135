"""Y'CbCr arithmetic of `color_in` and `color_out`: matrices, ranges, chroma siting.

Luma of a code value c of b bits: (c - 16*2^(b-8)) / (219*2^(b-8)) in limited range, c / (2^b - 1) in full range.
Chroma: (c - 2^(b-1)) / (224*2^(b-8)) in limited range, (c - 2^(b-1)) / (2^b - 1) in full range.
Sources: ITU-R BT.601-7, BT.709-6, BT.2020-2; JFIF for full range.

Chroma siting is the position (x, y) of the first chroma sample, in luma pixels: (0, 0.5) is "left", used by MPEG-2 and later;
(0.5, 0.5) is "centre", used by JPEG and MPEG-1; (0, 0) is "top left". Mirroring a picture of even width turns x = 0 into 1.
"""

# Luma coefficients (Kr, Kb); Kg = 1 - Kr - Kb.
LUMA_COEFFICIENTS = {
    "601": (0.299, 0.114),
    "709": (0.2126, 0.0722),
    "2020": (0.2627, 0.0593),
    "fcc": (0.30, 0.11),
    "240m": (0.212, 0.087),
}

LEFT = (0.0, 0.5)
CENTRE = (0.5, 0.5)


def luma_coding(depth: int, full_range: bool) -> tuple[float, float]:
    """Return (scale, offset): code value = luma * scale + offset, luma in [0,1]; depth in bits."""
    if full_range:
        return float(2**depth - 1), 0.0
    unit = 2.0 ** (depth - 8)
    return 219 * unit, 16 * unit


def chroma_coding(depth: int, full_range: bool) -> tuple[float, float]:
    """Return (scale, offset): code value = chroma * scale + offset, chroma in [-0.5,0.5]; depth in bits."""
    middle = 2.0 ** (depth - 1)
    return (float(2**depth - 1) if full_range else 224 * 2.0 ** (depth - 8)), middle


def rgb_from_ycc(matrix: str) -> tuple[float, float, float, float]:
    """Return (r_cr, g_cb, g_cr, b_cb) of a matrix: R = Y + r_cr*Cr, G = Y + g_cb*Cb + g_cr*Cr, B = Y + b_cb*Cb."""
    kr, kb = LUMA_COEFFICIENTS[matrix]
    kg = 1 - kr - kb
    return 2 * (1 - kr), -2 * (1 - kb) * kb / kg, -2 * (1 - kr) * kr / kg, 2 * (1 - kb)


def subsampling(luma_shape: tuple[int, ...], chroma_shape: tuple[int, ...]) -> tuple[int, int]:
    """Return luma pixels per chroma sample, (x, y), each 1 or 2, from luma (H,W) and chroma (h,w); else ValueError."""
    (height, width), (rows, columns) = luma_shape[:2], chroma_shape[:2]
    for x in (1, 2):
        for y in (1, 2):
            if (rows, columns) == (-(-height // y), -(-width // x)):
                return x, y
    raise ValueError(f"chroma plane of {columns}x{rows} does not belong to a luma plane of {width}x{height}")
