"""Two whole runs compared stage by stage: equal ones, a planted difference, videos of other runs."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import rotoscope
from rotoscope.base.errors import InputRefused
from rotoscope.base.frame import Picture
from rotoscope.kernels.float_picture import float_picture
from rotoscope.testing import assert_parity


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "clip.mp4"
    with rotoscope.read("synthetic:96x64@25:6") as source:
        frames = list(source)
    rotoscope.write(path, [replace(frame, result=Picture((float_picture(frame.source),))) for frame in frames])
    return path


@pytest.fixture
def shifted(identity, tmp_path):
    """The identity network whose results are a little brighter."""

    def make(by):
        model = onnx.load(identity)
        output = model.graph.output[0].name
        for node in model.graph.node:
            node.output[:] = ["before" if name == output else name for name in node.output]
        model.graph.initializer.append(numpy_helper.from_array(np.float32(by), "by"))
        model.graph.node.append(onnx.helper.make_node("Add", ["before", "by"], [output]))
        path = tmp_path / f"shifted{by}.onnx"
        onnx.save(model, path)
        return path

    return make


def test_a_run_is_equal_to_itself_at_every_stage(identity, clip):
    run = rotoscope.run_parity(identity, identity, clip=clip, steady="blend", threads=1)
    assert list(run.stages) == ["motion", "network", "steady", "finish"] and run.num_frames == 6
    assert len(run.stages["motion"].frame_largest) == 5  # the first frame has no motion
    assert all(difference.largest == 0 for difference in run.stages.values())
    assert run.is_within and run.first_different is None


def test_another_network_differs_first_at_the_network(identity, shifted, clip):
    run = rotoscope.run_parity(identity, shifted(0.05), clip=clip, steady="blend", threads=1)
    assert run.stages["motion"].largest == 0 and run.first_different == "network" and not run.is_within
    assert run.stages["network"].largest == pytest.approx(0.05, abs=0.051)


def test_less_than_a_code_value_is_within(identity, shifted, clip):
    run = rotoscope.run_parity(identity, shifted(0.001), clip=clip, steady="off", threads=1)
    assert run.is_within and run.stages["finish"].largest <= 2.01 / 255


def test_a_video_without_loss_is_compared_and_a_lossy_one_is_beyond(identity, clip, tmp_path):
    for codec, is_within in (("ffv1", True), ("libx264", False)):
        video = tmp_path / f"{codec}.mkv"
        options = {"encoder_options": ("crf=40",)} if codec == "libx264" else {}
        rotoscope.translate(clip, video, model=identity, steady="blend", codec=codec, threads=1, **options)
        run = rotoscope.run_parity(identity, video, clip=clip, steady="blend", threads=1)
        assert list(run.stages) == ["finish"] and run.is_within is is_within


def test_a_video_that_is_too_short_is_refused(identity, clip, tmp_path):
    video = tmp_path / "short.mkv"
    rotoscope.translate(clip, video, model=identity, steady="off", codec="ffv1", duration=0.1, threads=1)
    with pytest.raises(InputRefused, match=r"short.mkv ends after \d frames, the run does not"):
        rotoscope.run_parity(identity, video, clip=clip, steady="off", threads=1)


def test_the_assertion_names_the_stage(identity, shifted, clip):
    assert_parity(identity, identity, clip=clip, steady="blend", threads=1)
    assert_parity(identity, identity, threads=1)
    with pytest.raises(AssertionError, match="first stage that differs: network"):
        assert_parity(identity, shifted(0.05), clip=clip, steady="off", threads=1)
    with pytest.raises(AssertionError, match=r"differ beyond the bound \(max 0.001"):
        assert_parity(identity, shifted(0.05), threads=1)


def test_the_command_prints_stages_and_writes_every_frame(rotoscope_main, identity, shifted, clip, tmp_path):
    file = tmp_path / "runs.json"
    words = ("parity", str(identity), str(shifted(0.05)), "--clip", str(clip), "--steady", "blend", "--threads", "1")
    code, out, _ = rotoscope_main(*words, "--json", str(file))
    assert code == 1 and "first stage that differs by more than rounding: network" in out and "BEYOND" in out
    content = json.loads(file.read_text())
    assert content["first_different"] == "network" and not content["is_within"]
    assert len(content["stages"]["finish"]["frame_max"]) == 6
    code, _, err = rotoscope_main("parity", str(identity), str(identity), "--steady", "blend")
    assert code == 2 and "give --clip" in err
