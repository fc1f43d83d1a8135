"""Maps of numbers and masks in a network's input: every device against the reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_devices import quick, seeds

from rotoscope.kernels.place_map import place_map, place_map_reference

sides = st.integers(1, 9)
TYPES = [("uint8", "int32"), ("uint16", "float32"), ("int32", "int32"), ("bool", "bool"), ("uint8", "float16")]


@pytest.mark.parametrize("is_mask", [False, True])
def test_agrees_with_the_reference(device, is_mask):
    @quick(device)
    @given(size=st.tuples(sides, sides), content=st.tuples(sides, sides), pad=st.tuples(*[st.integers(0, 3)] * 2),
           types=st.sampled_from(TYPES), enlarges=st.booleans(), seed=seeds)  # fmt: skip
    def check(size, content, pad, types, enlarges, seed):
        rng = np.random.default_rng(seed)
        left, top = (int(rng.integers(0, side)) for side in size[::-1])
        width, height = (int(rng.integers(1, side - at + 1)) for side, at in zip(size[::-1], (left, top), strict=True))
        factor = int(rng.integers(1, 4))
        # Both axes shrink or both grow, as pictures are scaled; OpenCV's area filter is another one where they differ.
        content = (width * factor, height * factor) if enlarges else (min(content[0], width), min(content[1], height))
        given_, made = types if not is_mask else ("bool", {"int32": "uint8"}.get(types[1], types[1]))
        if not is_mask and made not in ("int32", "float32"):
            given_, made = "uint8", "float32"
        plane = (rng.random(size) < 0.3 if given_ == "bool" else rng.integers(0, 200, size)).astype(given_)
        shape = (content[1] + pad[1], content[0] + pad[0])
        hole = (0.0, 1.0) if is_mask else None
        out = device.put(np.full((*shape, 2), 7, made))  # as in NHWC: pixels lie apart
        place_map(device.put(plane), out[..., 0], crop=(left, top, width, height), content=content, hole=hole)
        found = device.get(out)
        expected = place_map_reference(plane, shape, (left, top, width, height), content, hole)
        np.testing.assert_array_equal(found[..., 0].astype(float), expected)
        assert (found[..., 1] == np.full((), 7, made)).all()

    check()


def test_refuses_what_it_cannot_place():
    ids, out = np.zeros((4, 6), np.uint8), np.zeros((4, 6), np.int32)
    with pytest.raises(ValueError, match="accepted: a part of it"):
        place_map(ids, out, crop=(1, 0, 6, 4), content=(6, 4))
    with pytest.raises(ValueError, match="accepted: at most its size"):
        place_map(ids, out, crop=(0, 0, 6, 4), content=(7, 4))
    with pytest.raises(ValueError, match="plane: float32"):
        place_map(ids.astype(np.float32), out, crop=(0, 0, 6, 4), content=(6, 4))
    with pytest.raises(ValueError, match="out: float64"):
        place_map(ids, out.astype(float), crop=(0, 0, 6, 4), content=(6, 4))
