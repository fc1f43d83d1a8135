"""vid2vid (Wang et al. 2018): label maps to video; each frame is made from three label maps and the two frames before it.

The coarse generator encodes labels and previous frames, adds the features, and has two outputs: a raw picture (tanh), and a
flow (times 20) with a weight (sigmoid). Result = raw * weight + warp(newest frame, flow) * (1 - weight). An optional
separate network on the labels draws the foreground over it. Each finer generator does the same at twice the size, with
fewer layers, adds the coarser generator's features, and multiplies its flow by another factor of 2. Convolutions have a
bias also in front of batch norm; norms use the statistics of the frame.

| | width | levels | blocks | parameters |
|---|---|---|---|---|
| Cityscapes netG0, netG1, netG2 | 128, 64, 32 | 3, 1, 1 | 9, 3, 3 | 411,335,241 with foreground, 2,880,489, 859,641 |
| Cityscapes on one GPU, netG0 | 128 | 2 | 9 | 137,792,649 |
| faces, poses, netG0 | 128 | 3 | 9 | 364,996,230, 364,826,886 |
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from rotoscope.base.errors import ModelRefused
from rotoscope.networks.norms import norm_kind
from rotoscope.networks.resnet import ResidualBlock, down, head, numbers, tail, up
from rotoscope.networks.warps import warp_border

FLOW_SCALE = 20.0


class ScalePicture(NamedTuple):
    """Outputs of one scale.

    picture = drawn + carried * warp(newest frame, flow). Without flow in the model, flow is 0 and weight 1. The next finer
    scale takes `features`.
    """

    picture: Tensor
    flow: Tensor
    weight: Tensor
    raw: Tensor
    features: tuple[Tensor, ...]
    drawn: Tensor
    carried: Tensor


def ups(width: int, num_levels: int, norm: str) -> list[nn.Module]:
    """Return layers from width * 2**num_levels channels to `width`, doubling the size num_levels times."""
    layers: list[nn.Module] = []
    for level in reversed(range(num_levels)):
        layers += up(width * 2 ** (level + 1), width * 2**level, norm)
    return layers


def downs(in_channels: int, width: int, num_levels: int, norm: str) -> list[nn.Module]:
    """Return layers from the input to width * 2**num_levels channels, halving the size num_levels times."""
    layers = head(in_channels, width, norm)
    for level in range(num_levels):
        layers += down(width * 2**level, width * 2 ** (level + 1), norm)
    return layers


class ScaleGenerator(nn.Module):
    """Generator of one scale: labels (N,C,H,W), history (N,6,H,W), foreground mask (N,1,H,W), coarser features -> ScalePicture.

    Residual blocks of the coarse generator (`is_coarse`): half before and half after the sum of its two encoders. Those of
    a finer one are all in `model_up_*`, to whose input the coarser features are added. With `draws_classes` the picture is
    the probability of each class, and so is the history.
    """

    def __init__(
        self,
        label_channels: int,
        history_channels: int = 6,
        out_channels: int = 3,
        width: int = 128,
        num_levels: int = 3,
        num_blocks: int = 9,
        *,
        norm: str = "batch_by_frame",
        foreground_width: int = 0,
        has_flow: bool = True,
        is_coarse: bool = True,
        scale: int = 0,
        draws_classes: bool = False,
    ) -> None:
        super().__init__()
        wide = width * 2**num_levels

        def blocks(count: int, channels: int = wide) -> list[nn.Module]:
            return [ResidualBlock(channels, norm) for _ in range(count)]

        before = num_blocks - num_blocks // 2 if is_coarse else 0
        after = num_blocks // 2 if is_coarse else 0
        at_top = 0 if is_coarse else num_blocks
        self.model_down_seg = nn.Sequential(*downs(label_channels, width, num_levels, norm), *blocks(before))
        self.model_down_img = nn.Sequential(*downs(history_channels, width, num_levels, norm), *blocks(before))
        self.model_res_img = nn.Sequential(*blocks(after))
        self.model_up_img = nn.Sequential(*blocks(at_top), *ups(width, num_levels, norm))
        drawn = nn.Softmax(dim=1) if draws_classes else nn.Tanh()
        self.model_final_img = nn.Sequential(*tail(width, out_channels, drawn))
        self.has_flow = has_flow
        if has_flow:
            self.model_res_flow = nn.Sequential(*blocks(after))
            self.model_up_flow = nn.Sequential(*blocks(at_top), *ups(width, num_levels, norm))
            self.model_final_flow = nn.Sequential(*tail(width, 2))
            self.model_final_w = nn.Sequential(*tail(width, 1, nn.Sigmoid()))
        self.has_foreground = foreground_width > 0
        if self.has_foreground:
            top = foreground_width * 2**num_levels
            self.indv_down = nn.Sequential(*downs(label_channels, foreground_width, num_levels, norm))
            self.indv_res = nn.Sequential(*blocks(num_blocks if is_coarse else 0, top))
            self.indv_up = nn.Sequential(*blocks(at_top, top), *ups(foreground_width, num_levels, norm))
            self.indv_final = nn.Sequential(*tail(foreground_width, out_channels, nn.Tanh()))
        self.out_channels = out_channels
        self.flow_scale = FLOW_SCALE * 2**scale

    def forward(
        self, labels: Tensor, history: Tensor, mask: Tensor | None = None, coarser: tuple[Tensor, ...] = ()
    ) -> ScalePicture:
        both = self.model_down_seg(labels) + self.model_down_img(history)
        features = [self.model_up_img(plus(self.model_res_img(both), coarser, 0))]
        raw = self.model_final_img(features[0])
        flow, weight = torch.zeros_like(raw[:, :2]), torch.ones_like(raw[:, :1])
        if self.has_flow:
            features.append(self.model_up_flow(plus(self.model_res_flow(both), coarser, 1)))
            flow = self.model_final_flow(features[1]) * self.flow_scale
            weight = self.model_final_w(features[1])
        drawn, carried = raw * weight, 1 - weight
        if self.has_foreground:
            assert mask is not None, "a model with a foreground stream needs the foreground mask"
            features.append(self.indv_up(plus(self.indv_res(self.indv_down(labels)), coarser, -1)))
            foreground = self.indv_final(features[-1])
            drawn, raw = (foreground * mask + background * (1 - mask) for background in (drawn, raw))
            carried = carried * (1 - mask)
        picture = drawn
        if self.has_flow:
            picture = drawn + carried * warp_border(history[:, -self.out_channels :], flow)
        return ScalePicture(picture, flow, weight, raw, tuple(features), drawn, carried)


def plus(x: Tensor, coarser: tuple[Tensor, ...], index: int) -> Tensor:
    """Add the coarser scale's features number `index`, if there are any."""
    return x + coarser[index] if coarser else x


def half(x: Tensor) -> Tensor:
    """Halve the size by averages of 3x3 pixels; pixels outside are not counted."""
    return avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)


def pyramid(x: Tensor, num_scales: int) -> list[Tensor]:
    """Return the input at all scales, finest first."""
    levels = [x]
    while len(levels) < num_scales:
        levels.append(half(levels[-1]))
    return levels


class Vid2Vid(nn.Module):
    """vid2vid over all scales (Wang et al. 2018): (labels, state) -> (picture, state).

    labels   (N,3*L,H,W): encoded label maps (0 or 1) of frames t-2, t-1 and t, oldest first; with `input` lines, drawing or
             drawings 1, 3 or 6 channels a frame of pictures in [-1,1]. The last `features` channels of each frame are those
             of an encoder
    state    for each scale, finest first, its two previous pictures (N,6,h,w), oldest first; then (N,1,1,1): 1 if they exist.
             With a state of zeros the first picture is the raw one. `initial_state` makes a state from two pictures.
    picture  (N,3,H,W) in [-1,1]
    """

    def __init__(
        self,
        scales: list[dict[str, Any]],
        foreground: tuple[int, ...] = (),
        input: str = "labels",
        features: int = 0,
    ) -> None:
        super().__init__()
        self.input, self.features = input, features
        for index, sizes in enumerate(scales):
            self.add_module(f"netG{index}", ScaleGenerator(**sizes))
        self.num_scales = len(scales)
        self.foreground = foreground
        self.num_history_channels: int = scales[0].get("history_channels", 6)
        self.num_label_frames: int = 1 + self.num_history_channels // scales[0].get("out_channels", 3)
        self.size_multiple = 2 ** (scales[0]["num_levels"] + self.num_scales - 1)

    def initial_state(self, previous: Tensor) -> tuple[Tensor, ...]:
        """Return the state after two pictures (N,6,H,W), oldest first: real frames, or the output of a first-frame model."""
        return *pyramid(previous, self.num_scales), torch.ones_like(previous[:, :1, :1, :1])

    def foreground_mask(self, labels: Tensor) -> Tensor:
        """Return (N,1,H,W): 1 if the newest label map has a foreground label there, else 0."""
        newest = labels.chunk(self.num_label_frames, dim=1)[-1]
        return newest[:, list(self.foreground)].sum(dim=1, keepdim=True).clamp(0, 1)

    def composites(self, labels: Tensor, histories: Sequence[Tensor]) -> list[ScalePicture]:
        """Return the outputs of all scales, finest first, from the labels and each scale's history."""
        features: tuple[Tensor, ...] = ()
        made: list[ScalePicture] = []
        label_pyramid = pyramid(labels, self.num_scales)
        for index in range(self.num_scales):
            scale = self.num_scales - 1 - index
            generator = self.get_submodule(f"netG{index}")
            mask = self.foreground_mask(label_pyramid[scale]) if self.foreground else None
            made.insert(0, generator(label_pyramid[scale], histories[scale], mask, features))
            features = made[0].features
        return made

    def forward(self, labels: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        *histories, begun = state
        made = self.composites(labels, histories)
        pictures = [begun * scale.picture + (1 - begun) * scale.raw for scale in made]
        following = [
            torch.cat([history[:, picture.shape[1] :], picture], dim=1)
            for history, picture in zip(histories, pictures, strict=True)
        ]
        return pictures[0], (*following, torch.ones_like(begun))


def scale_sizes(weights: Mapping[str, Tensor], scale: int, norm: str) -> dict[str, Any]:
    """Return the arguments of one `ScaleGenerator`."""
    first = weights["model_down_seg.1.weight"]
    in_blocks = numbers(weights, r"model_down_seg\.(\d+)\.conv_block\.1\.weight")
    res_blocks = numbers(weights, r"model_res_img\.(\d+)\.conv_block\.1\.weight")
    top_blocks = numbers(weights, r"model_up_img\.(\d+)\.conv_block\.1\.weight")
    if bool(in_blocks) != (scale == 0):
        raise ModelRefused(
            f"netG{scale} of this vid2vid model has the layers of another scale: give the coarsest as netG0"
        )
    convs = [key for key in weights if key.startswith("model_down_seg.") and key.endswith("weight")]
    foreground = weights.get("indv_down.1.weight")
    return {
        "label_channels": first.shape[1],
        "history_channels": weights["model_down_img.1.weight"].shape[1],
        "out_channels": weights["model_final_img.1.weight"].shape[0],
        "width": first.shape[0],
        "num_levels": sum(weights[key].shape[-2:] == (3, 3) and "conv_block" not in key for key in convs),
        "num_blocks": len(in_blocks) + len(res_blocks) + len(top_blocks),
        "norm": norm,
        "foreground_width": 0 if foreground is None else foreground.shape[0],
        "has_flow": "model_final_flow.1.weight" in weights,
        "is_coarse": scale == 0,
        "scale": scale,
    }


def vid2vid_sizes(
    weights: Mapping[str, Tensor],
    *,
    statistics: str = "frame",
    foreground: tuple[int, ...] | None = None,
    input: str = "labels",
    features: int = 0,
) -> dict[str, Any]:
    """Return the arguments of `Vid2Vid`: of a whole model (`netG0`, `netG1`, ...) or of its coarsest scale alone."""
    norm = norm_kind(weights, statistics)
    if "model_down_seg.1.weight" in weights:
        if not numbers(weights, r"model_down_seg\.(\d+)\.conv_block\.1\.weight"):
            raise ModelRefused(
                "a finer scale of vid2vid, which runs on top of the coarser ones: "
                "export latest_net_G0.pth latest_net_G1.pth OUT.onnx, netG0 first"
            )
        scales = [scale_sizes(weights, 0, norm)]
    else:
        parts = [f"netG{scale}." for scale in numbers(weights, r"netG(\d+)\..*")]
        named = [
            {key.removeprefix(part): value for key, value in weights.items() if key.startswith(part)} for part in parts
        ]
        scales = [scale_sizes(part, scale, norm) for scale, part in enumerate(named)]
    if foreground is None and any(sizes["foreground_width"] for sizes in scales):
        raise ModelRefused(
            "this vid2vid model draws some labels separately: give --hint foreground=26 or the labels it was trained with"
        )
    return {"scales": scales, "foreground": foreground or (), "input": input, "features": features}


def convert_vid2vid(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors of a single generator the prefix `netG0.` of the coarsest scale."""
    if "model_down_seg.1.weight" in weights:
        return {f"netG0.{key}": value for key, value in weights.items()}
    return weights
