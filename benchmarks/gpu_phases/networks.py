"""The networks that are timed: those of the painted looks, and a ResNet of nine blocks with random weights."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rotoscope.assembly.engines import make_engine
from rotoscope.assembly.models import model_path
from rotoscope.base.engine import Engine
from rotoscope.base.manifest import Manifest
from rotoscope.runtime.models.model_file import open_model

LOOK = "starry"  # the networks of the painted looks are one architecture
PAINTED = ("starry", "scream")


def network_path(look: str) -> Path:
    """Return the file of the network of a painted look, without the look's finish."""
    return Path(model_path(look)).parent / "networks" / f"{look}.onnx"


def has_cuda_torch() -> bool:
    """Whether torch is installed and finds a GPU."""
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())


def has_cuda_onnxruntime(*, simulated: bool) -> bool:
    """Whether ONNX Runtime is installed with its CUDA provider; the simulated machine has it."""
    if importlib.util.find_spec("onnxruntime") is None:
        return False
    if simulated:
        return True
    from rotoscope.runtime.engines.onnxruntime import providers

    return "CUDAExecutionProvider" in providers()


def look_module(look: str) -> Any:
    """Return the network of a painted look as a torch module with its weights."""
    import onnx
    import torch
    from onnx import numpy_helper

    from gpu_phases.painted_look import PaintedLook

    network = PaintedLook().eval()
    stored = {
        item.name.removeprefix("network."): numpy_helper.to_array(item)
        for item in onnx.load(network_path(look)).graph.initializer
    }
    network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in of_today(stored).items()})
    return network


def of_today(stored: dict[str, Any]) -> dict[str, Any]:
    """Return the weights of `starry` or `scream` under the names of `PaintedLook`.

    These files were trained with a pixel shuffle whose four phases were made equal afterwards: one phase of it, enlarged, is
    the same.
    """
    renamed = {
        "expand.0.weight": "narrow.0.weight",
        "expand.1.weight": "narrow.1.weight",
        "expand.1.bias": "narrow.1.bias",
    }
    one_phase = ("expand.1.weight", "expand.1.bias", "head.bias")
    weights = {name: array for name, array in stored.items() if not name.startswith("val_")}
    return {renamed.get(name, name): array[::4] if name in one_phase else array for name, array in weights.items()}


def resnet_module() -> Any:
    """Return CycleGAN's generator with nine blocks; the weights are random and the same in every run."""
    import torch

    from rotoscope.networks.resnet import ResnetGenerator

    torch.manual_seed(0)
    return ResnetGenerator().eval()


def resnet_checkpoint(folder: Path) -> Path:
    """Write the weights of `resnet_module` as a checkpoint."""
    import torch

    path = folder / "resnet9.pth"
    torch.save(resnet_module().state_dict(), path)
    return path


def engines_for_looks(look: str, *, simulated: bool) -> Iterator[tuple[str, Manifest, Callable[[], Engine]]]:
    """Yield every engine for a look on the GPU that is installed here: its name, the manifest of what it runs, how to make it.

    torch runs the networks of painted looks, without their finish.
    """
    file = open_model(model_path(look))
    if has_cuda_onnxruntime(simulated=simulated):
        yield "onnxruntime fp32", file.manifest, lambda: make_engine(file, engine="onnxruntime", device="cuda")
    if importlib.util.find_spec("tensorrt") is not None and not simulated:
        yield "tensorrt fp32", file.manifest, lambda: make_engine(file, engine="tensorrt", device="cuda")
    if simulated or not has_cuda_torch() or look not in PAINTED:
        return
    network = open_model(network_path(look))
    from rotoscope.export.graph import Graph

    for precision in ("fp32", "fp16"):  # tf32 is a choice of the whole process: not beside fp32
        graph = Graph(look_module(look), network.manifest)
        yield (
            f"torch {precision}",
            network.manifest,
            lambda graph=graph, precision=precision: make_engine(
                network, engine="torch", device="cuda", precision=precision, graph=graph
            ),
        )
