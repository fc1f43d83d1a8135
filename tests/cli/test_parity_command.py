"""rotoscope parity: exit codes, the table, the picture of the worst frame, and where two files part."""

import shutil

import cv2
import numpy as np
import onnx
import pytest
import tiny_clips
import tiny_models
import torch
from catalogue import build, named
from onnx import TensorProto, helper

import rotoscope
from rotoscope.export.parity import Bound
from rotoscope.metrics.paired_warping_error import PairedWarpingError, error_ratio
from rotoscope.networks.compact import CompactGenerator
from rotoscope.runtime.motion.dis import DisFlow


def chain(path, *factors):
    """out = in * factor * factor ..., one tensor after the other, named step0, step1 ..."""
    constants = [helper.make_tensor(f"factor{i}", TensorProto.FLOAT, [], [value]) for i, value in enumerate(factors)]
    names = ["in", *(f"step{i}" for i in range(len(factors) - 1)), "out"]
    nodes = [
        helper.make_node("Mul", [names[i], f"factor{i}"], [names[i + 1]], name=f"node{i}") for i in range(len(factors))
    ]
    return tiny_models.save(path, nodes, constants=constants)


def test_a_network_agrees_with_itself(identity, rotoscope_main):
    code, out, _ = rotoscope_main("parity", identity, f"{identity}@openvino")
    assert code == 0
    assert "identity.onnx on onnxruntime fp32 cpu and identity.onnx on openvino fp32 cpu, 4 calls, random inputs" in out
    assert out.splitlines()[-1] == "bound: max 0.001, mean 1e-05: within"


def test_networks_that_differ_exit_with_1_and_show_the_worst_frame(here, identity, rotoscope_main):
    other = tiny_models.affine(here / "other.onnx", 1.0, 0.01)
    code, out, _ = rotoscope_main("parity", identity, other, "--save", "worst.png", "--size", "32x24")
    assert code == 1 and "BEYOND" in out and "2.0e-02" in out
    sheet = cv2.imread("worst.png")
    assert sheet.shape == (24, 3 * 32, 3)
    assert (sheet[:, 64:] >= 254).all()  # the same difference everywhere
    a, b = sheet[:, :32].astype(float), sheet[:, 32:64].astype(float)
    assert np.abs(np.minimum(a + 255 * 0.01, 255) - b).max() < 1


def test_real_frames_are_measured_beside_random_ones(here, identity, rotoscope_main):
    clip = tiny_clips.write_clip(here / "clip.mp4")
    code, out, _ = rotoscope_main("parity", identity, identity, "--clip", clip, "--frames", "3")
    assert code == 0 and f"3 calls, frames of {clip}" in out


def test_a_checkpoint_is_measured_against_its_export(here, rotoscope_main):
    torch.manual_seed(0)
    torch.save(CompactGenerator(8, 2).state_dict(), "net.pth")
    assert rotoscope_main("export", "net.pth", "net.onnx")[0] == 0
    assert rotoscope_main("parity", "net.pth", "net.onnx")[0] == 0
    code, out, _ = rotoscope_main("parity", "net.pth@torch:bf16", "net.onnx@openvino")
    assert code == 0 and "bound: PSNR at least 40 dB: within" in out


def test_a_network_that_needs_large_pictures_is_measured_at_a_size_that_both_forms_take(here, exported, rotoscope_main):
    case = named("RAFT-small")
    torch.save(build(case).state_dict(), "raft.pth")
    shutil.copy(exported(case)[0], "raft.onnx")
    hint = ("--hint", "iterations=1")
    for forms in (("raft.pth", "raft.onnx"), ("raft.onnx", "raft.pth")):
        code, out, _ = rotoscope_main("parity", *forms, *hint)
        assert code == 0 and "inf" not in out and "nan" not in out, out
    shown = rotoscope_main("info", "raft.onnx")[1]
    assert "any from 128x128 on, padded to a multiple of 8" in shown


def test_what_export_proved_by_the_rounding_of_the_network_parity_allows_too(here, monkeypatch, rotoscope_main):
    """Both are as strict as the network allows; here every bound is too strict."""
    torch.manual_seed(0)
    torch.save(CompactGenerator(8, 2).state_dict(), "net.pth")
    monkeypatch.setattr("rotoscope.export.parity.EXACT", Bound(largest=0.0, mean=0.0))
    monkeypatch.setattr("rotoscope.export.parity.MAGNIFICATION", 100.0)
    rule = "or 100 times the difference of the network in fp32 from fp64: it is "
    code, _, err = rotoscope_main("export", "net.pth", "net.onnx")
    assert code == 0 and f"(allowed: max 0, mean 0, {rule}" in err
    clip = tiny_clips.write_clip(here / "clip.mp4")
    for more in ((), ("--clip", clip, "--frames", "2")):
        code, out, _ = rotoscope_main("parity", "net.onnx", "net.pth", *more)
        assert code == 0 and rule in out.splitlines()[-1] and out.endswith(": within\n"), out
    monkeypatch.setattr("rotoscope.export.parity.MAGNIFICATION", 1e-3)
    code, _, err = rotoscope_main("export", "net.pth", "other.onnx")
    assert code == 4 and "0.001 times the difference of the network in fp32 from fp64" in err
    assert rotoscope_main("parity", "net.onnx", "net.pth")[0] == 1


@pytest.mark.parametrize("place", [0, 2, 4])
def test_bisection_names_the_tensor_where_two_files_part(place, here, rotoscope_main):
    factors = [0.9, 0.8, 1.1, 1.2, 0.7]
    wrong = [*factors]
    wrong[place] *= 1.05
    a, b = chain(here / "a.onnx", *factors), chain(here / "b.onnx", *wrong)
    code, out, _ = rotoscope_main("parity", a, b, "--bisect")
    name = "out" if place == 4 else f"step{place}"
    assert code == 1
    assert (
        f"first tensor beyond 0.001 of its largest value: {name} (tensor {place + 1} of 5, made by Mul): off by 5.0e-02"
        in out
    )


def test_bisection_finds_nothing_where_nothing_differs(here, rotoscope_main):
    a = chain(here / "a.onnx", 0.5, 2.0)
    assert "value: none" in rotoscope_main("parity", a, a, "--bisect")[1]
    assert onnx.load(a).graph.output[0].name == "out" and len(onnx.load(a).graph.output) == 1  # the file is left alone


@pytest.mark.parametrize(("words", "code", "said"), [
    (["none.onnx"], 4, "none.onnx: no such file"),
    (["identity.onnx@fast"], 2, "--device fast with onnxruntime; accepted: cpu"),
    (["identity.onnx@torch"], 2, "--engine torch runs checkpoints"),
    (["identity.onnx@compiled"], 2, "--compiled is for the torch engine"),
    (["upscale.onnx"], 4, "are not forms of the same network: scale is 1 and 2"),
])  # fmt: skip
def test_what_cannot_be_compared_is_one_line(words, code, said, here, rotoscope_main):
    tiny_models.identity(here / "identity.onnx")
    tiny_models.upscale(here / "upscale.onnx", 2)
    found, _, err = rotoscope_main("parity", "identity.onnx", *words)
    assert (found, len(err.splitlines())) == (code, 1) and said in err


# Flicker


def grey(level, width=96, height=80):
    return np.full((height, width, 3), level, np.uint8)


def grey_folder(path, levels):
    path.mkdir()
    for index, level in enumerate(levels):
        cv2.imwrite(str(path / f"{index:02}.png"), grey(level))
    return path


def reduced(path, factor):
    """out = in * factor, in a file most of whose numbers are int8."""
    weights = helper.make_tensor("weights", TensorProto.INT8, [8], range(8))
    factor = helper.make_tensor("factor", TensorProto.FLOAT, [], [factor])
    return tiny_models.save(path, [helper.make_node("Mul", ["in", "factor"], ["out"])], constants=[weights, factor])


def test_noise_of_alternating_sign_flickers_more_and_equal_streams_do_not():
    flicker = PairedWarpingError(DisFlow("medium", scale=1.0))
    levels = [100 + 5 * index for index in range(5)]
    for index, level in enumerate(levels):
        flicker.add(grey(50), grey(level), grey(level + (2 if index % 2 else -2)))
    assert flicker.num_pairs == 4
    # The steps of 5 levels become 9 and 1 in turn.
    assert flicker.errors == pytest.approx((25 / 255**2, (81 + 1) / 2 / 255**2), rel=1e-4)
    assert error_ratio(flicker.errors[1], flicker.errors[0]) == pytest.approx(41 / 25, rel=1e-4)


def test_motion_of_the_source_is_no_flicker():
    rng = np.random.default_rng(0)
    wide = cv2.resize(rng.integers(0, 256, (20, 40, 3)).astype(np.uint8), (320, 160), interpolation=cv2.INTER_CUBIC)
    flicker = PairedWarpingError(DisFlow("medium", scale=1.0))
    for index in range(4):
        moving = np.ascontiguousarray(wide[:, 3 * index : 3 * index + 256])
        flicker.add(moving, moving, wide[:, :256])  # the second result stands still where its source moves
    moves, stands = flicker.errors
    assert moves < stands / 20


def test_the_ratio_of_streams_that_stand_still():
    assert error_ratio(0.0, 0.0) == 1.0 and error_ratio(1e-9, 0.0) == float("inf")


@pytest.mark.parametrize(("factor", "found", "verdict"), [
    (1.0, "ratio 1.0000", "within"),
    (1.005, "ratio 1.0100", "within"),  # steps of 200 levels become 201
    (1.01, "ratio 1.0201", "BEYOND"),
])  # fmt: skip
@pytest.mark.parametrize("is_reduced_first", [False, True])
def test_a_lower_precision_may_flicker_two_hundredths_more(
    factor, found, verdict, is_reduced_first, here, identity, rotoscope_main
):
    forms = [identity, reduced(here / "reduced.onnx", factor)]
    clip = grey_folder(here / "clip", [0, 200, 0, 200])
    code, out, _ = rotoscope_main("parity", *(forms[::-1] if is_reduced_first else forms), "--clip", clip)
    assert code == (verdict == "BEYOND")
    line = next(line for line in out.splitlines() if line.startswith("E_warp"))
    assert line.startswith("E_warp over 3 pairs: 0.6151 of identity.onnx") and f"{found}, at most 1.02" in line
    assert out.splitlines()[-1] == f"bound: PSNR at least 34 dB, E_warp ratio at most 1.02: {verdict}"


def test_without_two_precisions_or_two_frames_flicker_is_not_bounded(here, identity, rotoscope_main):
    clip = grey_folder(here / "clip", [0, 200])
    assert "E_warp" not in rotoscope_main("parity", identity, identity, "--clip", clip)[1]
    other = reduced(here / "reduced.onnx", 1.0)
    code, out, _ = rotoscope_main("parity", identity, other, "--clip", clip, "--frames", "1")
    assert code == 0 and "E_warp: not measured" in out and "ratio" not in out


def test_a_lower_precision_is_judged_by_pictures_where_there_are_some(here, identity, rotoscope_main):
    weights = helper.make_tensor("weights", TensorProto.INT8, [8], range(8))
    blurred = helper.make_node("AveragePool", ["in"], ["out"], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    blur = tiny_models.save(here / "blur.onnx", [blurred], constants=[weights])
    assert rotoscope_main("parity", identity, blur)[0] == 1  # noise does not survive it
    code, out, _ = rotoscope_main("parity", identity, blur, "--clip", grey_folder(here / "clip", [0, 200]))
    assert code == 0 and "random inputs" in out


def test_the_clip_is_seen_at_the_working_size(here, identity, rotoscope_main):
    clip = grey_folder(here / "clip", [0, 200])
    other = tiny_models.affine(here / "other.onnx", 1.0, 0.1)
    words = ["--clip", clip, "--working-size", "48x40", "--save", "worst.png"]
    assert rotoscope_main("parity", identity, other, *words)[0] == 1
    assert cv2.imread("worst.png").shape == (40, 3 * 48, 3)


def test_one_call_returns_what_the_command_prints(here, identity):
    clip = grey_folder(here / "clip", [0, 200, 0, 200])
    other = reduced(here / "reduced.onnx", 1.01)
    report = rotoscope.parity(identity, other, clip=clip, frames=3, size=(32, 24), bisect=True, save=here / "worst.png")
    assert not report.is_within and report.clip.is_within  # the pictures agree, and the second form flickers more
    assert report.flicker.num_pairs == 2 and report.flicker.ratio == pytest.approx(1.0201, abs=1e-3)
    assert report.random.first.worst[0].shape == (1, 24, 32, 3)
    assert report.first_different.tensor == "out"
    assert (here / "worst.png").exists()
    assert rotoscope.parity(identity, identity).is_within
