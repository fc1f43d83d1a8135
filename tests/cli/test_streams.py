"""Standard streams that are closed or full, empty names, a cache that cannot be written: one true line each."""

import os
import resource
import subprocess
import sys

import pytest
import tiny_clips
from said import said

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="closes descriptors, sets limits, reads /dev/full")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return tiny_clips.write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=4)


def run(*words, closed=(), env=None, limit_bytes=None, **pipes):
    """Run the program with some descriptors closed, or with a limit of the size of a file, which stands for a full disk."""

    def prepare():
        for number in closed:
            os.close(number)
        if limit_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    command = [sys.executable, "-m", "rotoscope", *map(str, words)]
    given = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"} | (env or {})
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL} | pipes
    done = subprocess.run(command, preexec_fn=prepare, env=given, check=False, **pipes)
    return done.returncode, said((done.stderr or b"").decode())


def test_a_closed_standard_input_is_one_line(identity, tmp_path):
    assert run("translate", "-", tmp_path / "o.mp4", "-m", identity, closed=[0]) == (
        3, "rotoscope: standard input is closed\n",
    )  # fmt: skip


@pytest.mark.parametrize("words", [("info", "starry"), ("--help",), ("version",)])
def test_a_closed_standard_output_is_one_line(words):
    assert run(*words, closed=[1]) == (1, "rotoscope: standard output is closed\n")


def test_a_stream_for_a_closed_standard_output_is_one_line(clip, identity):
    assert run("translate", clip, "-", "-m", identity, closed=[1]) == (1, "rotoscope: standard output is closed\n")


def test_a_video_is_translated_without_any_standard_stream(clip, identity, tmp_path):
    target = tmp_path / "o.mp4"
    assert run("translate", clip, target, "-m", identity, "--steady", "off", closed=[0, 1, 2])[0] == 0
    assert run("info", target)[0] == 0  # no message was written into it


def test_a_full_standard_output_is_named():
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        assert run("info", "starry", stdout=full) == (1, "rotoscope: standard output: No space left on device\n")


def test_a_full_standard_error_does_not_hide_the_exit_code():
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        assert run("info", "no-such-file.mp4", stderr=full)[0] == 3


def test_a_described_model_on_a_full_disk_leaves_nothing_and_names_it(tmp_path):
    code, err = run("info", "starry", "--write", tmp_path / "w.onnx", limit_bytes=100_000)
    assert (code, err) == (1, f"rotoscope: {tmp_path / 'w.onnx'}: File too large\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("home", "reason"), [("/proc", "No such file or directory"), ("a file", "not a folder")])
def test_a_home_that_cannot_be_written_names_the_cache(home, reason, clip, identity, tmp_path):
    if home == "a file":
        home = tmp_path / "home"
        home.write_text("")
    env = {"HOME": str(home), "XDG_CACHE_HOME": "", "XDG_CONFIG_HOME": "", "NUMBA_CACHE_DIR": ""}
    code, err = run("translate", clip, tmp_path / "o.mp4", "-m", identity, env=env)
    assert code == 2 and err.count("\n") == 1
    assert err.startswith(f"rotoscope: cache folder {home}/.cache") and f": {reason}; XDG_CACHE_HOME names" in err
    assert not (tmp_path / "o.mp4").exists()


def test_a_full_cache_disk_names_the_cache(clip, identity, tmp_path):
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "NUMBA_CACHE_DIR": ""}
    target = tmp_path / "o.mkv"
    code, err = run("translate", clip, target, "-m", identity, env=env, limit_bytes=4096)
    assert code == 1 and err.count("\n") == 1, err
    assert err.startswith(f"rotoscope: cache folder {tmp_path}/cache/rotoscope/kernels/") and "File too large" in err
    assert [item.name for item in tmp_path.iterdir()] == ["cache"]


@pytest.mark.parametrize("words", [
    ("translate", "", "-m", "starry"), ("translate", "in.mp4", "", "-m", "starry"), ("translate", "in.mp4", "-m", ""),
    ("translate", "in.mp4", "-m", "starry", "--report="), ("info", ""), ("export", "", "net.onnx"), ("frames", "", "f"),
])  # fmt: skip
def test_an_empty_name_is_not_the_current_folder(words, here, rotoscope_main):
    tiny_clips.write_clip(here / "in.mp4", frames=2)
    code, _, err = rotoscope_main(*words)
    assert code == 2 and "an empty argument" in err and [item.name for item in here.iterdir()] == ["in.mp4"]


def test_an_empty_source_is_refused_by_python_too(here, identity):
    import rotoscope

    for source, target in (("", "out.mp4"), ("in.mp4", "")):
        with pytest.raises(rotoscope.UsageError, match='"": an empty name'):
            rotoscope.translate(source, target, model=identity)
    with pytest.raises(rotoscope.UsageError, match='"": an empty name'):
        rotoscope.read("")
