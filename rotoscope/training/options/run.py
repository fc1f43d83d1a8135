"""How a run is carried out, whatever is trained."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rotoscope.base.errors import UsageError
from rotoscope.training.options.limits import at_least


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a run is carried out, whatever is trained.

    Attributes
    ----------
    out
        Folder of the run: checkpoints, log, samples, run.html and, at the end, the weights.
    steps
        Stop after this many steps; by default at the published length.
    seed
        Of initial weights, data order and everything drawn.
    accumulate
        Gradients of this many batches make one step: that of a batch as many times as large, but for batch norm.
    workers
        Processes that read pictures.
    device
        cpu, cuda or mps; by default the best there is.
    devices
        How many of them; torchrun decides if it started this.
    precision
        fp32; bf16 or fp16 where a network's arithmetic allows it, with fp32 weights.
    channels_last
        Keep pictures interleaved in memory: faster convolutions on most devices.
    compile
        Compile networks with torch.compile: a minute or two at first, then faster steps; on a CPU it needs a C++ compiler.
    ema
        Weight of the past in a running average of the generators, such as 0.999, which then is the result; 0 is none.
    log_every
        Steps between rows of the log.
    sample_every
        Steps between sample grids.
    save_every
        Steps between checkpoints.
    keep
        How many checkpoints stay.
    best_by
        A loss term: the weights with its lowest mean between two checkpoints are kept in `best`.

    """

    out: Path
    steps: int | None = None
    seed: int = 0
    accumulate: int = 1
    workers: int = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: int = 1
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    channels_last: bool = False
    compile: bool = False
    ema: float = 0.0
    log_every: int = 20
    sample_every: int = 500
    save_every: int = 1000
    keep: int = 3
    best_by: str = ""

    def __post_init__(self) -> None:
        for name in ("accumulate", "devices", "log_every", "sample_every", "save_every", "keep"):
            at_least(self, name, 1)
        at_least(self, "workers", 0)
        if self.steps is not None:
            at_least(self, "steps", 1)
        if not 0 <= self.ema < 1:
            raise UsageError(f"--ema {self.ema}; accepted: 0 (none) or a weight below 1, such as 0.999")
