"""The bundled network that paints in the style of any picture: its files, what it paints, and that it needs no -m."""

import json
from contextlib import closing
from importlib import resources

import cv2
import numpy as np
import pytest
import tiny_clips

import rotoscope
from rotoscope.api.live import LiveModels
from rotoscope.assembly.models import ANY_PAINTING
from rotoscope.base.options import SteadyOptions
from rotoscope.demo import Scene, Sensor
from rotoscope.demo.clip import noisy_frames
from rotoscope.kernels.rows import Workers
from rotoscope.metrics.lattice import lattice_share
from rotoscope.runtime.pipeline.live_job import StagesRequest

FOLDER = resources.files("rotoscope") / "looks" / "any_painting"
MOST_BYTES = 3_000_000  # of both files
MOST_LATTICE = 0.003  # of fine detail, in the picture and in tiles


def painting(seed, colours):
    """A picture (H,W,3) uint8 of short strokes in some colours, RGB."""
    random = np.random.default_rng(seed)
    made = np.full((320, 400, 3), colours[0], np.uint8)
    for _ in range(900):
        x, y = random.integers(400), random.integers(320)
        angle = 0.01 * x + random.normal(0, 0.3)
        end = (int(x + 18 * np.cos(angle)), int(y + 18 * np.sin(angle)))
        cv2.line(made, (int(x), int(y)), end, colours[random.integers(len(colours))], 3, cv2.LINE_AA)
    return made


WARM = ((180, 60, 20), (230, 150, 30), (250, 220, 90), (60, 20, 10))
COLD = ((20, 40, 90), (50, 110, 180), (180, 210, 230), (10, 15, 30))


@pytest.fixture(scope="module")
def paintings(tmp_path_factory):
    """Files of a warm and of a cold painting."""
    folder = tmp_path_factory.mktemp("paintings")
    for name, colours in (("warm", WARM), ("cold", COLD)):
        cv2.imwrite(str(folder / f"{name}.png"), painting(1, colours)[..., ::-1])
    return folder / "warm.png", folder / "cold.png"


@pytest.fixture(scope="module")
def frame():
    return next(iter(noisy_frames(Scene(640, 360, 1, seed=3), Sensor(seed=3))))


@pytest.fixture(scope="module")
def painted(paintings, frame):
    """The frame in the styles of the warm and of the cold painting."""
    return [rotoscope.load(ANY_PAINTING, like=str(path))(frame) for path in paintings]


def test_its_files_are_small_and_have_a_card():
    files = [FOLDER / f"{ANY_PAINTING}{ending}" for ending in (".onnx", "-style-encoder.onnx")]
    assert sum(len(file.read_bytes()) for file in files) <= MOST_BYTES
    card = (FOLDER / f"{ANY_PAINTING}.md").read_text().lower()
    for word in (
        "paintings",
        "photographs",
        "licence",
        "command",
        "time",
        "warping error",
        "lattice",
        "shift",
        "microast",
    ):
        assert word in card


def test_it_takes_the_colours_of_the_painting_and_keeps_the_shapes(painted, frame):
    warm, cold = (picture.astype(float).mean(axis=(0, 1)) for picture in painted)
    assert warm[0] - warm[2] > 40  # red and blue
    assert cold[2] - cold[0] > 40
    for picture in painted:
        edges = [
            cv2.Laplacian(cv2.GaussianBlur(each, (0, 0), 3)[..., 1].astype(np.float32), -1) for each in (frame, picture)
        ]
        assert np.corrcoef(np.abs(edges[0]).ravel(), np.abs(edges[1]).ravel())[0, 1] > 0.25  # of another picture: 0


def test_it_prints_no_lattice(painted):
    for picture in painted:
        assert max(lattice_share(picture)) <= MOST_LATTICE


def test_a_blend_lies_between(paintings, painted, frame):
    warm, cold = paintings
    blend = rotoscope.load(ANY_PAINTING, like=f"{warm}:0.5,{cold}:0.5")(frame).astype(float)
    apart = np.abs(painted[0].astype(float) - painted[1]).mean()
    for picture in painted:
        assert np.abs(blend - picture).mean() < 0.8 * apart


@pytest.mark.parametrize("flags", [[], ["-m", ANY_PAINTING]])
def test_a_clip_needs_a_painting_and_no_model(flags, paintings, tmp_path, rotoscope_main):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=2)
    code, _, err = rotoscope_main("translate", clip, tmp_path / "out.mp4", *flags, "--like", paintings[0])
    assert code == 0, err
    assert "2/2 frames" in err
    assert "steady blend" in err


@pytest.mark.parametrize("words", [("live", "demo:", "null:"), ("serve",)])
def test_live_and_serve_need_a_painting_and_no_model(words, paintings, rotoscope_main, monkeypatch):
    def refuse(*_arguments, model, **_options):
        raise rotoscope.UsageError(f"models {model}")

    monkeypatch.setattr(rotoscope, words[0], refuse)
    assert f"models ['{ANY_PAINTING}']" in rotoscope_main(*words, "--like", paintings[0])[2]
    assert "Or give --like PAINTING without -m" in rotoscope_main(*words)[2]


def test_a_live_run_changes_to_it_with_a_painting(paintings):
    models = LiveModels(["ink"], {}, SteadyOptions(), Workers(1))
    painting = cv2.imread(str(paintings[0]))
    request = StagesRequest(None, SteadyOptions(), models=(ANY_PAINTING,), style=painting)
    with closing(models.stages(request)) as stages:
        assert [file.manifest.name for file in stages.models] == [ANY_PAINTING]
    with pytest.raises(rotoscope.UsageError, match="--like PICTURE names it"):
        models.stages(StagesRequest(None, SteadyOptions(), models=(ANY_PAINTING,)))


def test_a_sheet_needs_a_painting_and_no_model(paintings, frame, tmp_path, rotoscope_main):
    cv2.imwrite(str(tmp_path / "source.png"), frame[:96, :128, ::-1])
    code, _, err = rotoscope_main("compare", tmp_path / "source.png", tmp_path / "sheet.png", "--like", paintings[0])
    assert code == 0, err
    assert (tmp_path / "sheet.png").is_file()


def test_its_name_encodes_a_painting_as_like_does(paintings, frame, painted, tmp_path, rotoscope_main):
    code, _, err = rotoscope_main("encode", paintings[0], tmp_path / "warm.npy", "-m", ANY_PAINTING)
    assert code == 0, err
    made = rotoscope.load(ANY_PAINTING, style=np.load(tmp_path / "warm.npy"))(frame)
    assert np.abs(made.astype(float) - painted[0]).max() <= 1


def test_transparency_of_a_painting_is_named(paintings, tmp_path, caplog):
    picture = cv2.imread(str(paintings[0]))
    cv2.imwrite(str(tmp_path / "glass.png"), np.dstack([picture, np.full(picture.shape[:2], 128, np.uint8)]))
    with caplog.at_level("INFO", "rotoscope"):
        rotoscope.load(ANY_PAINTING, like=str(paintings[0]))
        assert not [record for record in caplog.records if "note:" in record.message]
        rotoscope.load(ANY_PAINTING, like=str(tmp_path / "glass.png"))
    assert "glass.png: transparency is laid over black" in caplog.text


def test_one_painting_may_have_a_weight(paintings, frame, painted):
    made = rotoscope.load(ANY_PAINTING, like=f"{paintings[0]}:0.5")(frame)
    assert np.array_equal(made, painted[0])
    with pytest.raises(rotoscope.UsageError, match=r"missing\.png: no such file"):
        rotoscope.load(ANY_PAINTING, like="missing.png:0.5")


def test_it_is_trusted_like_the_other_looks(monkeypatch, paintings):
    def refuse(_file):
        raise AssertionError("tried in a process of its own")

    monkeypatch.setattr("rotoscope.assembly.trial_calls.tried_apart", refuse)
    rotoscope.load(ANY_PAINTING, like=str(paintings[0]))


def test_a_line_of_a_file_of_jobs_needs_a_painting_and_no_model(paintings, tmp_path, rotoscope_main):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=2)
    jobs = tmp_path / "jobs.jsonl"
    jobs.write_text(json.dumps({"source": str(clip), "like": str(paintings[0])}) + "\n")
    code, _, err = rotoscope_main("batch", jobs, "--out", tmp_path / "painted")
    assert code == 0, err
    assert [path.name for path in (tmp_path / "painted").glob("*.mp4")] == ["clip.mp4"]


def test_a_batch_needs_a_painting_and_no_model(paintings, tmp_path, rotoscope_main):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=2)
    code, _, err = rotoscope_main("batch", clip, "--out", tmp_path / "painted", "--like", paintings[0])
    assert code == 0, err
    assert "1/1 done" in err


def test_without_a_painting_it_is_refused(tmp_path, rotoscope_main):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=2)
    code, _, err = rotoscope_main("translate", clip, tmp_path / "out.mp4", "-m", ANY_PAINTING)
    assert (code, err.count("\n")) == (2, 1)
    assert "any paints in the style of a picture: --like PICTURE names it" in err
    assert not (tmp_path / "out.mp4").exists()
    for style in (None, 3):  # 3: a code drawn by chance, as MUNIT takes it
        with pytest.raises(rotoscope.UsageError, match="--like PICTURE names it"):
            rotoscope.load(ANY_PAINTING, style=style)
    with pytest.raises(rotoscope.UsageError, match="a folder; accepted: a picture"):
        rotoscope.load(ANY_PAINTING, like=str(tmp_path))


def test_the_list_of_looks_ends_with_it(rotoscope_main):
    code, out, _ = rotoscope_main("looks", "--json")
    assert code == 0
    *_, last = json.loads(out)
    assert last["name"] == ANY_PAINTING
    assert "--like" in last["description"]
