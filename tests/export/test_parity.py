"""What parity reports is known in advance here: both forms are a few lines of NumPy."""

import math

import numpy as np
import pytest

from rotoscope.base.errors import ModelRefused
from rotoscope.base.manifest import FrameInput, FrameOutput, Manifest, StateTensor
from rotoscope.export.parity import Form, Pair, common_size, measure_rounding, run_random
from rotoscope.metrics.difference import Difference


class NumpyEngine:
    """`function(frame, state)` -> (picture, next state), on arrays."""

    description = "numpy"

    def __init__(self, manifest, function):
        self.manifest, self.function = manifest, function

    def run(self, inputs, state, out, out_state):
        picture, following = self.function(inputs[self.manifest.frame.tensor], next(iter(state.values()), None))
        for array in out.values():
            array[...] = picture
        for array in out_state.values():
            array[...] = following

    def shapes(self, inputs, state):
        shape = inputs[self.manifest.frame.tensor].shape
        return {self.manifest.output.tensor: shape} | {t.output: shape for t in self.manifest.state}


def form(
    function, *, precision="fp32", names=("frame", "picture"), frame=None, output=None, recurrent=False, label="a"
):
    state = (StateTensor(input="was", output="is", shape=("N", 3, "H", "W")),) if recurrent else ()
    manifest = Manifest(
        name="net",
        frame=FrameInput(tensor=names[0], **{"range": (-1, 1)} | (frame or {})),
        output=FrameOutput(tensor=names[1], **{"range": (-1, 1)} | (output or {})),
        state=state,
    )
    return Form(label, manifest, NumpyEngine(manifest, function), precision)


def identity(frame, state):
    return frame, None


def measured(a, b, **how):
    pair = Pair(a, b)
    run_random(pair, height=9, width=7, **how)
    return pair


# Statistics


def test_a_constant_difference_is_found_in_every_number():
    pair = measured(form(identity), form(lambda x, _: (x + np.float32(0.25), None)), calls=3)
    found = pair.differences["picture"]
    assert found.largest == pytest.approx(0.25, rel=1e-6) and found.mean == pytest.approx(0.25, rel=1e-6)
    assert found.percentile(50) == pytest.approx(0.25, rel=0.022)
    assert len(found.frame_largest) == 3 and not pair.is_within


def test_psnr_is_that_of_pictures_in_eight_bits():
    one_step = 2 / 255
    difference = Difference("picture", is_picture=True)
    a = np.zeros((1, 4, 4, 3)) + 1 / 255
    difference.add(a, a + one_step)
    assert difference.psnr_db == pytest.approx(20 * math.log10(255))
    difference.add(a, a + one_step / 1000)  # rounds to the same code values
    assert difference.frame_psnr_db[1] == math.inf
    assert difference.psnr_db == pytest.approx(20 * math.log10(255) + 10 * math.log10(2))


def test_percentiles_are_right_to_within_a_bin():
    difference = Difference("picture", is_picture=True)
    values = np.random.default_rng(0).exponential(1e-4, 100_000)
    difference.add(np.zeros(100_000), values)
    for percent in (50, 90, 99, 99.9):
        assert difference.percentile(percent) == pytest.approx(np.percentile(values, percent), rel=0.03)


def test_the_worst_frame_is_kept():
    difference = Difference("picture", is_picture=True)
    for size in (0.1, 0.7, 0.2):
        difference.add(np.zeros(8), np.full(8, size))
    assert difference.worst_frame == 1 and difference.worst[1][0] == 0.7


def test_what_is_not_a_number_is_beyond_every_bound():
    for precision in ("fp32", "int8"):
        pair = measured(form(identity), form(lambda x, _: (x * np.float32("nan"), None), precision=precision))
        assert not pair.is_within and pair.differences["picture"].largest == math.inf


# Bounds


@pytest.mark.parametrize(("precision", "bound"), [
    ("fp32", "max 0.001, mean 1e-05"), ("fp16", "PSNR at least 50 dB"), ("bf16", "PSNR at least 40 dB"),
    ("int8", "PSNR at least 34 dB"),
])  # fmt: skip
def test_the_bound_is_that_of_the_coarser_precision(precision, bound):
    a, b = form(identity, precision="fp32"), form(identity, precision=precision)
    assert str(Pair(a, b).bound) == str(Pair(b, a).bound) == bound


@pytest.mark.parametrize(("precision", "db"), [("fp16", 50), ("bf16", 40), ("int8", 34)])
def test_reduced_precision_may_lose_as_much_as_its_bound_and_no_more(precision, db):
    code_values = 16  # of difference, at as many places as make up the mean square
    share = 255**2 / 10 ** (db / 10) / code_values**2
    places = np.random.default_rng(1).permutation(3 * 90 * 70).reshape(1, 3, 90, 70)
    for factor, expected in ((0.9, True), (1.1, False)):
        off = (places < factor * share * places.size).astype(np.float32) * 2 / 255 * code_values
        noisy = form(lambda x, _, off=off: (x * 0 + 1 / 255 + off, None), precision=precision)
        pair = Pair(form(lambda x, _: (x * 0 + 1 / 255, None)), noisy)
        run_random(pair, height=90, width=70)
        assert pair.is_within is expected


# Codings


def test_forms_in_other_codings_are_compared_as_pictures():
    frame = {"range": (0, 255), "order": "BGR", "layout": "NHWC", "mean": (1, 2, 3), "std": (4, 5, 6)}
    output = {"range": (0, 1), "order": "BGR", "layout": "NHWC"}

    def decoded(x, _):
        return (x * np.float32([4, 5, 6]) + np.float32([1, 2, 3])) / 255, None  # in the order of the channels

    pair = measured(form(identity), form(decoded, names=("x", "y"), frame=frame, output=output))
    assert pair.differences["picture"].largest < 1e-6


def test_pictures_in_eight_bits_lead_so_that_both_forms_see_the_same(tmp_path):
    eight = {"layout": "NHWC", "range": (0, 255), "dtype": "uint8"}
    pair = measured(form(identity, frame=eight, output=eight), form(identity))
    assert pair.differences["picture"].largest < 1e-6 and str(pair.bound) == "PSNR at least 50 dB"


def test_networks_that_do_other_things_are_not_compared():
    with pytest.raises(
        ModelRefused, match=r"a and b are not forms of the same network: state is \(\('N', 3, 'H', 'W'\),\) and \(\)"
    ):
        Pair(form(identity, recurrent=True), form(identity, label="b"))


def test_several_inputs_go_through_at_once():
    seen = []

    def watched(x, _):
        seen.append(x.shape)
        return x, None

    measured(form(identity), form(watched, frame={"multiple": 4}), batch=2)
    assert set(seen) == {(2, 3, 12, 8)}


# State


def doubling(error):
    """A chaotic network in small: what is in the state doubles with every step, and so does every error."""
    return lambda x, was: (was * 2 + error + x * 0, was * 2 + error + x * 0)


def test_state_is_bounded_step_by_step_while_drift_grows_freely():
    pair = measured(form(doubling(0.0), recurrent=True), form(doubling(np.float32(1e-5)), recurrent=True), calls=6)
    # 20 %: rounding of values near 60
    assert pair.differences["picture"].frame_largest == pytest.approx([1e-5] * 6, rel=0.2)
    assert pair.drift == pytest.approx([1e-5 * (2**step - 1) for step in range(1, 7)], rel=0.2)


def test_drift_begins_anew_where_the_state_does():
    a, b = form(doubling(1.0), recurrent=True), form(doubling(1.5), recurrent=True)
    pair = Pair(a, b)
    run_random(pair, height=4, width=4, calls=3)
    run_random(pair, height=4, width=4, calls=2)
    assert pair.drift == pytest.approx([0.5, 1.5])


def test_drift_of_a_reference_stands_beside_it():
    a, b = (form(doubling(error), recurrent=True) for error in (0.0, 1.0))
    pair = Pair(a, b, reference=form(doubling(0.25), recurrent=True, precision="fp64"))
    run_random(pair, height=4, width=4, calls=2)
    assert pair.drift == pytest.approx([1, 3]) and pair.reference_drift == pytest.approx([0.25, 0.75])


# Sizes and rounding


def needs_128(frame, state):
    assert min(frame.shape[2:]) >= 128 and frame.shape[2] % 24 == frame.shape[3] % 24 == 0
    return frame, None


def test_random_inputs_have_a_size_that_both_forms_take():
    """A checkpoint does not know from which size on it runs; its export does."""
    plain, exported = form(identity, frame={"multiple": 8}), form(needs_128, frame={"minimum": 128, "multiple": 12})
    for a, b in ((plain, exported), (exported, plain)):
        assert measured(a, b).is_within
    assert common_size(plain.manifest, exported.manifest, 9, 150) == (144, 168)


def test_the_only_size_of_one_form_is_that_of_both():
    fixed = form(identity, frame={"width": 40, "height": 24})
    for a, b in ((form(identity), fixed), (fixed, form(identity))):
        assert common_size(a.manifest, b.manifest, 9, 7) == (24, 40)


def off_by(value):
    return measured(form(identity), form(lambda x, _: (x + np.float32(value), None)))


@pytest.mark.parametrize(("own", "is_within"), [(0.005, True), (0.002, False), (0.0, False), (math.nan, False)])
def test_a_network_that_magnifies_rounding_may_differ_by_four_times_its_own(own, is_within):
    pair = off_by(0.01)
    assert not pair.is_within
    measure_rounding(pair, off_by(own))
    assert pair.is_within == is_within
    assert "or 4 times the difference of the network in fp32 from fp64" in pair.allowed


def test_the_bound_that_decided_is_named():
    assert off_by(0.0).allowed == "max 0.001, mean 1e-05"
    pair = off_by(0.01)
    measure_rounding(pair, off_by(0.005))
    assert pair.allowed.endswith("it is 2 times that")
