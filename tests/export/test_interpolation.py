"""Super SloMo as a model file, where HyperCon inserts frames."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from catalogue import named

from rotoscope.base.frame import Frame, Motion, Picture
from rotoscope.base.stage import run_stage
from rotoscope.base.times import StageTimes
from rotoscope.runtime.engines.onnxruntime import OnnxRuntimeEngine
from rotoscope.runtime.models.model_file import open_model
from rotoscope.runtime.network.pair import InterpolationModel
from rotoscope.runtime.steady.insert import InsertFrames

SIZE = (70, 40)  # width, height; padded to 96x64


@pytest.mark.full  # an export of a minute; test_pair.py and test_hypercon.py have interpolators of a few nodes
def test_super_slomo_makes_the_frames_that_hypercon_inserts(exported):
    """With random weights: what is inserted is what torch makes of the padded pictures, at each of three times."""
    path, _, loaded = exported(named("Super SloMo"))
    network = InterpolationModel(open_model(path), OnnxRuntimeEngine(path))
    chance = np.random.default_rng(0)
    pictures = [chance.integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8) for _ in range(2)]
    frames = [Frame(t, 4 * t, Fraction(1, 100), 4, Picture((picture,))) for t, picture in enumerate(pictures)]
    nowhere, surely = np.zeros((SIZE[1], SIZE[0], 2), np.float32), np.ones((SIZE[1], SIZE[0]), np.float32)
    frames[1] = replace(frames[1], motion=Motion(nowhere, nowhere, surely, surely))
    stage = InsertFrames(3, StageTimes(), network)
    inserted = [frame for frame in run_stage(stage, frames) if frame.inserted]
    assert [frame.pts for frame in inserted] == [1, 2, 3]
    pair = [torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255 for picture in pictures]
    pair = [torch.nn.functional.pad(picture, (0, 96 - SIZE[0], 0, 64 - SIZE[1]), mode="reflect") for picture in pair]
    for frame in inserted:
        with torch.inference_mode():
            made = loaded.network(*pair, torch.full((1, 1, 1, 1), frame.pts / 4))
        expected = made[0, :, : SIZE[1], : SIZE[0]].permute(1, 2, 0).numpy()
        np.testing.assert_allclose(frame.source.planes[0][..., :3], expected, atol=1e-3)
