"""The options of a translation: four values and their keywords agree, and each refuses what it cannot use."""

from dataclasses import FrozenInstanceError, fields
from typing import get_args, get_type_hints

import numpy as np
import pytest

from rotoscope.base.errors import UsageError
from rotoscope.base.limits import plain_type
from rotoscope.base.nearest import nearest
from rotoscope.base.option_checks import Range, check_known
from rotoscope.base.option_keywords import (
    ModelKeywords,
    OutputKeywords,
    SourceKeywords,
    SteadyKeywords,
    TranslateKeywords,
)
from rotoscope.base.options import (
    TRANSLATE_VALUES,
    ModelOptions,
    OutputOptions,
    SourceOptions,
    SteadyOptions,
    check_options,
    options_from,
)
from rotoscope.cli.options import field_docs

# What keeps the reach of hypercon small at a limit of another option.
REACHABLE = {("window", 64): {"dilation": 1}, ("dilation", 64): {"window": 1}}

PAIRS = [
    (SourceOptions, SourceKeywords, set()),
    (ModelOptions, ModelKeywords, {"engine"}),  # some functions also take it as an object
    (SteadyOptions, SteadyKeywords, set()),
    (OutputOptions, OutputKeywords, set()),
]


@pytest.mark.parametrize(("kind", "keywords", "left_out"), PAIRS)
def test_the_keywords_are_the_fields_with_the_same_types(kind, keywords, left_out):
    hints = get_type_hints(kind)
    assert get_type_hints(keywords) == {name: hint for name, hint in hints.items() if name not in left_out}
    assert not keywords.__required_keys__


def test_no_two_values_have_a_field_in_common():
    names = [field.name for kind in TRANSLATE_VALUES for field in fields(kind)]
    assert len(names) == len(set(names))
    assert set(get_type_hints(TranslateKeywords)) == set(names) - {"engine"}


@pytest.mark.parametrize("kind", TRANSLATE_VALUES)
def test_every_field_has_a_default_and_a_docstring(kind):
    kind()
    docs = field_docs(kind)
    for field in fields(kind):
        assert docs[field.name].endswith("."), field.name


@pytest.mark.parametrize("kind", TRANSLATE_VALUES)
def test_a_value_is_frozen_hashable_and_equal_to_its_like(kind):
    value = kind()
    with pytest.raises(FrozenInstanceError):
        setattr(value, fields(kind)[0].name, None)
    assert {value: 1}[kind()] == 1


@pytest.mark.parametrize(("kind", "name", "value", "accepted"), [
    (SteadyOptions, "keyframes", True, "a whole number"),
    (SteadyOptions, "keyframes", 1.0, "a whole number"),
    (SteadyOptions, "keyframes", "1", "a whole number"),
    (SteadyOptions, "keyframes", None, "a whole number"),
    (SteadyOptions, "keyframes", 0, "accepted: 1 to 1000"),
    (SteadyOptions, "insert", -1, "accepted: 0 to 63"),
    (SteadyOptions, "window", 0, "accepted: 1 to 64"),
    (SteadyOptions, "dilation", 0, "accepted: 1 to 64"),
    (SteadyOptions, "strength", "0.5", "a number"),
    (SteadyOptions, "strength", True, "a number"),
    (SteadyOptions, "strength", None, "a number"),
    (SteadyOptions, "strength", float("nan"), "0 (as off) to 1"),
    (SteadyOptions, "strength", 1.01, "0 (as off) to 1"),
    (SteadyOptions, "steady", "very", "off, blend, ramp, hypercon"),
    (SteadyOptions, "steady", False, "off, blend, ramp, hypercon"),
    (SteadyOptions, "pool", None, "mean, median, weighted"),
    (SteadyOptions, "flow", 3, "text"),
    (SourceOptions, "start", "0", "a number"),
    (SourceOptions, "start", float("nan"), "seconds"),
    (SourceOptions, "start", -1, "seconds"),
    (SourceOptions, "duration", float("inf"), "seconds"),
    (SourceOptions, "duration", -0.5, "seconds"),
    (SourceOptions, "rate", float("nan"), "0.001 to 1000"),
    (SourceOptions, "rate", 0, "0.001 to 1000"),
    (SourceOptions, "rate", "25", "a number"),
    (SourceOptions, "mask", 3, "text"),
    (SourceOptions, "start", 1e300, "0 to 1000000000 seconds"),
    (SourceOptions, "duration", 1e300, "1000000000 seconds"),
    (SourceOptions, "duration", 1e-300, "1e-06 to"),
    (SourceOptions, "start", 10**400, "0 to 1000000000 seconds"),
    (SteadyOptions, "keyframes", 10**30, "accepted: 1 to 1000"),
    (SteadyOptions, "insert", 1_000_000_000, "accepted: 0 to 63"),
    (SteadyOptions, "window", 1_000_000_000, "accepted: 1 to 64"),
    (SteadyOptions, "dilation", 1_000_000_000, "accepted: 1 to 64"),
    (SteadyOptions, "strength", float("-inf"), "0 (as off) to 1"),
    (ModelOptions, "multiple", 0, "accepted: 1 to 1024"),
    (ModelOptions, "multiple", 10**9, "accepted: 1 to 1024"),
    (ModelOptions, "style", 10**30, "accepted: 0 to"),
    (ModelOptions, "input_range", (1, 1), "two different numbers"),
    (ModelOptions, "output_range", (0, 0), "two different numbers"),
    (ModelOptions, "output_range", (0, 1e-320), "two different numbers"),
    (ModelOptions, "output_range", (0, 1e300), "two numbers"),
    (ModelOptions, "output_range", (0, 10**400), "two numbers"),
    (ModelOptions, "input_range", (float("-inf"), 1), "two numbers"),
    (ModelOptions, "engine", "tensorflow", "onnxruntime, openvino"),
    (ModelOptions, "precision", "fp64", "fp32, tf32, fp16, bf16"),
    (ModelOptions, "fit", "squeeze", "pad, crop, stretch"),
    (ModelOptions, "compiled", 1, "True or False"),
    (ModelOptions, "multiple", True, "a whole number"),
    (ModelOptions, "multiple", 8.0, "a whole number"),
    (ModelOptions, "style", True, "a whole number from 0 on, a blend such as 3:0.5,12:0.5, a picture, or a .npy file"),
    (ModelOptions, "style", -1, "a whole number from 0 on"),
    (ModelOptions, "style", "1.5", ".npy"),
    (ModelOptions, "hints", "direction=BtoA", "a tuple of texts"),
    (ModelOptions, "hints", (1,), "a tuple of texts"),
    (ModelOptions, "input_range", (0, 1, 2), "two numbers"),
    (ModelOptions, "input_range", "0,1", "two numbers"),
    (ModelOptions, "input_range", (0, "1"), "two numbers"),
    (ModelOptions, "output_range", (0, float("nan")), "two numbers"),
    (OutputOptions, "mix", float("nan"), "0 (none of the source) to 1"),
    (OutputOptions, "mix", "0.5", "a number"),
    (OutputOptions, "compare", "yes", "True or False"),
    (OutputOptions, "overwrite", 1, "True or False"),
    (OutputOptions, "encoder_options", "crf=23", "a tuple of texts"),
    (OutputOptions, "codec", 264, "text"),
])  # fmt: skip
def test_a_wrong_value_is_refused_with_what_is_accepted(kind, name, value, accepted):
    with pytest.raises(UsageError) as error:
        kind(**{name: value})
    text = str(error.value)
    assert text.startswith(f"{name}=") and accepted in text and "\n" not in text


@pytest.mark.parametrize("kind", TRANSLATE_VALUES)
def test_every_number_has_limits(kind):
    """A field that may be a number has limits in its type, so that no value is too large for what follows."""
    for name, annotated in get_type_hints(kind, include_extras=True).items():
        plain, limits = plain_type(annotated)
        kinds = get_args(plain) or (plain,)
        if {int, float} & set(kinds) and plain is not Range:
            assert limits is not None, name
            for value in (limits.least, limits.most):
                kind(**{name: int(value) if int in kinds else value}, **REACHABLE.get((name, value), {}))
            for value in (float("nan"), float("inf"), float("-inf"), 1e300, -1e300, 10**400, -(10**400)):
                with pytest.raises(UsageError) as error:
                    kind(**{name: value})
                assert len(str(error.value)) < 600


def test_window_dilation_and_inserted_frames_are_checked_together():
    with pytest.raises(
        UsageError, match=r"^window=64 with dilation=64 and insert=3 reaches 1024 frames to either side; "
    ):
        SteadyOptions(window=64, dilation=64)
    assert SteadyOptions(window=64, dilation=64, insert=63).window == 64


@pytest.mark.parametrize(("kind", "values"), [
    (SteadyOptions, {"strength": 1}), (SteadyOptions, {"strength": np.float32(0.5)}),
    (SteadyOptions, {"keyframes": np.int64(2)}),
    (SourceOptions, {"start": 0, "duration": 2}), (ModelOptions, {"hints": ["direction=BtoA"]}),
    (ModelOptions, {"input_range": [0, 255]}), (ModelOptions, {"style": 7}), (ModelOptions, {"style": "a.npy"}),
])  # fmt: skip
def test_other_kinds_of_number_and_lists_are_taken(kind, values):
    kind(**values)


def test_an_unknown_keyword_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match=r"^unknown option stregth; did you mean strength\?$"):
        check_options({"stregth": 1})
    with pytest.raises(UsageError, match=r"^unknown option lut; accepted: ahead, alpha, audio, channel_order, "):
        check_options({"lut": 1})
    check_known({"model": 1}, SourceOptions, also=("model",))


def test_a_value_takes_the_keywords_that_are_its_own():
    assert options_from(SourceOptions, {"rate": 30, "mix": 0.5}) == SourceOptions(rate=30)


@pytest.mark.parametrize(("word", "near"), [
    ("stregth", "strength"), ("working-siz", "working_size"), ("--overwite", "overwrite"), ("work", "working_size"),
    ("lut", None), ("quiet", None), ("out", None), ("", None), ("o", None), ("output", None),
])  # fmt: skip
def test_a_poor_match_is_no_suggestion(word, near):
    known = ["strength", "working_size", "overwrite", "layout", "insert", "output_size", "output_range"]
    assert nearest(word, known) == near
