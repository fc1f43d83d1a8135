"""The loop that others run: torch eager, flow of OpenCV on the CPU, grid_sample, and every picture copied to the host."""

from collections.abc import Iterable, Iterator
from typing import Any

import cv2
import numpy as np
import torch
from torch.nn.functional import grid_sample, interpolate

STRENGTH = 0.7


class PeersLoop:
    """Translates (H,W,3) uint8 RGB pictures one after the other; with `steady`, mixes in the last result along the flow."""

    def __init__(self, network: Any, device: str, *, steady: bool, working: tuple[int, int] | None) -> None:
        self._half, self._device = device == "cuda", device
        self._network = network.to(device).eval()
        self._steady, self._working = steady, working  # (height, width)
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._grey: Any = None
        self._past: Any = None

    @torch.inference_mode()
    def frames(self, pictures: Iterable[Any]) -> Iterator[Any]:
        """Yield the translated pictures as they are made."""
        for picture in pictures:
            given = torch.from_numpy(picture).to(self._device).permute(2, 0, 1)[None].float() / 127.5 - 1
            size = given.shape[2:]
            small = given if self._working is None else interpolate(given, self._working, mode="area")
            with torch.autocast(self._device, torch.float16, enabled=self._half):
                made = self._network(small)
            made = interpolate(made.float(), size, mode="bicubic", align_corners=False)
            if self._steady:
                made = self._mixed(made, cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
            octets = ((made[0] + 1) * 127.5).clamp(0, 255).byte().permute(1, 2, 0)
            yield octets.cpu().numpy()

    def _mixed(self, made: torch.Tensor, grey: Any) -> torch.Tensor:
        before, self._grey = self._grey, grey
        if before is not None:
            height, width = grey.shape
            shrunk = [cv2.resize(g, (width // 2, height // 2), interpolation=cv2.INTER_AREA) for g in (grey, before)]
            flow = cv2.resize(self._flow.calc(*shrunk, None), (width, height)) * 2
            y, x = torch.meshgrid(
                torch.arange(height, device=self._device), torch.arange(width, device=self._device), indexing="ij"
            )
            there = torch.stack([x, y], -1) + torch.from_numpy(flow).to(self._device)
            grid = there * (2 / torch.tensor([width - 1, height - 1], device=self._device)) - 1
            moved = grid_sample(self._past, grid[None], mode="bicubic", padding_mode="border", align_corners=True)
            made = (1 - STRENGTH) * made + STRENGTH * moved
        self._past = made
        return made


def rgb_pictures(width: int, height: int, num_frames: int) -> Iterator[Any]:
    """Yield generated frames as RGB, converted on the CPU as the loop's decoder would."""
    from rotoscope.runtime.media.open_source import open_source

    with open_source(f"synthetic:{width}x{height}@60:{num_frames}") as source:
        for frame in source:
            planes = [plane.ravel() for plane in frame.source.planes]
            yield cv2.cvtColor(np.concatenate(planes).reshape(height * 3 // 2, width), cv2.COLOR_YUV2RGB_I420)
