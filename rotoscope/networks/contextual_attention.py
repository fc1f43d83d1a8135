"""Inpainting by contextual attention (Yu et al. 2018): a coarse network fills the hole, a fine network refines it.

Both work at a quarter of the size with dilated convolutions and ELU. The fine network has a second branch with attention: each
patch of features is rebuilt from the most similar patches outside the hole. 3,601,542
parameters at width 32.

Two variants have the same names: files of the PyTorch port (daa233/generative-inpainting-pytorch) mean one pixel of
padding all around strided convolutions and an epsilon under the root of the patch norm; TensorFlow's official files
mean SAME padding (none before, one after) and a lower bound on the norm. `tensorflow` says which.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import elu, fold, interpolate, pad, softmax

SOFTMAX_SCALE = 10.0
LEAST_NORM = 1e-4
RATE = 2  # attention compares features at half their size
DILATIONS = {"conv7_atrous": 2, "conv8_atrous": 4, "conv9_atrous": 8, "conv10_atrous": 16}


def fuse(scores: Tensor) -> Tensor:
    """Add to each score of (N,B,F) its two neighbours on the diagonal; outside is zero."""
    padded = pad(scores, (1, 1, 1, 1))
    return padded[:, :-2, :-2] + scores + padded[:, 2:, 2:]


def patches_of(x: Tensor, side: int, stride: int = 1) -> Tensor:
    """Return the patches of (N,C,H,W) padded by one zero: (N, C * side^2, patches), like torch's `unfold`.

    Made of slices, which exporters and engines support better.
    """
    padded = pad(x, (1, 1, 1, 1))
    rows, columns = ((extent + 2 - side) // stride + 1 for extent in x.shape[2:])
    shifted = [
        padded[:, :, dy : dy + stride * (rows - 1) + 1 : stride, dx : dx + stride * (columns - 1) + 1 : stride]
        for dy in range(side)
        for dx in range(side)
    ]
    return torch.stack(shifted, dim=2).flatten(3).flatten(1, 2)


def swap_sides(scores: Tensor, background: tuple[int, int], foreground: tuple[int, int]) -> Tensor:
    """Reorder both axes of (N,B,F) from row by row to column by column; sizes (H,W)."""
    swapped = scores.reshape(-1, *background, *foreground).permute(0, 2, 1, 4, 3)
    return swapped.reshape(scores.shape)


def contextual_attention(foreground: Tensor, background: Tensor, mask: Tensor, *, tensorflow: bool = True) -> Tensor:
    """Rebuild features (N,C,h,w) from patches of `background` (N,C,h,w) outside the hole; mask (N,1,4h,4w), 1 in the hole."""
    size = (foreground.shape[2], foreground.shape[3])
    raw_patches = patches_of(background, 4, RATE)
    small_foreground, small_background = foreground[:, :, ::RATE, ::RATE], background[:, :, ::RATE, ::RATE]
    small_mask = mask[:, :, :: 4 * RATE, :: 4 * RATE]
    outside = (patches_of(small_mask, 3).sum(dim=1) == 0).to(foreground.dtype)[:, :, None]

    patches = patches_of(small_background, 3)
    if tensorflow:
        norm = patches.square().sum(dim=1, keepdim=True).sqrt().clamp(min=LEAST_NORM)
    else:
        norm = (patches.square() + LEAST_NORM).sum(dim=1, keepdim=True).sqrt()
    scores = torch.matmul((patches / norm).transpose(1, 2), patches_of(small_foreground, 3))
    of_background = (small_background.shape[2], small_background.shape[3])
    of_foreground = (small_foreground.shape[2], small_foreground.shape[3])
    scores = swap_sides(fuse(scores), of_background, of_foreground)
    scores = swap_sides(fuse(scores), of_background[::-1], of_foreground[::-1])
    attention = softmax(SOFTMAX_SCALE * scores * outside, dim=1) * outside
    return fold(torch.matmul(raw_patches, attention), size, 4, stride=RATE, padding=1) / 4


class GenConv(nn.Module):
    """Convolution with zero padding; stride 1 keeps the size, stride 2 halves it."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 3,
        stride: int = 1,
        dilation: int = 1,
        *,
        tensorflow: bool,
    ) -> None:
        super().__init__()
        around = dilation * (kernel // 2)
        before = 0 if tensorflow and stride == 2 else around
        self.padding = (before, around, before, around)
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(pad(x, self.padding))
        return y


class Net(nn.Module):
    """Base of both networks: named convolutions, run in order."""

    def __init__(self, *, tensorflow: bool) -> None:
        super().__init__()
        self.tensorflow = tensorflow

    def add(self, name: str, in_channels: int, out_channels: int, kernel: int = 3) -> None:
        """Add a convolution; its name gives its stride and dilation."""
        stride = 2 if name.endswith("_downsample") else 1
        dilation = DILATIONS.get(name, 1)
        self.add_module(name, GenConv(in_channels, out_channels, kernel, stride, dilation, tensorflow=self.tensorflow))

    def add_tail(self, prefix: str, in_channels: int, width: int) -> None:
        """Add layers 11 to 17: from a quarter of the size to the picture."""
        widths = (in_channels, 4 * width, 4 * width, 2 * width, 2 * width, width, width // 2, 3)
        for index in range(7):
            self.add(f"{prefix}{11 + index}", widths[index], widths[index + 1])

    def run(self, x: Tensor, *names: str) -> Tensor:
        """Run the named layers in sequence, ELU after each."""
        for name in names:
            x = elu(self.get_submodule(name)(x))
        return x

    def run_tail(self, x: Tensor, prefix: str) -> Tensor:
        """Run layers 11 to 17; nearest-neighbour x2 before 13 and 15."""
        x = self.run(x, f"{prefix}11", f"{prefix}12")
        x = self.run(interpolate(x, scale_factor=2.0), f"{prefix}13", f"{prefix}14")
        x = self.run(interpolate(x, scale_factor=2.0), f"{prefix}15", f"{prefix}16")
        return torch.clamp(self.get_submodule(f"{prefix}17")(x), -1, 1)


class CoarseNet(Net):
    """Coarse network: (N,5,H,W) (masked picture, ones, mask) -> first estimate (N,3,H,W)."""

    def __init__(self, width: int, *, tensorflow: bool) -> None:
        super().__init__(tensorflow=tensorflow)
        self.add("conv1", 5, width, 5)
        self.add("conv2_downsample", width, 2 * width)
        self.add("conv3", 2 * width, 2 * width)
        self.add("conv4_downsample", 2 * width, 4 * width)
        for name in ("conv5", "conv6", *DILATIONS):
            self.add(name, 4 * width, 4 * width)
        self.add_tail("conv", 4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.run(x, "conv1", "conv2_downsample", "conv3", "conv4_downsample", "conv5", "conv6", *DILATIONS)
        return self.run_tail(x, "conv")


class FineNet(Net):
    """Fine network: (N,5,H,W) (picture with the coarse estimate in the hole, ones, mask) -> final picture (N,3,H,W)."""

    def __init__(self, width: int, *, tensorflow: bool) -> None:
        super().__init__(tensorflow=tensorflow)
        for prefix in ("conv", "pmconv"):
            self.add(f"{prefix}1", 5, width, 5)
            self.add(f"{prefix}2_downsample", width, width)
            self.add(f"{prefix}3", width, 2 * width)
        self.add("conv4_downsample", 2 * width, 2 * width)
        self.add("conv5", 2 * width, 4 * width)
        for name in ("conv6", *DILATIONS):
            self.add(name, 4 * width, 4 * width)
        self.add("pmconv4_downsample", 2 * width, 4 * width)
        for name in ("pmconv5", "pmconv6", "pmconv9", "pmconv10"):
            self.add(name, 4 * width, 4 * width)
        self.add_tail("allconv", 8 * width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        dreamt = self.run(x, "conv1", "conv2_downsample", "conv3", "conv4_downsample", "conv5", "conv6", *DILATIONS)
        seen = self.run(x, "pmconv1", "pmconv2_downsample", "pmconv3", "pmconv4_downsample", "pmconv5")
        seen = torch.relu(self.get_submodule("pmconv6")(seen))
        seen = contextual_attention(seen, seen, mask, tensorflow=self.tensorflow)
        seen = self.run(seen, "pmconv9", "pmconv10")
        return self.run_tail(torch.cat([dreamt, seen], dim=1), "allconv")


class ContextualInpainter(nn.Module):
    """Inpainting by contextual attention (Yu et al. 2018): (picture, mask) -> the picture with its hole filled.

    Picture (N,3,H,W) in [-1,1]; mask (N,1,H,W), 1 in the hole; H and W multiples of 8.
    """

    size_multiple = 8

    def __init__(self, width: int = 32, *, tensorflow: bool = False) -> None:
        super().__init__()
        self.coarse_generator = CoarseNet(width, tensorflow=tensorflow)
        self.fine_generator = FineNet(width, tensorflow=tensorflow)

    def stages(self, picture: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs (N,3,H,W) of both networks, over the whole picture."""
        picture, ones = picture * (1 - mask), torch.ones_like(mask)
        coarse = self.coarse_generator(torch.cat([picture, ones, mask], dim=1))
        filled = coarse * mask + picture * (1 - mask)
        return coarse, self.fine_generator(torch.cat([filled, ones, mask], dim=1), mask)

    def forward(self, picture: Tensor, mask: Tensor) -> Tensor:
        fine = self.stages(picture, mask)[1]
        return fine * mask + picture * (1 - mask)


def inpainter_sizes(weights: Mapping[str, Tensor], *, tensorflow: bool | None = None) -> dict[str, Any]:
    """Return the arguments of `ContextualInpainter`; `tensorflow=True` is for official weights under the port's names."""
    official = any(key.startswith("inpaint_net/") for key in weights)
    first = weights["inpaint_net/conv1/bias" if official else "coarse_generator.conv1.conv.bias"]
    return {"width": first.shape[0], "tensorflow": official if tensorflow is None else tensorflow}


def convert_inpainter(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename TensorFlow's variables of the generator to the PyTorch port's names; kernels from HWIO to OIHW."""
    converted: dict[str, Tensor] = {}
    for key, value in weights.items():
        found = re.fullmatch(
            r"inpaint_net/(x|pm|all|)conv(\d+(?:_downsample|_atrous)?)(?:_upsample/.*)?/(kernel|bias)", key
        )
        if not found:
            converted |= {} if "/" in key else {key: value}
            continue
        branch, layer, kind = found.groups()
        net = "fine_generator" if branch else "coarse_generator"
        name = f"{net}.{branch.removeprefix('x')}conv{layer}.conv"
        converted[f"{name}.weight" if kind == "kernel" else f"{name}.bias"] = (
            value.permute(3, 2, 0, 1).contiguous() if kind == "kernel" else value
        )
    return converted
