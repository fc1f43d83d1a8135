"""Run a file without a description on a small picture, to decide what its graph does not show.

At most a dozen calls: sizes that work, the scale and layout of the output, and ranges that nothing in the graph shows.
"""

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.engine import Engine, EngineEnded
from rotoscope.base.errors import ModelRefused, RotoscopeError
from rotoscope.base.manifest import FrameInput, Manifest
from rotoscope.runtime.models.golden import coded, first_state, golden_inputs
from rotoscope.runtime.models.inferred import Inferred, settled
from rotoscope.runtime.models.model_file import ModelFile

F64 = NDArray[np.float64]
SIDE = 64  # pixels of the first call
MULTIPLES = (2, 4, 8, 16, 32, 64, 7, 14, 28, 12, 24)
FIXED_SIDES = (256, 512, 224, 384)  # tried if no other size works
MOST_SCALE = 16  # of an output
MOST_NUMBERS = 1 << 24  # in the output for a trial picture, which goes through a pipe; more for a large picture
FAR = 4.0  # an output beyond -4..4 is in 8-bit units


def is_worth_a_trial(file: ModelFile) -> bool:
    """Whether calls can show more about a file without a description: its size may vary, or something is a guess."""
    is_open = not file.manifest.frame.fixed_size or any(item.certainty == "a guess" for item in file.inferences)
    return bool(file.inferences) and not file.has_loop and file.manifest.kind == "translate" and is_open


def tried(file: ModelFile, engine: Engine) -> ModelFile:
    """The file with what calls on small pictures show; unchanged if the network cannot be called.

    Raises EngineEnded, and ModelRefused for an output that is far larger than the picture.
    """
    trial = _Trial(file, engine)
    if not trial.found_size():
        return file
    trial.read_output()
    trial.decide_ranges()
    return replace(file, manifest=trial.manifest, inferences=trial.items)


class _Trial:
    """One file on one engine. `manifest` and `items` hold what is known so far."""

    def __init__(self, file: ModelFile, engine: Engine) -> None:
        self.manifest, self.items = file.manifest, file.inferences
        self._name, self._engine = file.path, engine
        self._shape: tuple[int, ...] = ()
        self._size = (0, 0)  # (height, width) of the calls

    def found_size(self) -> bool:
        """Find a size that works, and the multiple that sides need; return whether there is one."""
        frame = self.manifest.frame
        is_given = not any(item.item == "multiple" for item in self.items)
        if frame.fixed_size or is_given:
            side = -(-SIDE // frame.multiple) * frame.multiple
            return self._works(frame.height or side, frame.width or side)
        for multiple in (frame.multiple, *(other for other in MULTIPLES if other > frame.multiple)):
            count = max(3, SIDE // multiple) | 1  # odd, so that a smaller multiple would not do
            if self._works(frame.height or count * multiple, frame.width or (count + 2) * multiple):
                if multiple != frame.multiple:
                    self._set("frame", multiple=multiple)
                    reason = "trial pictures whose sides are multiples of less did not work"
                    self.items = settled(self.items, "multiple", {"value": str(multiple), "reason": reason})
                return True
        for side in FIXED_SIDES:
            if not (frame.height or frame.width) and self._works(side, side):
                self._set("frame", height=side, width=side, multiple=1)
                reason = "the only size of trial pictures that worked"
                self.items = settled(
                    self.items, "size", {"value": f"{side}x{side} only", "reason": reason, "certainty": "likely"}
                )
                self.items = tuple(item for item in self.items if item.item != "multiple")
                return True
        return False

    def read_output(self) -> None:
        """Take layout, channels and scale of the output from the shape that it has."""
        output, shape = self.manifest.output, self._shape
        height, width = self._size
        layouts = (output.layout, "NHWC" if output.layout == "NCHW" else "NCHW")
        for layout in layouts:
            sides, channels = (shape[-2:], shape[-3]) if layout == "NCHW" else (shape[-3:-1], shape[-1])
            if channels in (1, 3, 4) and sides[0] >= height and sides[1] >= width:
                scale = min(MOST_SCALE, sides[0] // height)
                self._set("output", layout=layout, channels=channels, scale=scale)
                if not any(item.item == "scale" for item in self.items) and scale > 1:
                    self.items = (*self.items, Inferred("scale", str(scale), ""))
                reason = f"a picture of {width}x{height} gave {sides[1]}x{sides[0]}"
                self.items = settled(
                    self.items, "scale", {"value": str(scale), "reason": reason, "certainty": "certain"}
                )
                return

    def decide_ranges(self) -> None:
        """Decide ranges that are guesses by the values that come out."""
        kinds = {item.item: item.certainty for item in self.items}
        is_input_open = kinds.get("input range") == "a guess"
        if kinds.get("output range") != "a guess":
            return
        given = self.manifest.frame.range
        values = self._called(given)
        if values is None or np.ptp(values) == 0:
            return
        if is_input_open and self._treats_ranges_alike(values):
            reason = "the network treats all ranges alike"
            for item in ("input range", "output range"):
                self.items = settled(self.items, item, {"reason": reason, "certainty": "certain", "hint": ""})
            return
        low, high = (float(value) for value in np.percentile(values, (2, 98)))
        seen = f"a trial picture in {given[0]:g}..{given[1]:g} gave values from {low:.3g} to {high:.3g}"
        if max(abs(low), abs(high)) > FAR:
            self._found("output range", (0.0, 255.0), seen)
            if is_input_open:
                self._found("input range", (0.0, 255.0), f"that of its output: {seen}")
        elif low < -0.5 and high < 1.7:
            self._guessed("output range", (-1.0, 1.0), seen)
            if is_input_open:
                self._guessed("input range", (-1.0, 1.0), f"that of its output: {seen}")
        elif not is_input_open and given == (0.0, 255.0) and low > -0.3 and high < 1.7:
            self._guessed("output range", (0.0, 1.0), seen)

    def _treats_ranges_alike(self, values: F64) -> bool:
        """Whether the network gives the same picture in 0..255 and in -1..1 as it does in 0..1."""
        for span in ((0.0, 255.0), (-1.0, 1.0)):
            other = self._called(span)
            if other is None or abs((other - span[0]) / (span[1] - span[0]) - values).max() > 1e-3 * max(
                1.0, abs(values).max()
            ):
                return False
        return True

    def _found(self, item: str, span: tuple[float, float], reason: str) -> None:
        self._guessed(item, span, reason)
        self.items = settled(self.items, item, {"certainty": "likely"})

    def _guessed(self, item: str, span: tuple[float, float], reason: str) -> None:
        self._set("frame" if item == "input range" else "output", range=span)
        self.items = settled(self.items, item, {"value": f"{span[0]:g}..{span[1]:g}", "reason": reason})

    def _set(self, part: str, **change: Any) -> None:
        changed = getattr(self.manifest, part).model_copy(update=change)
        self.manifest = self.manifest.model_copy(update={part: changed})
        if part == "output":
            frame, output = self.manifest.frame, self.manifest.output
            keeps = frame.channels == 1 and output.channels == 1 and output.scale > 1
            self.manifest = self.manifest.model_copy(
                update={"output": output.model_copy(update={"keeps_colour": keeps})}
            )

    def _works(self, height: int, width: int) -> bool:
        """Whether a call at this size ends well, with an output that is at least as large."""
        self._size = height, width
        inputs, state = golden_inputs(self.manifest, seed=0, height=height, width=width)
        try:
            self._shape = self._engine.shapes(inputs, state)[self.manifest.output.tensor]
        except EngineEnded:
            raise
        except RotoscopeError:
            return False
        most = max(MOST_NUMBERS, 4 * MOST_SCALE**2 * height * width)
        if math.prod(self._shape) > most:
            raise ModelRefused(
                f"{self._name}: the output for a picture of {width}x{height} is {list(self._shape)}; accepted: at most "
                f"{most:,} numbers"
            )
        sides = [side for side in self._shape if side not in (1, 3, 4)] if len(self._shape) in (3, 4) else []
        scale = max(1, sides[0] // height) if sides else 0
        wanted = height * scale, width * scale
        return len(sides) >= 2 and any(
            all(0 <= made - side < 8 * scale for made, side in zip(pair, wanted, strict=True))
            for pair in pairwise(sides)
        )

    def _called(self, span: tuple[float, float]) -> F64 | None:
        """The output for the trial picture in this range, as float64; None if the call fails."""
        height, width = self._size
        inputs, state = golden_inputs(self.manifest, seed=0, height=height, width=width)
        frame: FrameInput = self.manifest.frame.model_copy(update={"range": span})
        inputs[frame.tensor] = coded(frame, [trial_picture(height, width)])
        manifest: Manifest = self.manifest
        out = {manifest.output.tensor: np.empty(self._shape, manifest.output.dtype)}
        try:
            self._engine.run(inputs, first_state(manifest, inputs, height, width) if state else {}, out, {})
        except EngineEnded:
            raise
        except Exception:  # of the engine; a real call reports it
            return None
        values = out[manifest.output.tensor].astype(np.float64)
        return values if np.isfinite(values).all() else None


def trial_picture(height: int, width: int) -> NDArray[np.float32]:
    """A picture (H,W,3) in [0,1]: slopes in colour, dark and light fields with edges, and a little noise."""
    rows, columns = np.mgrid[0:height, 0:width] / np.array([height, width])[:, None, None]
    picture = np.stack([columns, rows, 1 - (rows + columns) / 2], axis=2)
    picture[height // 8 : height // 3, width // 8 : width // 3] = 0
    picture[height // 2 : -height // 8, width // 2 : -width // 8] = 1
    noise = np.random.default_rng(0).normal(0, 0.03, picture.shape)
    return np.clip(picture + noise, 0, 1).astype(np.float32)
