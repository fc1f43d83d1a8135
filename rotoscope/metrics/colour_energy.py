"""Colour energy by octave: whether strokes of different colours are still apart, or have been mixed to a mean colour.

The mean of pictures whose strokes lie at different places has duller colours. `gradient_energy` does not show it where contrast
of grey was given back in their place.
"""

import numpy as np
from numpy.typing import NDArray

from rotoscope.metrics.gradient_energy import gradient_energy
from rotoscope.metrics.rgb_array import RGB, unit_range


def colour_energy(picture: RGB) -> NDArray[np.float64]:
    """(4,) float64, finest octave first: `gradient_energy` of what each channel differs from the mean of the three.

    picture  (H,W,3) RGB, uint8 or float in [0,1]; both sides at least 16 pixels. 0 for a grey picture. Read it relative to the
             frame-by-frame result, with `relative_energy`.
    """
    level = unit_range(picture)
    difference = level - level.mean(axis=2, keepdims=True)
    return gradient_energy(np.asarray(0.5 + difference / 2, np.float32)) * 4
