"""Promise: two runs give the same bytes in mp4 and Matroska, and any number of threads gives the same frames."""

import hashlib
import os

import independent
import numpy as np
import pytest
import tiny_clips
import tiny_models

import rotoscope

IS_FULL = os.environ.get("ROTOSCOPE_PROMISES") == "full"
FRAMES = 60 if IS_FULL else 8
SIZE = (192, 128) if IS_FULL else (96, 64)

METHODS = {
    "off": {"steady": "off"},
    "blend": {"steady": "blend"},
    "ramp": {"steady": "ramp"},
    "key frames": {"steady": "off", "keyframes": 3},
    "hypercon mean": {"steady": "hypercon", "insert": 1, "window": 1, "dilation": 1},
    "hypercon median": {"steady": "hypercon", "insert": 1, "window": 1, "dilation": 1, "pool": "median"},
    "hypercon weighted": {"steady": "hypercon", "insert": 1, "window": 1, "dilation": 1, "pool": "weighted"},
}


def moving(index, width, height):
    """Texture that moves, under noise: the decoder, the flow and every method have work."""
    texture = np.random.default_rng(0).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    noise = np.random.default_rng(index).integers(0, 20, (height, width, 3))
    return np.clip(np.roll(np.kron(texture, np.ones((4, 4, 1))), 2 * index, axis=1) * 0.9 + noise, 0, 255).astype(
        np.uint8
    )


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("determinism") / "clip.mkv"

    def prepare(container, stream):
        container.metadata.update({"title": "a title", "comment": "a comment", "creation_time": "2020-02-02T02:02:02Z"})
        stream.metadata["language"] = "swe"

    return tiny_clips.write_clip(path, frames=FRAMES, size=SIZE, make=moving, sound=True, prepare=prepare)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_models.affine(tmp_path_factory.mktemp("models") / "affine.onnx", 0.9, 0.05)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def frames_of(path):
    return [b"".join(bytes(plane) for plane in frame.planes) for frame in independent.video_frames(path)]


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".webm"])
def test_two_runs_give_the_same_bytes(ending, clip, model, tmp_path):
    for name in ("one", "two"):
        rotoscope.translate(clip, tmp_path / f"{name}{ending}", model=model, threads=1 if ending == ".webm" else 2)
    assert digest(tmp_path / f"one{ending}") == digest(tmp_path / f"two{ending}")


def test_matroska_keeps_the_metadata(clip, model, tmp_path):
    rotoscope.translate(clip, tmp_path / "out.mkv", model=model, steady="off")
    with rotoscope.read(tmp_path / "out.mkv") as result:
        kept = {key.lower(): value for key, value in result.info.metadata.items()}
    assert (kept["title"], kept["comment"]) == ("a title", "a comment")
    assert kept["creation_time"].startswith("2020-02-02T02:02:02")


@pytest.mark.parametrize("method", METHODS)
def test_any_number_of_threads_gives_the_same_frames(method, clip, model, tmp_path):
    for threads in (1, 2, 8):
        rotoscope.translate(
            clip, tmp_path / f"{threads}.mkv", model=model, threads=threads, codec="ffv1", **METHODS[method]
        )
    one = frames_of(tmp_path / "1.mkv")
    assert len(one) == FRAMES
    for threads in (2, 8):
        assert frames_of(tmp_path / f"{threads}.mkv") == one
