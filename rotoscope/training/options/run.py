"""Options of a run, whatever system is trained."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from rotoscope.base.limits import Within
from rotoscope.base.option_checks import check_fields
from rotoscope.training.options.ranges import Steps
from rotoscope.training.options.system import as_paths


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options of a run, whatever system is trained.

    Attributes
    ----------
    out
        Folder of the run, new or empty: checkpoints, log, samples, run.html, and the weights as .safetensors.
    steps
        Stop after this many steps. --epochs or --iterations set the learning-rate schedule and the largest number (default).
    seed
        Seed of initial weights, data order and all random draws.
    accumulate
        Add the gradients of this many batches for one step; equals a batch that many times larger, except for batch norm.
    workers
        Processes that read pictures; 0 reads in the training process.
    device
        cpu, cuda or mps; auto takes the best available.
    devices
        Number of devices; torchrun decides if it started this process.
    precision
        fp32; or bf16 or fp16 for the networks' arithmetic, with weights in fp32.
    channels_last
        Store pictures interleaved (NHWC): faster convolutions on many GPUs.
    compile
        Compile networks with torch.compile: one to two minutes at the start, then faster steps; needs a C++ compiler on a CPU.
    ema
        Write a running average of the generators, with this weight of the past, such as 0.999; 0 writes them as they are.
    log_every
        Steps between rows of the log.
    sample_every
        Steps between sample grids.
    save_every
        Steps between checkpoints; each also updates the weights in the folder.
    keep
        Number of checkpoints to keep.
    best_by
        A loss term: the weights with its lowest mean between two checkpoints are kept in `best`.

    """

    out: Path
    steps: Annotated[int | None, Within(1, 1_000_000_000)] = None
    seed: Annotated[int, Within(0, 2**63 - 1)] = 0
    accumulate: Annotated[int, Within(1, 100_000, "batches")] = 1
    workers: Annotated[int, Within(0, 256, "processes")] = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: Annotated[int, Within(1, 1024)] = 1
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    channels_last: bool = False
    compile: bool = False
    ema: Annotated[float, Within(0, 1 - 1e-9, accepted="0 (none) or a weight below 1, such as 0.999")] = 0.0
    log_every: Steps = 20
    sample_every: Steps = 500
    save_every: Steps = 1000
    keep: Annotated[int, Within(1, 1_000_000)] = 3
    best_by: str = ""

    def __post_init__(self) -> None:
        check_fields(self)
        as_paths(self)
