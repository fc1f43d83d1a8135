"""HDR (PQ, HLG) shown to a network as SDR: pictures; the curve is in `kernels.hdr`."""

import numpy as np

from rotoscope.base.frame import Colour, Picture
from rotoscope.kernels.float_picture import float_picture
from rotoscope.kernels.hdr import sdr_from_hdr

SDR = Colour("709", primaries=1, transfer=1)
NOTES = {
    None: "HDR; code values are used as they are, without tone mapping",
    "tonemap": "HDR becomes SDR",
    "keep": "HDR is shown to the network as SDR and given back",
}  # what --hdr does with a source


def sdr_picture(picture: Picture) -> Picture:
    """A picture of PQ or HLG, on the host, as RGB of 16 bits for a network; its alpha stays."""
    rgb = sdr_from_hdr(float_picture(picture)[..., :3], picture.colour.transfer)
    colour = Colour("709", full_range=True, primaries=SDR.primaries, transfer=SDR.transfer)
    alpha = picture.alpha
    if alpha is not None:
        alpha = np.rint(alpha / np.float32((1 << picture.depth) - 1) * 65535).astype(np.uint16)
    return Picture((np.rint(rgb * 65535).astype(np.uint16),), colour, 16, alpha=alpha)
