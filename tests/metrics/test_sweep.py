"""Sweeps: which options each translation gets, and what a row holds; translation and measuring are replaced."""

import cv2
import numpy as np
import pytest
from tiny_clips import pattern

from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.metrics.curves import Curves
from rotoscope.metrics.evaluation import Evaluation
from rotoscope.metrics.pareto import recommended
from rotoscope.metrics.sweep import sweep

GRID = [{"strength": 0.25}, {"strength": 1.0}]


def evaluation(warping_error, **distances):
    """An evaluation of two frames with a given E_warp."""
    found = Evaluation(Curves(with_patches=False), Curves(with_patches=False), visible=[1.0])
    for curves in (found.result, found.reference):
        curves.warping_error, curves.temporal_loss = [warping_error], [0.0]
        curves.energy = [np.ones(4), np.ones(4)]
    found.psnr, found.ssim = [20.0, 20.0], [0.75, 0.75]
    found.video_distances = distances
    return found


def run(evaluations, **keywords):
    """(rows, options of each translation)."""
    calls = []
    results = iter(evaluations)
    rows = sweep(
        "clip.mp4", GRID, translate=lambda _source, _target, options: calls.append(options),
        evaluate=lambda *_: next(results), **keywords,
    )  # fmt: skip
    return list(rows), calls


def test_the_first_translation_is_frame_by_frame_and_each_setting_follows():
    part = {"start": 1.0, "duration": 2.0, "rate": 10.0}
    fixed = {"steady": "hypercon", "keyframes": 4, "working_size": "90p"}
    rows, calls = run([evaluation(0.1), evaluation(0.2)], fixed=fixed, **part)
    assert calls[0] == {**part, "steady": "off", "keyframes": 1, "working_size": "90p"}
    assert calls[1:] == [{**part, **fixed, **options} for options in GRID]
    assert [row.options for row in rows] == GRID
    assert [tuple(row.setting) for row in rows] == [("0.25", 0.25, 0.1), ("1.0", 0.25, 0.2)]
    assert [row.distance_name for row in rows] == ["1 - SSIM"] * 2


def test_fid_is_the_distance_before_ssim():
    rows, _ = run([evaluation(0.1, FID=3.0), evaluation(0.2, FID=2.0)])
    assert [(row.distance_name, row.setting.distance) for row in rows] == [("FID", 3.0), ("FID", 2.0)]


def test_a_setting_whose_distance_or_error_is_nan_is_not_recommended():
    rows, _ = run([evaluation(0.1, FID=np.nan), evaluation(0.2, FID=2.0)])
    assert recommended([row.setting for row in rows]) == rows[1].setting
    rows, _ = run([evaluation(np.nan), evaluation(0.2)])
    assert recommended([row.setting for row in rows]) == rows[1].setting


@pytest.mark.parametrize("name", ["start", "duration", "rate", "codec", "overwrite", "compare"])
def test_options_that_a_sweep_sets_itself_are_refused(name):
    with pytest.raises(UsageError, match=f"{name}: set by the sweep itself"):
        run([], fixed={name: 1})


def test_a_response_needs_25_frames_from_the_start_on(tmp_path):
    for index in range(26):
        cv2.imwrite(str(tmp_path / f"{index}.png"), pattern(index))
    with pytest.raises(InputRefused, match="24 frames; accepted with --response: at least 25"):
        list(sweep(str(tmp_path), GRID, translate=lambda *_: None, evaluate=lambda *_: None, response=True, start=0.08))
