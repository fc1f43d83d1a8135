"""DIS flow: direction, units, working scale, small pictures, threads."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from rotoscope.runtime.motion.dis import DisFlow


def texture(width, height, seed=0):
    """Smooth random brightness, (H,W) uint8."""
    noise = np.random.default_rng(seed).standard_normal((height, width)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    return np.uint8(np.clip(128 + 400 * smooth, 0, 255))


def shifted_pair(width, height, dx, dy, seed=0):
    """Two pictures; what the first shows at p is at p + (dx, dy) in the second."""
    canvas = texture(width + 32, height + 32, seed)
    return canvas[16 : 16 + height, 16 : 16 + width], canvas[16 - dy : 16 - dy + height, 16 - dx : 16 - dx + width]


@pytest.mark.parametrize("preset", ["ultrafast", "fast", "balanced", "medium"])
@pytest.mark.parametrize("scale", [1.0, 0.5, 0.25])
def test_a_shift_is_found_with_its_sign_and_in_full_size_pixels(preset, scale):
    a, b = shifted_pair(192, 128, dx=5, dy=-3)
    flow = DisFlow(preset, scale)(a, b)
    assert flow.shape == (128, 192, 2) and flow.dtype == np.float32
    assert np.abs(np.median(flow[16:-16, 16:-16], axis=(0, 1)) - (5, -3)).max() < 0.3


def test_colour_is_judged_by_its_luma():
    a, b = shifted_pair(128, 96, dx=2, dy=1)
    estimate = DisFlow()
    assert np.array_equal(estimate(a, b), estimate(*(cv2.cvtColor(x, cv2.COLOR_GRAY2RGB) for x in (a, b))))


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 16), (17, 13), (640, 9)])
def test_small_and_narrow_pictures_have_a_flow_too(size):
    a, b = texture(*size), texture(*size, seed=1)
    flow = DisFlow("fast", 0.25)(a, b)
    assert flow.shape == (size[1], size[0], 2) and np.isfinite(flow).all()


def test_several_threads_may_ask_at_once():
    pairs = [shifted_pair(160, 96, dx=k, dy=k - 2, seed=k) for k in range(6)]
    estimate = DisFlow("fast", 0.5)
    alone = [estimate(a, b) for a, b in pairs]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda pair: estimate(*pair), pairs))
    assert all(np.array_equal(x, y) for x, y in zip(alone, together, strict=True))


def test_what_was_seen_before_changes_nothing():
    first, second = shifted_pair(320, 180, dx=4, dy=0), shifted_pair(320, 180, dx=-3, dy=2, seed=1)
    estimate = DisFlow("medium", 1.0)
    fresh = estimate(*first)
    estimate(*second)
    assert np.array_equal(estimate(*first), fresh)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="preset='slow'; accepted: ultrafast, fast, balanced, medium"):
        DisFlow("slow")
    with pytest.raises(ValueError, match="scale=0; accepted: above 0, at most 1"):
        DisFlow(scale=0)
    with pytest.raises(ValueError, match="two of one shape"):
        DisFlow()(texture(64, 64), texture(64, 65))
