"""Answers to command lines that cannot be understood: one form for every command, and no suggestion that misleads."""

import pytest

from rotoscope import cli
from rotoscope.assembly.models import bundled_looks

LOOKS = ", ".join(bundled_looks())
COMMANDS = [*(name for name in cli.COMMANDS if name not in ("train", "cache")), "train cyclegan", "train resume"]
NO_RESULT_OPTION = ("looks", "info", "doctor", "build", "parity", "evaluate", "distill", "version", "train cyclegan")


def said(run, words):
    code, out, err = run(*words.split())
    assert (code, out) == (2, "") and err.startswith("rotoscope: ") and err.count("\n") == 1
    return err.removeprefix("rotoscope: ").rstrip()


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "evaluate"])  # it first misses SOURCE
def test_an_unknown_option_is_answered_in_one_form(command, here, rotoscope_main):
    assert said(rotoscope_main, f"{command} --zzz") == (
        f"--zzz: no such option; rotoscope {command} --help lists the options"
    )


@pytest.mark.parametrize(("words", "answer"), [
    ("translate a.mp4 -m starry --compre", "--compre: no such option; did you mean --compare?"),
    ("translate a.mp4 --modl starry", "--modl: no such option; did you mean --model?"),
    ("translate a.mp4 b.mp4 -m starry --working-siz=360p", "--working-siz: no such option; did you mean --working-size?"),
    ("translate a.mp4 -m starry --work 360p", "--work: no such option; did you mean --working-size?"),
    ("translate a.mp4 -m starry -ss 3", "-ss: no such option; did you mean --start?"),
    ("translate a.mp4 -m starry -t 3", "-t: no such option; did you mean --duration?"),
    ("translate a.mp4 -m starry -y", "-y: no such option; did you mean --overwrite?"),
    ("translate a.mp4 -m starry --quite", "--quite: no such option; did you mean --quiet?"),
    ("translate a.mp4 -m starry --lut x", "--lut: no such option; rotoscope translate --help lists the options"),
    ("translate a.mp4 -m starry --dry-run", "--dry-run: no such option; rotoscope translate --help lists the options"),
    ("export a.pth --overwite", "--overwite: no such option; did you mean --overwrite?"),
    ("evaluate a.mp4 b.mp4 --flwo dis", "--flwo: no such option; did you mean --flow?"),
    ("evaluate a.mp4 b.mp4 --lut x", "--lut: no such option; rotoscope evaluate --help lists the options"),
    ("train cyclegan --btach 3", "--btach: no such option; did you mean --batch?"),
    ("--engine openvino", "--engine: no such option; rotoscope --help lists the options"),
])  # fmt: skip
def test_a_near_option_is_suggested_and_a_far_one_is_not(words, answer, here, rotoscope_main):
    assert said(rotoscope_main, words) == answer


@pytest.mark.parametrize(
    ("word", "near"), [("trian", "train"), ("translte", "translate"), ("inf", "info"), ("look", "looks")]
)
def test_a_near_command_is_suggested(word, near, rotoscope_main):
    assert said(rotoscope_main, f"{word} x") == f"{word}: no such command; did you mean {near}?"


@pytest.mark.parametrize("words", ["paint clip.mp4", "help paint", "models"])
def test_a_far_command_is_answered_with_all_of_them(words, rotoscope_main):
    answer = said(rotoscope_main, words)
    assert answer.endswith(
        "accepted: batch, bench, build, cache, compare, demo, distill, doctor, encode, evaluate, export, frames, help, info, "
        "live, looks, parity, serve, train, translate, version"
    )


@pytest.mark.parametrize("command", NO_RESULT_OPTION)
def test_output_is_answered_with_the_option_that_names_the_result(command, here, rotoscope_main):
    assert said(rotoscope_main, f"{command} -o x").startswith(f"-o: no such option of {command}; ")
    assert said(rotoscope_main, f"{command} --output x").startswith(f"--output: no such option of {command}; ")


@pytest.mark.parametrize(("words", "answer"), [
    ("translate a.mp4", f"translate: -m is missing; accepted: a bundled look ({LOOKS}), an .onnx file or a "
     "checkpoint; rotoscope looks describes them. Or give --like PAINTING without -m"),
    ("compare a.mp4", f"compare: -m is missing; accepted: a bundled look ({LOOKS}), an .onnx file or a "
     "checkpoint; rotoscope looks describes them. Or give --like PAINTING without -m"),
    ("translate a.mp4 -m", "translate -m: a value is missing; rotoscope translate --help shows what is accepted"),
    ("info", "info: FILE is missing; rotoscope info --help shows what is accepted"),
    ("train cyclegan", "train cyclegan: --a is missing; rotoscope train cyclegan --help shows what is accepted"),
    ("doctor x", "x: not expected here; rotoscope doctor --help shows what is accepted"),
    ("export a.pth", "no name for the result; rotoscope export CHECKPOINT OUT.onnx"),
    ("translate a.mp4 -m starry --engine foo", "--engine foo; accepted: onnxruntime, openvino, tensorrt, torch"),
    ("translate a.mp4 -m starry --mix much", "--mix much; accepted: a number"),
    ("parity a b --frames 1.5", "--frames 1.5; accepted: a whole number"),
    ("--log-level loud looks", "--log-level loud; accepted: debug, info, warning, error"),
    ("looks --log-level", "--log-level without a value; accepted: debug, info, warning, error"),
])  # fmt: skip
def test_what_is_missing_or_wrong_is_named(words, answer, here, rotoscope_main):
    assert said(rotoscope_main, words) == answer


def test_no_control_character_of_a_word_reaches_the_terminal(here, rotoscope_main):
    for words in (
        ["\x1b[31m"],
        ["info", "--\x1b[31m"],
        ["translate", "a", "-m", "\x1b[31m"],
        ["looks", "--log-level", "\x1b"],
    ):
        for more in ([], ["--debug"]):
            code, _, err = rotoscope_main(*words, *more)
            assert code != 0 and "\x1b" not in err


def test_no_control_character_of_an_exception_or_a_message_reaches_the_terminal(rotoscope_main, monkeypatch):
    import logging

    import rotoscope
    from rotoscope.base.errors import InputRefused

    for error in (InputRefused("a\x1b[31m\nb"), ValueError("a\x1b]0;x\x07"), OSError(5, "a\x1b", "b\x1b")):

        def fail(*_words, error=error, **_options):
            logging.getLogger("rotoscope.x").warning("note \x1b[2J")
            raise error

        monkeypatch.setattr(rotoscope, "translate", fail)
        for flags in ([], ["--debug"]):
            code, _, err = rotoscope_main("translate", "a.mp4", "-m", "starry", *flags)
            assert code in (1, 3) and "\x1b" not in err and "\x07" not in err and "note ?[2J" in err
