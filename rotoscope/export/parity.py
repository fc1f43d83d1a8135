"""Compare two forms of one network: both get the same inputs and the same state at every call.

A pair of forms is itself an engine, so random inputs or a translation of real frames can drive it. It returns the results of
the first form, runs the second form on the same arrays, and records the differences. A network with state is thus compared
step by step. The drift, when each form continues from its own state, is recorded too, without a bound: in a chaotic network
rounding errors grow to the size of the picture, so the drift is shown beside that of fp32 from fp64.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.device import CPU, Device
from rotoscope.base.engine import Engine, Tensors
from rotoscope.base.errors import ModelRefused
from rotoscope.base.manifest import Manifest
from rotoscope.export.recode import Arrays, in_common_units, recoded, restated
from rotoscope.metrics.difference import Difference
from rotoscope.runtime.models.golden import golden_inputs


@dataclass(frozen=True)
class Form:
    """One way to run a network; `precision` is that of its arithmetic or of its file, whichever is lower."""

    label: str
    manifest: Manifest
    engine: Engine
    precision: str


@dataclass(frozen=True)
class Bound:
    """The allowed difference of two forms.

    largest, mean  of the absolute difference, on outputs in [-1,1]
    psnr_db        least PSNR of 8-bit pictures, dB; used for reduced precision
    """

    largest: float | None = None
    mean: float | None = None
    psnr_db: float | None = None

    def __str__(self) -> str:
        if self.psnr_db is not None:
            return f"PSNR at least {self.psnr_db:g} dB"
        limits = {"max": self.largest, "mean": self.mean}
        return ", ".join(f"{name} {limit:g}" for name, limit in limits.items() if limit is not None)

    def allows(self, difference: Difference) -> bool:
        """Whether a difference is within every bound that is set."""
        return (
            (self.largest is None or difference.largest <= self.largest)
            and (self.mean is None or difference.mean <= self.mean)
            and (self.psnr_db is None or difference.psnr_db >= self.psnr_db)
        )


EXACT = Bound(largest=1e-3, mean=1e-5)
REDUCED = {
    "tf32": Bound(psnr_db=60.0),
    "uint8": Bound(psnr_db=50.0),
    "fp16": Bound(psnr_db=50.0),
    "bf16": Bound(psnr_db=40.0),
    "int8": Bound(psnr_db=34.0),
}
COARSENESS = ("fp64", "fp32", *REDUCED)
MAGNIFICATION = 4.0  # allowed difference of two forms over that of fp32 from fp64: engines sum in different orders
WORST_WARPING_RATIO = 1.02  # of the lower precision's E_warp to that of the higher one


def bound_for(a: Form, b: Form) -> Bound:
    """Return the bound of the lower of two precisions; pictures in uint8 count as a precision."""
    words = [a.precision, b.precision]
    words += ["uint8" for form in (a, b) if form.manifest.output.dtype == "uint8"]
    return REDUCED.get(max(words, key=COARSENESS.index), EXACT)


def is_coarser(a: Form, b: Form) -> bool:
    """Whether the first form is of lower precision than the second."""
    return COARSENESS.index(a.precision) > COARSENESS.index(b.precision)


class Runner:
    """Calls a form and allocates its outputs; the engine is asked for shapes once for each set of input shapes."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.state: Arrays = {}  # of a run on its own
        self._shapes: dict[tuple[Any, ...], dict[str, tuple[int, ...]]] = {}

    def call(self, inputs: Tensors, state: Tensors) -> Arrays:
        """Run once; return all outputs by name, state included, in the order of the manifest."""
        manifest, engine = self.form.manifest, self.form.engine
        key = tuple(array.shape for array in (*inputs.values(), *state.values()))
        if key not in self._shapes:
            self._shapes[key] = engine.shapes(inputs, state)
        shapes = self._shapes[key]
        fp64 = self.form.precision == "fp64"
        out = {
            name: np.empty(shapes[name], manifest.output.dtype if name == manifest.output.tensor else "float32")
            for name in manifest.outputs
        }
        out_state = {
            tensor.output: np.empty(shapes[tensor.output], "float64" if fp64 else tensor.dtype)
            for tensor in manifest.state
            if tensor.output in shapes
        }
        engine.run(inputs, state, out, out_state)
        return {**out, **out_state}

    def step(self, inputs: Tensors) -> NDArray[np.generic]:
        """Run once from this runner's own state, and update that state; return the first output."""
        made = self.call(inputs, self.state)
        manifest = self.form.manifest
        self.state = {tensor.input: made[tensor.output] for tensor in manifest.state if tensor.output in made}
        return made[manifest.outputs[0]]


class Pair:
    """Runs two forms of one network as one engine that returns the results of the first form.

    differences      by output, state included, over all calls
    drift            for each call since the last reset of the state: the largest difference of the first output when each form
                     continues from its own state
    reference_drift  the same between the first form and `reference`
    rounding_ratio   what `measure_rounding` found; None before it
    """

    def __init__(self, a: Form, b: Form, *, reference: Form | None = None) -> None:
        check_comparable(a, b)
        self.a, self.b = a, b
        self.bound = bound_for(a, b)
        self.description = f"{a.engine.description} beside {b.engine.description}"
        self.differences: dict[str, Difference] = {}
        self.drift: list[float] = []
        self.reference_drift: list[float] = []
        self.rounding_ratio: float | None = None
        self._runners = Runner(a), Runner(b)
        self._free = [Runner(form) for form in (b, reference) if form is not None] if a.manifest.state else []
        self._left: Arrays = {}

    @property
    def device(self) -> Device:
        """The CPU: both forms are given NumPy arrays, wherever they run."""
        return CPU

    @property
    def is_within(self) -> bool:
        """Whether every output is within the bound, or those beyond it differ no more than rounding makes them."""
        if self.rounding_ratio is not None:
            return self.rounding_ratio <= MAGNIFICATION
        return all(self.bound.allows(difference) for difference in self.differences.values())

    @property
    def allowed(self) -> str:
        """The bound that decided, such as "max 0.001, mean 1e-05"; with the ratio of `measure_rounding` where that decided."""
        if self.rounding_ratio is None:
            return str(self.bound)
        return (
            f"{self.bound}, or {MAGNIFICATION:g} times the difference of the network in fp32 from fp64: "
            f"it is {self.rounding_ratio:.2g} times that"
        )

    @property
    def first(self) -> Difference:
        """The difference of the first output: the picture, of a network that makes pictures."""
        return next(iter(self.differences.values()))

    @property
    def found(self) -> str:
        """The largest difference of all outputs in the unit of the bound, such as "max 1.2e-06, mean 3.0e-08"."""
        if self.bound.psnr_db is not None:
            return f"PSNR {min(difference.psnr_db for difference in self.differences.values()):.1f} dB"
        mean = max(difference.mean for difference in self.differences.values())
        return f"max {self.largest:.1e}, mean {mean:.1e}"

    @property
    def largest(self) -> float:
        """The largest difference of all outputs."""
        return max(difference.largest for difference in self.differences.values())

    def shapes(self, inputs: Tensors, state: Tensors) -> dict[str, tuple[int, ...]]:
        """Return the output shapes of the first form."""
        return self.a.engine.shapes(inputs, state)

    def run(self, inputs: Tensors, state: Tensors, out: Tensors, out_state: Tensors) -> None:
        """Call both forms and record their differences; raises ModelRefused if an output differs in size."""
        before = {name: np.asarray(tensor) for name, tensor in state.items()}
        ours, theirs = self.a.manifest, self.b.manifest
        made = self._runners[0].call(inputs, before)
        beside = self._runners[1].call(recoded(inputs, ours, theirs), restated(before, ours, theirs))
        for (name, a), b in zip(made.items(), beside.values(), strict=True):
            if a.size != b.size:
                raise ModelRefused(
                    f"{self.a.label} and {self.b.label} are not forms of the same network: {name} is {a.shape} and {b.shape}"
                )
            if name not in self.differences:
                is_picture = name == ours.output.tensor and ours.output.content == "picture"
                self.differences[name] = Difference(name, is_picture)
            self.differences[name].add(*in_common_units(name, a, ours, b, theirs))
        if self._free:
            self._let_drift(inputs, before, made)
        for name, array in (*out.items(), *out_state.items()):
            np.copyto(np.asarray(array), made[name])

    def _let_drift(self, inputs: Tensors, state: Tensors, made: Arrays) -> None:
        """Run each form from its own state; after a reset, from the given state."""
        ours = self.a.manifest
        goes_on = self._left.keys() == state.keys() and all(
            np.array_equal(state[key], self._left[key]) for key in state
        )
        self._left = {tensor.input: made[tensor.output].copy() for tensor in ours.state if tensor.output in made}
        name = ours.outputs[0]
        for runner, drift in zip(self._free, (self.drift, self.reference_drift), strict=False):
            theirs = runner.form.manifest
            if not goes_on:
                drift.clear()
                runner.state = restated(state, ours, theirs)
            a, b = in_common_units(name, made[name], ours, runner.step(recoded(inputs, ours, theirs)), theirs)
            drift.append(float(np.abs(a - b).max()))


def run_random(pair: Pair, *, height: int, width: int, batch: int = 1, calls: int = 1, seed: int = 0) -> None:
    """Call a pair `calls` times with random inputs; a network with state starts from a random state.

    height, width  pixels, rounded up to what both forms take
    """
    manifest = pair.a.manifest
    height, width = common_size(manifest, pair.b.manifest, height, width)
    state: Arrays = {}
    for number in range(calls):
        drawn = [
            golden_inputs(manifest, seed=seed + number * batch + item, height=height, width=width)
            for item in range(batch)
        ]
        inputs = stacked([item for item, _ in drawn])
        state = state or stacked([item for _, item in drawn])
        shapes = pair.shapes(inputs, state)
        out_state = {
            tensor.output: np.empty(shapes[tensor.output], tensor.dtype)
            for tensor in manifest.state
            if tensor.output in shapes
        }
        pair.run(inputs, state, {}, out_state)
        state |= {tensor.input: out_state[tensor.output] for tensor in manifest.state if tensor.output in out_state}


def common_size(a: Manifest, b: Manifest, height: int, width: int) -> tuple[int, int]:
    """Return (height, width) rounded up to what both forms take; the only size that one of them takes, if there is one.

    A file may need larger pictures than its checkpoint says: an export finds out from which size on it runs.
    """
    fixed = a.frame.fixed_size or b.frame.fixed_size
    if fixed is not None:
        return fixed[1], fixed[0]
    minimum = max(a.frame.minimum, b.frame.minimum)
    multiple = math.lcm(a.frame.multiple, b.frame.multiple)
    height, width = (-(-max(side, minimum) // multiple) * multiple for side in (height, width))
    return height, width


def measure_rounding(pair: Pair, rounding: Pair) -> None:
    """Set `pair.rounding_ratio`, by which a pair beyond its bound is judged.

    rounding  the network in fp32 and in fp64, after the same inputs
    The ratio is the mean difference of the pair over that of `rounding`, the largest of all outputs beyond the bound.
    Networks with gates and warps magnify rounding errors, so two correct forms of such a network can exceed the bound.
    """
    pair.rounding_ratio = max(
        difference.mean / own.mean if 0 < own.mean < math.inf else math.inf
        for difference, own in zip(pair.differences.values(), rounding.differences.values(), strict=True)
        if not pair.bound.allows(difference)
    )


def stacked(items: list[Arrays]) -> Arrays:
    """Join the inputs of several calls to one batch; inputs without a batch dimension are taken from the first call."""
    return {
        name: np.concatenate([item[name] for item in items]) if items[0][name].ndim else items[0][name]
        for name in items[0]
    }


def check_comparable(a: Form, b: Form) -> None:
    """Raise ModelRefused unless both forms have the same inputs, outputs and state; layout, order and dtype may differ."""

    def roles(manifest: Manifest) -> dict[str, Any]:
        frame = manifest.frame
        return {
            "kind": manifest.kind,
            "window": frame.window,
            "label map": frame.labels,
            "mask": manifest.mask is not None,
            "instances": manifest.instances is not None,
            "style": manifest.style and manifest.style.shape,
            "number": manifest.number and manifest.number.what,
            "outputs": len(manifest.outputs),
            "state": tuple(tensor.shape for tensor in manifest.state),
            "scale": manifest.output.scale,
        }

    ours, theirs = roles(a.manifest), roles(b.manifest)
    different = [name for name in ours if ours[name] != theirs[name]]
    if different:
        name = different[0]
        raise ModelRefused(
            f"{a.label} and {b.label} are not forms of the same network: {name} is {ours[name]!r} and {theirs[name]!r}"
        )
