"""Complete or absent: kill -9 at any moment leaves a whole result or none, and the next run removes the hidden rest."""

import random

import av
import pytest
import tiny_clips

from promises.trials import IS_FULL, Moment, Server, figures, moments

FRAMES = 12
TRIALS = 200 if IS_FULL else 20
SIGKILL = 9


@pytest.fixture(scope="module")
def server():
    with Server() as server:
        yield server


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    tiny_clips.write_clip(folder / "short.mp4", frames=1)
    return tiny_clips.write_clip(folder / "clip.mp4", frames=FRAMES), folder / "short.mp4"


def frames_in(target):
    """The number of pictures of a result; None if it is absent."""
    if target.is_dir():
        return len(list(target.iterdir()))
    if not target.exists():
        return None
    with av.open(str(target)) as container:
        return sum(1 for _ in container.decode(video=0))


def parts(folder):
    return [item.name for item in folder.iterdir() if item.name.startswith(".")]


def undisturbed(server, words, folder):
    """Run once without a signal: it sets the range of moments."""
    folder.mkdir()
    outcome = server.run(words, folder)
    assert outcome.code == 0, outcome.err
    return outcome


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.webm", "shots"])
def test_a_killed_run_leaves_all_or_nothing_and_the_next_one_cleans(name, server, clips, identity, tmp_path):
    clip, short = clips
    words = ["translate", clip, name, "-m", identity, "--steady", "off"]
    whole = undisturbed(server, words, tmp_path / "whole")
    assert frames_in(tmp_path / "whole" / name) == FRAMES
    killed = left = 0
    for index, moment in enumerate(moments(random.Random(name), SIGKILL, TRIALS, whole)):
        folder = tmp_path / str(index)
        folder.mkdir()
        outcome = server.run(words, folder, moment)
        killed += outcome.code < 0
        left += bool(parts(folder))
        assert outcome.code < 0 or outcome.code == 0, (moment, outcome)
        assert frames_in(folder / name) in ((None, FRAMES) if outcome.code else (FRAMES,)), (moment, outcome)
        after = server.run(["translate", short, "next.png", "-m", identity], folder)
        assert after.code == 0 and parts(folder) == [], (moment, after.err)
    figures(
        f"{name}: {TRIALS} trials, {killed} killed while they ran, {left} left a hidden part, which the next run removed"
    )
    assert killed >= TRIALS // 2 and left


@pytest.mark.parametrize("words", [["shots/%03d.png"], ["-o", "shots", "--overwrite"]])
def test_a_move_of_pictures_that_was_killed_is_finished_by_the_next_run(words, server, clips, identity, tmp_path):
    """Into a folder that exists, pictures move one after the other: each event of that is a moment."""
    clip, short = clips
    words = ["translate", clip, *words, "-m", identity, "--steady", "off"]

    def folder_of(name):
        (tmp_path / name / "shots").mkdir(parents=True)
        if "--overwrite" in words:
            (tmp_path / name / "shots" / "00001.png").write_bytes(b"old")
        return tmp_path / name

    whole = server.run(words, folder_of("whole"))
    assert whole.code == 0 and frames_in(tmp_path / "whole" / "shots") == FRAMES
    old = frames_in(folder_of("before") / "shots")
    last = range(whole.events - 4 * FRAMES, whole.events + 1)
    for event in last if IS_FULL else random.Random(1).sample(last, 10):
        folder = folder_of(str(event))
        server.run(words, folder, Moment(SIGKILL, event=event))
        target = "shots/next.png" if words[2].startswith("shots/") else "next.png"
        assert server.run(["translate", short, target, "-m", identity], folder).code == 0
        (folder / target).unlink()
        assert parts(folder) == parts(folder / "shots") == []
        found = frames_in(folder / "shots")
        assert found in (old, FRAMES), event
        assert found == old or b"old" not in {item.read_bytes() for item in (folder / "shots").iterdir()}
