"""All measures of videos whose numbers are known."""

import cv2
import numpy as np
import pytest

from rotoscope.base.errors import InputRefused
from rotoscope.metrics.evaluation import evaluate_frames, motion_from_flow
from rotoscope.metrics.matched import MatchedFrame
from rotoscope.metrics.warping_error import PRINTED

SIZE = (40, 48)


def still(_index, current, _following):
    return np.zeros((*SIZE, 2), np.float32), np.ones(SIZE, bool)


def matched(results, references=None):
    source = np.random.default_rng(9).integers(0, 256, (*SIZE, 3), np.uint8)
    references = [None] * len(results) if references is None else references
    return [
        MatchedFrame(index / 25, source, result, reference)
        for index, (result, reference) in enumerate(zip(results, references, strict=True))
    ]


def blinking(step, frames=6):
    """A textured picture whose brightness goes up and down by `step` of 255."""
    texture = np.random.default_rng(1).integers(50, 150, (*SIZE, 3), np.uint8)
    return [texture + np.uint8(step * (index % 2)) for index in range(frames)]


def test_a_brightness_that_alternates_gives_the_known_numbers():
    found = evaluate_frames(matched(blinking(20), blinking(40)), still)
    error = found.summary()["result"]["E_warp"]
    assert repr(found).startswith(f"<Evaluation of {len(found.seconds)} frames: E_warp {error:.3g}, frame by frame ")
    assert len(repr(found)) < 120
    numbers = found.summary()
    assert numbers["result"]["E_warp"] == pytest.approx((20 / 255) ** 2, rel=1e-4)
    assert numbers["result"]["E_warp as printed"] == pytest.approx(PRINTED * (20 / 255) ** 2, rel=1e-4)
    assert numbers["frame by frame"]["E_warp"] == pytest.approx((40 / 255) ** 2, rel=1e-4)
    assert numbers["frame by frame"]["temporal loss"] == pytest.approx(40 / 255, rel=1e-4)
    np.testing.assert_allclose(found.result.flicker(), np.full(SIZE, 20 / 255), rtol=1e-4)
    between = numbers["to frame by frame"]
    for octave in range(1, 5):
        assert between[f"gradient energy, octave {octave}"] == pytest.approx(1, abs=1e-4)
    assert between["PSNR"] == pytest.approx(-20 * np.log10(20 / 255), abs=1e-3)  # equal frames count as the best finite
    assert between["sharpness drift"] == pytest.approx(0, abs=1e-4)


def test_blur_that_grows_shows_in_octaves_and_drift():
    sharp = blinking(0, 8)
    blurred = [cv2.GaussianBlur(picture, (0, 0), 0.3 + 0.1 * index) for index, picture in enumerate(sharp)]
    between = evaluate_frames(matched(blurred, sharp), still).summary()["to frame by frame"]
    assert between["gradient energy, octave 1"] < between["gradient energy, octave 3"] < 1
    assert between["sharpness drift"] < -0.2


def test_pixels_that_are_not_visible_do_not_count():
    frames = blinking(0)
    frames[3] = frames[3].copy()
    frames[3][:, 24:] += 100

    def half_visible(*_):
        flow, valid = still(*_)
        valid[:, 24:] = False
        return flow, valid

    assert evaluate_frames(matched(frames), half_visible).summary()["result"]["E_warp"] == 0
    found = evaluate_frames(matched(frames), still)
    assert found.summary()["result"]["E_warp"] > 0.01
    assert [frame.seconds for frame in found.worst] == [1 / 25, 2 / 25, 3 / 25]
    assert np.isnan(evaluate_frames(matched(frames), half_visible).result.flicker()[:, 24:]).all()


def test_flow_is_estimated_on_the_source_both_ways():
    asked = []

    def flow(a, b):
        asked.append((int(a[0, 0, 0]), int(b[0, 0, 0])))
        return np.zeros((*SIZE, 2), np.float32)

    sources = [np.full((*SIZE, 3), value, np.uint8) for value in (1, 2, 3)]
    noise = blinking(5, 3)
    evaluate_frames(
        [MatchedFrame(0, source, result, None) for source, result in zip(sources, noise, strict=True)],
        motion_from_flow(flow),
    )
    assert asked == [(1, 2), (2, 1), (2, 3), (3, 2)]


def test_curves_hold_one_value_for_each_frame_and_pair():
    distances = iter(range(10))
    found = evaluate_frames(
        matched(blinking(20), blinking(40)), still, distance=lambda *_: float(next(distances)), column_px=7
    )
    curves = found.curves()
    assert len(curves["result"]["warping_error"]) == len(curves["visible"]) == 5
    assert len(curves["frame by frame"]["gradient_energy"]) == 6
    assert len(curves["result"]["lattice"]) == 6
    assert curves["to frame by frame"]["lpips"] == [0, 1, 2, 3, 4, 5]
    assert found.summary()["to frame by frame"]["LPIPS"] == 2.5
    np.testing.assert_array_equal(found.result.columns[1], blinking(20)[1][:, 7])
    assert "best_psnr" not in curves["result"]


def test_with_patches_patch_consistency_is_measured():
    large = [np.random.default_rng(2).integers(0, 256, (56, 60, 3), np.uint8)] * 2
    pair = [MatchedFrame(index, picture, picture, None) for index, picture in enumerate(large)]
    zero = np.zeros((56, 60, 2), np.float32), np.ones((56, 60), bool)
    assert evaluate_frames(pair, lambda *_: zero, with_patches=True).summary()["result"]["C_SSIM"] == pytest.approx(1)


def test_a_pattern_that_stands_still_shows_as_a_lattice():
    plain = np.random.default_rng(3).integers(60, 70, (96, 96, 3), np.uint8)
    printed = plain.copy()
    printed[::4, ::4] += 60
    flow = np.zeros((96, 96, 2), np.float32), np.ones((96, 96), bool)
    frames = [MatchedFrame(index, plain, printed, plain) for index in range(2)]
    numbers = evaluate_frames(frames, lambda *_: flow).summary()
    assert numbers["result"]["E_warp"] == 0
    for name in ("lattice", "lattice in tiles"):
        assert numbers["result"][name] > 0.3
        assert numbers["frame by frame"][name] < 0.02  # chance: 9 * 9 / 94 / 94


def test_one_frame_and_columns_outside_are_refused():
    with pytest.raises(InputRefused, match="fewer than two frames"):
        evaluate_frames(matched(blinking(1, 1)), still)
    with pytest.raises(InputRefused, match=r"column 48 of a picture 48 pixels wide; accepted: 0\.\.47"):
        evaluate_frames(matched(blinking(1)), still, column_px=48)


def test_the_worst_frames_are_those_where_frame_by_frame_flickers_most():
    late, early = blinking(0), blinking(0)
    late[4], early[2] = late[4] + np.uint8(50), early[2] + np.uint8(50)
    assert evaluate_frames(matched(early), still).worst[-1].seconds == 2 / 25
    assert evaluate_frames(matched(early, late), still).worst[-1].seconds == 4 / 25
