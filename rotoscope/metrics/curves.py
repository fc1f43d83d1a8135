"""Measures of one video alone, result or reference, collected frame by frame."""

import math

import numpy as np
from numpy.typing import NDArray

from rotoscope.metrics.gradient_energy import gradient_energy
from rotoscope.metrics.lattice import LatticeShare, lattice_share
from rotoscope.metrics.mean_error import mean_error
from rotoscope.metrics.patch_consistency import PatchSearch, mean_psnr
from rotoscope.metrics.rgb_array import F32, RGB
from rotoscope.metrics.warping_error import PRINTED, Mask, around_hole, mean_over, temporal_loss, warping_difference


class Curves:
    """One value for each frame or each pair of neighbouring frames; one column of pixels of each frame is kept.

    with_patches  also compute patch consistency (`best_psnr`, `best_ssim`), which takes longer than everything else
    """

    def __init__(self, *, with_patches: bool) -> None:
        self.warping_error: list[float] = []  # of each pair; NaN without a visible pixel
        self.temporal_loss: list[float] = []  # of each pair
        self.best_psnr: list[float] = []  # of each pair in dB; empty unless with_patches
        self.best_ssim: list[float] = []  # of each pair; empty unless with_patches
        self.around_hole: list[float] = []  # warping error of each pair; NaN without a pixel near a hole
        self.psnr_at_hole: list[float] = []  # of each pair in dB; empty unless with_patches and holes
        self.energy: list[NDArray[np.float64]] = []  # (4,) of each frame
        self.lattice: list[LatticeShare] = []  # of each frame
        self.columns: list[RGB] = []  # (H,3) of each frame
        self._searches = (PatchSearch(), PatchSearch()) if with_patches else None
        self._flicker = np.zeros(())  # (H,W) sum over pairs of the squared warping difference
        self._times_seen = np.zeros(())  # (H,W) number of pairs in which a pixel is visible

    def add(self, picture: RGB, column_px: int) -> None:
        """Measure one frame."""
        self.energy.append(gradient_energy(picture))
        self.lattice.append(lattice_share(picture))
        self.columns.append(picture[:, column_px].copy())

    def add_pair(
        self, current: RGB, following: RGB, flow: F32, valid: Mask, holes: tuple[Mask, Mask] | None = None
    ) -> None:
        """Measure two neighbouring frames along the flow (H,W,2) of their source, where `valid` (H,W) is True.

        holes  of both frames, (H,W) bool, if they are inpainted
        """
        difference = warping_difference(current, following, flow)
        self.warping_error.append(mean_over(difference, valid))
        self.temporal_loss.append(temporal_loss(current, following, flow, valid))
        self._flicker = self._flicker + np.where(valid, difference, 0)
        self._times_seen = self._times_seen + valid
        if holes is not None:
            self.around_hole.append(mean_over(difference, valid & around_hole(*holes, flow)))
            if self._searches is not None:
                self.psnr_at_hole.append(self._searches[0].best_psnr(current, following, holes[0]))
        if self._searches is not None:
            self.best_psnr.append(self._searches[0].best_psnr(current, following))
            self.best_ssim.append(self._searches[1].best_ssim(current, following))

    def flicker(self) -> NDArray[np.float64]:
        """(H,W) RMS over time of the warping difference, pictures in [0,1]; NaN for pixels that are never visible."""
        with np.errstate(invalid="ignore"):
            return np.asarray(np.sqrt(self._flicker / self._times_seen))

    def summary(self) -> dict[str, float]:
        """One number of the whole video for each measure; E_warp is NaN if no pair has a visible pixel."""
        error = mean_error(self.warping_error).mean
        numbers = {
            "E_warp": error,
            "E_warp as printed": error * PRINTED,
            "temporal loss": float(np.mean(self.temporal_loss)),
        }
        picture, tiles = np.mean(self.lattice, axis=0) if self.lattice else (math.nan, math.nan)
        numbers |= {"lattice": float(picture), "lattice in tiles": float(tiles)}
        if self.best_psnr:
            numbers |= {"C_PSNR": mean_psnr(self.best_psnr), "C_SSIM": float(np.mean(self.best_ssim))}
        if self.around_hole:
            numbers["E_warp around the hole"] = mean_error(self.around_hole).mean
        if self.psnr_at_hole:
            numbers["C_PSNR at the hole"] = mean_psnr([value for value in self.psnr_at_hole if not math.isnan(value)])
        return numbers
