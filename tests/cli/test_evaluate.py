"""rotoscope evaluate: the table, the two files, sweeps, and errors of one line."""

import json
from fractions import Fraction
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
import tiny_clips
from tiny_clips import write_clip

from rotoscope.cli.sweep import parse_fixed, parse_grid
from rotoscope.metrics import evaluation

LOSSLESS = {"codec": "ffv1", "pixel_format": "bgr0"}


def texture(index, width, height):
    """A picture that moves by two pixels to the right in each frame."""
    wide = np.random.default_rng(0).integers(0, 256, (height // 4, width // 2, 3), np.uint8)
    wide = cv2.resize(wide, (2 * width, height), interpolation=cv2.INTER_CUBIC)
    start = width // 2 - 2 * index
    return np.ascontiguousarray(wide[:, start : start + width])


def blinking(step):
    return lambda index, width, height: np.clip(
        texture(index, width, height) * 0.5 + 60 + step * (index % 2), 0, 255
    ).astype(np.uint8)


@pytest.fixture
def clips(here):
    size = {"size": (96, 64), "frames": 6, **LOSSLESS}
    write_clip("source.mkv", make=texture, **size)
    write_clip("steady.mkv", make=blinking(4), **size)
    write_clip("flickering.mkv", make=blinking(16), **size)
    return here


def test_a_table_and_two_files_say_how_steady_a_result_is(clips, rotoscope_main):
    code, out, err = rotoscope_main("evaluate", "source.mkv", "steady.mkv", "--reference", "flickering.mkv")
    assert code == 0, err
    rows = {line[:28].strip(): line[28:].split() for line in out.splitlines()}
    assert rows["E_warp"][2:] == ["15.99x", "lower"] or 10 < float(rows["E_warp"][2].rstrip("x")) < 17
    content = json.loads((clips / "steady.evaluation.json").read_text())
    assert content["frames"] == 6
    assert content["summary"]["frame by frame"]["E_warp"] == pytest.approx((16 / 255) ** 2, rel=0.3)
    assert content["summary"]["result"]["E_warp"] == pytest.approx(float(rows["E_warp"][0]), rel=1e-3)
    assert len(content["curves"]["result"]["warping_error"]) == 5
    ElementTree.parse(clips / "steady.evaluation.svg")


def test_a_result_alone_is_measured_without_comparison(clips, rotoscope_main):
    code, out, _ = rotoscope_main("evaluate", "source.mkv", "flickering.mkv", "--json", "a.json", "--plot", "a.svg")
    assert code == 0
    assert "frame by frame" not in out and "lower" not in out
    assert set(json.loads((clips / "a.json").read_text())["summary"]) == {"source", "result"}


def test_a_duration_limits_what_is_measured(clips, rotoscope_main):
    write_clip("short.mkv", make=blinking(4), size=(96, 64), frames=4, **LOSSLESS)
    code, _, err = rotoscope_main("evaluate", "source.mkv", "short.mkv", "--duration", "0.16")
    assert code == 0, err
    assert json.loads((clips / "short.evaluation.json").read_text())["frames"] == 4


def test_a_result_made_with_start_and_duration_is_measured_against_that_part_of_the_source(
    clips, rotoscope_main, identity
):
    part = "--start", "0.08", "--duration", "0.12"
    assert rotoscope_main("translate", "source.mkv", "part.mkv", "-m", identity, "--codec", "ffv1", *part)[0] == 0
    assert rotoscope_main("evaluate", "source.mkv", "part.mkv")[0] == 3  # the result is shorter
    code, _, err = rotoscope_main("evaluate", "source.mkv", "part.mkv", "--reference", "part.mkv", *part)
    assert code == 0, err
    content = json.loads((clips / "part.evaluation.json").read_text())
    assert content["frames"] == 3
    code, _, err = rotoscope_main("evaluate", "source.mkv", "part.mkv", "--start", "-1", "--overwrite")
    assert (code, err.count("\n")) == (2, 1) and "start" in err


def test_without_a_visible_pixel_the_numbers_are_missing_and_the_files_are_written(clips, rotoscope_main, monkeypatch):
    monkeypatch.setattr(evaluation, "visible", lambda forward, _backward: np.zeros(forward.shape[:2], bool))
    code, out, err = rotoscope_main("evaluate", "source.mkv", "steady.mkv", "--reference", "flickering.mkv")
    assert code == 0, err
    assert "measured on 0.0% of the pixels" in out and "lower" not in out
    assert json.loads((clips / "steady.evaluation.json").read_text())["summary"]["result"]["E_warp"] is None
    ElementTree.parse(clips / "steady.evaluation.svg")


def test_a_model_that_gives_no_flow_is_refused(clips, rotoscope_main, identity):
    code, _, err = rotoscope_main("evaluate", "source.mkv", "steady.mkv", "--flow", f"onnx:{identity}")
    assert code == 2
    assert "this needs one of kind flow" in err and err.count("\n") == 1


def test_equal_videos_leave_gaps_in_the_json_instead_of_infinity(clips, rotoscope_main):
    code, _, _ = rotoscope_main("evaluate", "source.mkv", "steady.mkv", "--reference", "steady.mkv")
    assert code == 0
    content = json.loads((clips / "steady.evaluation.json").read_text(), parse_constant=pytest.fail)
    assert content["curves"]["to frame by frame"]["psnr"] == [None] * 6
    assert content["summary"]["to frame by frame"]["SSIM"] == pytest.approx(1)


def test_existing_files_are_kept_without_overwrite(clips, rotoscope_main):
    (clips / "steady.evaluation.svg").write_text("mine")
    code, _, err = rotoscope_main("evaluate", "source.mkv", "steady.mkv")
    assert (code, err) == (
        2,
        "rotoscope: steady.evaluation.svg exists; --overwrite (in Python overwrite=True) replaces it\n",
    )
    assert rotoscope_main("evaluate", "source.mkv", "steady.mkv", "--overwrite")[0] == 0
    assert (clips / "steady.evaluation.svg").read_text() != "mine"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["source.mkv", "short.mkv"], 3, "short.mkv ends after 4 frames, source.mkv goes on"),
        (["source.mkv", "small.mkv"], 3, "small.mkv is 64x48, source.mkv begins with 96x64"),
        (["source.mkv", "steady.mkv", "--lpips", "x.pth"], 2, "give one"),
        (["source.mkv", "steady.mkv", "--flow", "farneback"], 2, "--flow farneback; accepted: dis, inverse-search, or"),
        (["source.mkv", "small.mkv", "--patches"], 3, "small.mkv is 64x48"),
        (["small.mkv", "small.mkv", "--patches"], 3, "a picture of 64x48; accepted: sides of at least 51 with patches"),
        (["source.mkv", "steady.mkv", "--column", "96"], 3, "accepted: 0..95"),
        (["source.mkv", "steady.mkv", "--reference", "steady.mkv", "--lpips", "x.pth"], 4, "x.pth"),
    ],
)
def test_an_error_is_one_line_and_leaves_no_file(clips, rotoscope_main, words, code, said):
    write_clip("short.mkv", make=texture, size=(96, 64), frames=4, **LOSSLESS)
    write_clip("small.mkv", make=texture, size=(64, 48), frames=6, time_base=Fraction(1, 25), **LOSSLESS)
    found, _, err = rotoscope_main("evaluate", *words)
    assert found == code, err
    assert said in err and err.count("\n") == 1
    assert not list(clips.glob("*evaluation*"))


@pytest.mark.full
def test_networks_by_path_measure_the_distance_of_whole_videos(here, rotoscope_main):
    torch = pytest.importorskip("torch")
    from rotoscope.networks.i3d import I3dFeatures
    from rotoscope.networks.inception import InceptionFeatures
    from rotoscope.networks.lpips import Lpips

    torch.manual_seed(0)
    torch.save(InceptionFeatures().state_dict(), "inception.pth")
    torch.save(I3dFeatures().state_dict(), "i3d.pt")
    network = Lpips("squeeze")
    heads = {name: weights.abs() for name, weights in network.heads.state_dict().items()}
    torch.save(network.backbone.state_dict() | heads, "lpips.pth")
    for name, make in (("source", texture), ("one", blinking(16)), ("other", blinking(40))):
        write_clip(f"{name}.mkv", make=make, size=(48, 32), frames=11, **LOSSLESS)
    weights = "--inception", "inception.pth", "--i3d", "i3d.pt", "--lpips", "lpips.pth"
    code, out, err = rotoscope_main("evaluate", "source.mkv", "one.mkv", "--reference", "other.mkv", *weights)
    assert code == 0, err
    between = json.loads((here / "one.evaluation.json").read_text())["summary"]["to frame by frame"]
    for name in ("FID", "VFID", "VLPIPS", "LPIPS"):
        assert between[name] > 0, name
        assert name in out.split()


def test_a_grid_is_every_combination_of_its_values():
    assert parse_grid(["in-flight=1,2", "mix=0.5", "fit=crop"]) == [
        {"in_flight": 1, "mix": 0.5, "fit": "crop"},
        {"in_flight": 2, "mix": 0.5, "fit": "crop"},
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["a.mp4", "-m", "starry", "--sweep", "strenght=1"],
            "--sweep strenght=1; accepted: NAME=VALUE,VALUE with an option",
        ),
        (["a.mp4", "-m", "starry", "--sweep", "mix="], "--sweep mix=; accepted"),
        (["a.mp4", "-m", "starry", "--sweep", "mix=0,2"], "mix=2; accepted: 0"),
        (["a.mp4", "-m", "starry", "--sweep", "mix=0,much"], "mix='much'; accepted: a number"),
        (["a.mp4", "-m", "starry", "--sweep", "keyframes=1.5"], "keyframes=1.5; accepted: a whole number"),
        (["a.mp4", "b.mp4", "-m", "starry", "--sweep", "mix=0"], "accepted: SOURCE -m MODEL --sweep"),
        (["a.mp4", "--sweep", "mix=0"], "accepted: SOURCE -m MODEL --sweep"),
        (["a.mp4"], "accepted: SOURCE RESULT, or"),
        (["a.mp4", "-m", "starry", "--sweep", "duration=1"], "--sweep duration=1; accepted"),
        (
            ["a.mp4", "-m", "starry", "--sweep", "mix=0", "--strenght", "1"],
            "--strenght: no such option; did you mean --strength?",
        ),
        (
            ["a.mp4", "-m", "starry", "--sweep", "mix=0", "--keyframes", "1.5"],
            "keyframes=1.5; accepted: a whole number",
        ),
        (["a.mp4", "-m", "starry", "--sweep", "mix=0", "--codec", "ffv1"], "--codec: no such option"),
        (["a.mp4", "b.mp4", "--refrence", "c.mp4"], "--refrence: no such option; did you mean --reference?"),
        (["a.mp4", "b.mp4", "--working-size", "90p"], "options of translate need --sweep"),
    ],
)
def test_wrong_arguments_of_a_sweep_are_refused_before_the_first_translation(here, rotoscope_main, words, said):
    code, _, err = rotoscope_main("evaluate", *words)
    assert code == 2
    assert said in err and err.count("\n") == 1


def test_a_sweep_prints_a_row_for_each_setting_and_recommends_one(clips, rotoscope_main, identity):
    code, out, err = rotoscope_main("evaluate", "source.mkv", "-m", identity, "--sweep", "strength=0.25,1")
    assert code == 0, err
    content = json.loads((clips / "source.sweep.json").read_text())
    assert [row["options"] for row in content["settings"]] == [{"strength": 0.25}, {"strength": 1}]
    assert content["recommended"] in ({"strength": 0.25}, {"strength": 1})
    assert f"recommended: --strength {content['recommended']['strength']}" in out
    assert (
        content["reason"] in out and "lowest E_warp of the settings nearest to frame by frame (1 - SSIM at most" in out
    )
    errors = {row["options"]["strength"]: row["summary"]["result"]["E_warp"] for row in content["settings"]}
    steadier = [word for word, error in errors.items() if error < errors[content["recommended"]["strength"]]]
    said = f"steadier, but farther from frame by frame: {'; '.join(map(str, steadier))}"
    assert (said in out) if steadier else ("steadier, but" not in out)
    assert [line.split()[0] for line in out.splitlines()[:3]] == ["strength", "0.25", "1"]
    distances = [1 - row["summary"]["to frame by frame"]["SSIM"] for row in content["settings"]]
    assert distances[0] < distances[1]  # the weaker one stays closer to frame by frame
    ElementTree.parse(clips / "source.sweep.svg")


def test_further_options_of_translate_are_the_same_for_all_settings(clips, rotoscope_main, identity):
    words = "--sweep", "strength=0.25,1", "--working-size", "48x32", "--start", "0.04", "--duration", "0.12"
    code, out, err = rotoscope_main("evaluate", "source.mkv", "-m", identity, *words)
    assert code == 0, err
    content = json.loads((clips / "source.sweep.json").read_text())
    assert content["fixed"] == {"working_size": "48x32"}
    assert [row["options"] for row in content["settings"]] == [{"strength": 0.25}, {"strength": 1}]
    assert "recommended: --strength" in out


def test_options_of_several_words_and_flags_are_converted():
    flags = {"hint": "direction=BtoA", "compiled": "true", "threads": "2", "mix": "0.5", "working-size": "90p"}
    assert parse_fixed(flags, []) == {
        "hints": ("direction=BtoA",), "compiled": True, "threads": 2, "mix": 0.5, "working_size": "90p",
    }  # fmt: skip


def test_a_sweep_without_a_measurable_setting_recommends_none_and_writes_no_file(
    clips, rotoscope_main, identity, monkeypatch
):
    monkeypatch.setattr(evaluation, "visible", lambda forward, _backward: np.zeros(forward.shape[:2], bool))
    code, out, err = rotoscope_main("evaluate", "source.mkv", "-m", identity, "--sweep", "strength=0.25,1")
    assert (code, err.count("\n")) == (3, 1) and "none of 2 settings has a finite E_warp" in err
    assert "recommended" not in out and not list(clips.glob("*sweep*"))


def test_a_sweep_says_how_soon_a_sudden_change_is_shown(here, rotoscope_main, identity):
    write_clip("source.mkv", make=lambda _, *size: texture(0, *size), size=(96, 64), frames=30, **LOSSLESS)
    words = "--sweep", "steady=off", "--sweep", "keyframes=1,8", "--response", "--duration", "0.4"
    code, out, err = rotoscope_main("evaluate", "source.mkv", "-m", identity, *words)
    assert code == 0, err
    content = json.loads((here / "source.sweep.json").read_text())
    # The change comes with frame 10; of the key frames 0, 8 and 16 the last is the first to show it.
    assert [row["frames until 90% of a change"] for row in content["settings"]] == [0, 6]
    assert [line.split()[-1] for line in out.splitlines()[:3]] == ["change", "0", "6"]


def test_a_response_needs_a_sweep_and_frames(clips, rotoscope_main, identity):
    code, _, err = rotoscope_main("evaluate", "source.mkv", "steady.mkv", "--response")
    assert (code, err.count("\n")) == (2, 1) and "--response needs --sweep" in err
    code, _, err = rotoscope_main("evaluate", "source.mkv", "-m", identity, "--sweep", "strength=1", "--response")
    assert code == 3 and "accepted with --response: at least 25" in err


def test_a_sweep_of_an_option_without_effect_is_refused(here, rotoscope_main):
    """The looks are steady, so `--strength` alone changes nothing."""
    tiny_clips.write_clip(here / "a.mp4", frames=3)
    code, _, err = rotoscope_main("evaluate", "a.mp4", "-m", "comic", "--sweep", "strength=0.25,0.5")
    assert code == 2 and "no effect with --steady off, the default here: --strength 0.25" in err.splitlines()[-1]
