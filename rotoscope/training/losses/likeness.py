"""How far a picture is from that of a teacher: by pixels, by the differences of neighbouring pixels, and by LPIPS."""

from pathlib import Path

from torch import Tensor
from torch.nn.functional import l1_loss

from rotoscope.base.errors import UsageError
from rotoscope.networks.lpips import Lpips, load_lpips


def frozen_lpips(path: Path | None, *, weight: float, option: str) -> Lpips | None:
    """Return LPIPS of SqueezeNet with the weights of a complete file; None if `weight` is 0.

    option  that names the file, for the error
    Raises UsageError if there is a weight and no file.
    """
    if not weight:
        return None
    if path is None:
        raise UsageError(
            f"--perceptual needs {option} FILE (LPIPS v0.1 of SqueezeNet, see docs/training.md), or --perceptual 0"
        )
    return load_lpips("squeeze", path).requires_grad_(False)


def likeness_terms(
    made: Tensor, target: Tensor, lpips: Lpips | None, *, pixels: float, gradients: float, perceptual: float
) -> dict[str, Tensor]:
    """Return the weighted terms for pictures and those of a teacher, both (N,3,H,W) in [-1,1].

    lpips      distance for the term `perceptual`; None leaves it out
    pixels, gradients, perceptual  weights
    """
    terms = {
        "pixels": pixels * l1_loss(made, target),
        "gradients": gradients * gradient_distance(made, target),
    }
    if lpips is not None:
        terms["perceptual"] = perceptual * lpips.to(made.device)(made, target).mean()
    return terms


def gradient_distance(one: Tensor, other: Tensor) -> Tensor:
    """Return the mean absolute difference of horizontal differences, plus that of vertical ones."""
    return l1_loss(one.diff(dim=-1), other.diff(dim=-1)) + l1_loss(one.diff(dim=-2), other.diff(dim=-2))
