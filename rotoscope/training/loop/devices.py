"""What a run trains on: devices, processes and precision, by Lightning Fabric."""

import os
import shutil
import sys

import torch
from lightning_fabric import Fabric
from lightning_fabric.loggers.tensorboard import TensorBoardLogger

from rotoscope.base.errors import UsageError
from rotoscope.training.options import RunOptions

# What torch.compile looks for on a CPU, unless CXX names another; elsewhere it is g++.
COMPILERS = {"darwin": "clang++", "win32": "cl"}
PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def make_fabric(run: RunOptions) -> Fabric:
    """Devices as the options say, or as torchrun says if it started this process."""
    local, world = (int(os.environ.get(name, run.devices)) for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"))
    if run.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: no CUDA device here; accepted: cpu, auto")
    if run.precision == "fp16" and (run.device in ("cpu", "mps") or not torch.cuda.is_available()):
        raise UsageError("--precision fp16 trains on CUDA devices alone; accepted here: bf16 or fp32")
    fabric = Fabric(
        accelerator=run.device,
        devices=local,
        num_nodes=world // local,
        strategy="ddp" if world > 1 else "auto",
        precision=PRECISIONS[run.precision],  # type: ignore[arg-type]
        loggers=TensorBoardLogger(root_dir=run.out, name="tensorboard", version=""),
    )
    compiler = os.environ.get("CXX") or COMPILERS.get(sys.platform, "g++")
    if run.compile and fabric.device.type == "cpu" and not shutil.which(compiler):
        raise UsageError(f"--compile needs a C++ compiler on a CPU; {compiler} was not found")
    return fabric
