"""Y'CbCr arithmetic shared by colour in and colour out: matrices, ranges, chroma siting.

A code value c of b bits stands for the luma (c - 16*2^(b-8)) / (219*2^(b-8)) in limited range and c / (2^b - 1) in full
range; chroma is (c - 2^(b-1)) / (224*2^(b-8)) or / (2^b - 1) (ITU-R BT.601-7, BT.709-6, BT.2020-2; JFIF for full range).

Chroma siting is the position of the first chroma sample in luma pixels, (x, y): (0, 0.5) for MPEG-2 and later ("left"),
(0.5, 0.5) for JPEG and MPEG-1 ("centre"), (0, 0) for "top left". Mirroring a picture of even width turns x = 0 into 1.
"""

# Luma coefficients (Kr, Kb); green is the rest.
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
    """(scale, offset) so that code value = luma * scale + offset, luma in [0,1]."""
    if full_range:
        return float(2**depth - 1), 0.0
    unit = 2.0 ** (depth - 8)
    return 219 * unit, 16 * unit


def chroma_coding(depth: int, full_range: bool) -> tuple[float, float]:
    """(scale, offset) so that code value = chroma * scale + offset, chroma in [-0.5,0.5]."""
    middle = 2.0 ** (depth - 1)
    return (float(2**depth - 1) if full_range else 224 * 2.0 ** (depth - 8)), middle


def rgb_from_ycc(matrix: str) -> tuple[float, float, float, float]:
    """(r_cr, g_cb, g_cr, b_cb): R = Y + r_cr*Cr, G = Y + g_cb*Cb + g_cr*Cr, B = Y + b_cb*Cb."""
    kr, kb = LUMA_COEFFICIENTS[matrix]
    kg = 1 - kr - kb
    return 2 * (1 - kr), -2 * (1 - kb) * kb / kg, -2 * (1 - kr) * kr / kg, 2 * (1 - kb)


def subsampling(luma_shape: tuple[int, ...], chroma_shape: tuple[int, ...]) -> tuple[int, int]:
    """(x, y) in {1, 2}: luma pixels per chroma sample, read off (H, W) and the chroma plane's (h, w)."""
    (height, width), (rows, columns) = luma_shape[:2], chroma_shape[:2]
    for x in (1, 2):
        for y in (1, 2):
            if (rows, columns) == (-(-height // y), -(-width // x)):
                return x, y
    raise ValueError(f"chroma plane of {columns}x{rows} does not belong to a luma plane of {width}x{height}")
