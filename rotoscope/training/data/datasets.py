"""Samples for training: windows of consecutive frames, with the same crop and mirroring in all views.

A sample is a pure function of its position in the run and the seed. It does not depend on which process reads it or on what was
read before, so a resumed run, a run with more reading processes and a run on more devices see the same pictures.
"""

import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from rotoscope.base.errors import InputRefused, RotoscopeError, UsageError
from rotoscope.runtime.media.open_source import open_source
from rotoscope.training.data.frames import Clip, clips_of, split_at_cuts

Array = NDArray[Any]

MAX_ENLARGEMENT = 4  # a picture that would have to be enlarged more is refused
MIN_PICTURES = 2  # of a domain


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """How picture files become samples of one size.

    resize    shorter side after resizing, pixels (0: that of the file), times a factor drawn from `scale`
    crop      side of a random square, pixels (0: the whole picture, its sides rounded down to the multiple)
    flip      mirror half of the samples left to right
    multiple  sides of a sample are multiples of this, pixels
    turn      also rotate by a random multiple of 90 degrees, and reverse time in half of the clips
    """

    resize: int = 0
    crop: int = 0
    flip: bool = False
    multiple: int = 1
    scale: tuple[float, float] = (1.0, 1.0)
    turn: bool = False

    def __post_init__(self) -> None:
        if self.crop % self.multiple:
            raise UsageError(f"--crop {self.crop}: this network takes sides that are multiples of {self.multiple}")


class Domain:
    """One data set: windows of `length` consecutive frames of a scene, in one or several aligned views.

    views   name of each view -> the path of its clips (see `clips_of`); clips of all views have equal lengths and sizes
    labels  names of views that hold labels instead of colours: read as stored, resized to the nearest pixel
    length  frames of a sample; scenes with fewer are left out. It doubles every `doubles_every` epochs (0: never), in each
            scene up to the frames of that scene
    Raises InputRefused if there is too little data or the views do not match.
    """

    def __init__(
        self,
        views: Mapping[str, Path],
        geometry: Geometry,
        *,
        length: int = 1,
        doubles_every: int = 0,
        labels: Sequence[str] = (),
    ) -> None:
        side = geometry.resize if geometry.scale == (1.0, 1.0) else 0
        self.clips = {name: clips_of(path, shorter_side=0 if name in labels else side) for name, path in views.items()}
        self.geometry, self.length, self.doubles_every, self.labels = geometry, length, doubles_every, frozenset(labels)
        self._check_views_match(views)
        self.clips = split_at_cuts(self.clips)
        lengths = [len(clip) for clip in next(iter(self.clips.values()))]
        self.windows = [(clip, start) for clip, frames in enumerate(lengths) for start in range(frames - length + 1)]
        where = ", ".join(str(path) for path in views.values())
        if sum(lengths) < MIN_PICTURES:
            raise InputRefused(f"{where}: {sum(lengths)} picture; training needs at least {MIN_PICTURES}")
        if not self.windows:
            raise InputRefused(f"{where}: no scene of {length} frames; the longest has {max(lengths)}")

    def _check_views_match(self, views: Mapping[str, Path]) -> None:
        """Refuse views with different numbers of clips or frames."""
        first, *others = views
        lengths = [len(clip) for clip in self.clips[first]]
        for other in others:
            theirs = [len(clip) for clip in self.clips[other]]
            if theirs != lengths:
                raise InputRefused(
                    f"{views[first]} and {views[other]} do not match: "
                    f"{sum(lengths)} pictures in {len(lengths)} clips against {sum(theirs)} in {len(theirs)}"
                )

    def __len__(self) -> int:
        return len(self.windows)

    def sample(self, index: int, epoch: int, random: np.random.Generator) -> dict[str, Tensor]:
        """Return one window: pictures (3,H,W) float RGB in [-1,1], labels (H,W) int64; with T in front if `length` > 1."""
        clip, start = self.windows[index]
        frames_of_scene = len(next(iter(self.clips.values()))[clip])
        length = self.length * 2 ** (epoch // self.doubles_every) if self.doubles_every else self.length
        length = min(length, frames_of_scene)
        start = min(start, frames_of_scene - length)
        augmentation: Augmentation | None = None
        found = {}
        for name, clips in self.clips.items():
            files: Clip = clips[clip][start : start + length]
            frames = [read_labels(file) if name in self.labels else read_picture(file) for file in files]
            for file, frame in zip(files, frames, strict=True):
                if augmentation is None:
                    augmentation = Augmentation.draw(file, frame.shape[:2], self.geometry, random)
                augmentation.check(file, frame.shape[:2])
            assert augmentation is not None
            stack = augmentation.apply(frames, nearest=name in self.labels)
            found[name] = to_tensor(stack) if self.length > 1 else to_tensor(stack)[0]
        return found


@dataclass(frozen=True)
class Augmentation:
    """One draw of scale, crop, mirroring and rotation, for all frames and views of a sample. Sizes are (height, width)."""

    original: tuple[int, int]  # of the files
    resized: tuple[int, int]
    top: int
    left: int
    size: tuple[int, int]
    flip: bool
    quarter_turns: int
    reverse: bool

    @classmethod
    def draw(
        cls, file: Path, original: tuple[int, int], geometry: Geometry, random: np.random.Generator
    ) -> "Augmentation":
        """Draw for pictures of this size; `file` is named in the error. Raises InputRefused if the picture is too small."""
        height, width = original
        factor = random.uniform(*geometry.scale) * (geometry.resize / min(original) if geometry.resize else 1.0)
        factor = max(factor, geometry.crop / min(original))  # the square must fit
        if factor > MAX_ENLARGEMENT:
            least = -(-max(geometry.resize, geometry.crop) // MAX_ENLARGEMENT)
            raise InputRefused(f"{file}: {width}x{height} pixels; the shorter side must have at least {least} here")
        tall, wide = round(height * factor), round(width * factor)
        if geometry.crop:
            size = (geometry.crop, geometry.crop)
        else:
            size = (tall - tall % geometry.multiple, wide - wide % geometry.multiple)
            tall, wide = size
        if min(size) < 1:
            raise InputRefused(f"{file}: {width}x{height} pixels; this network needs {geometry.multiple} a side")
        return cls(
            original=original,
            resized=(tall, wide),
            top=int(random.integers(tall - size[0] + 1)),
            left=int(random.integers(wide - size[1] + 1)),
            size=size,
            flip=geometry.flip and bool(random.integers(2)),
            quarter_turns=int(random.integers(4)) if geometry.turn else 0,
            reverse=geometry.turn and bool(random.integers(2)),
        )

    def check(self, file: Path, size: tuple[int, int]) -> None:
        """Refuse a frame or view whose size differs from the first."""
        if size != self.original:
            height, width = self.original
            raise InputRefused(
                f"{file}: {size[1]}x{size[0]} pixels; the other frames and views of this clip have {width}x{height}"
            )

    def apply(self, frames: list[Array], *, nearest: bool) -> Array:
        """Return the transformed frames, (T,H,W,3) or (T,H,W); `nearest` resizes to the nearest pixel."""
        tall, wide = self.resized
        shrinks = tall < self.original[0]
        method = cv2.INTER_NEAREST if nearest else cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        done = []
        for frame in frames:
            scaled = frame if self.resized == self.original else cv2.resize(frame, (wide, tall), interpolation=method)
            piece = scaled[self.top : self.top + self.size[0], self.left : self.left + self.size[1]]
            piece = piece[:, ::-1] if self.flip else piece
            done.append(np.rot90(piece, self.quarter_turns))
        return np.stack(done[::-1] if self.reverse else done)


def read_picture(file: Path) -> Array:
    """Return a picture file as (H,W,3) uint8 RGB, rotated by its EXIF tag. Raises InputRefused."""
    try:
        content = np.frombuffer(file.read_bytes(), np.uint8)
    except OSError as error:
        raise InputRefused(f"{file}: {error.strerror}") from error
    bgr = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    if bgr is None:
        raise InputRefused(f"{file}: not a readable picture; repair or remove it")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def read_labels(file: Path) -> Array:
    """Return the numbers (H,W) stored in a grey or palette picture of 8 or 16 bits. Raises InputRefused."""
    with open_source(str(file), unconverted=True) as reader:
        numbers: Array = next(iter(reader)).source.planes[0]
    if numbers.ndim != 2:
        raise InputRefused(f"{file}: a picture of {numbers.shape[2]} channels; label maps have one")
    return numbers


def to_tensor(frames: Array) -> Tensor:
    """Convert (T,H,W,3) uint8 to (T,3,H,W) float in [-1,1], or labels (T,H,W) to int64."""
    if frames.ndim == 3:
        return torch.from_numpy(frames.astype(np.int64))
    return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2), np.float32)) / 127.5 - 1


class TrainingData(Dataset[dict[str, Tensor]]):
    """The sample at every position of a run. Each domain draws its own order of its windows for each epoch."""

    def __init__(self, domains: Sequence[Domain], seed: int, per_step: int = 1) -> None:
        """Count epochs in whole steps of `per_step` samples, summed over all devices."""
        self.domains, self.seed, self.per_step = domains, seed, per_step
        self.epoch_steps = max(1, max(len(domain) for domain in domains) // per_step)

    def __getitem__(self, position: int) -> dict[str, Tensor]:
        random = np.random.default_rng((self.seed, position))
        epoch = position // self.per_step // self.epoch_steps
        found: dict[str, Tensor] = {}
        for number, domain in enumerate(self.domains):
            round_, place = divmod(position, len(domain))
            order = np.random.default_rng((self.seed, number, round_)).permutation(len(domain))
            found |= domain.sample(int(order[place]), epoch, random)
        return found

    def batch(self, positions: Sequence[int]) -> dict[str, Tensor]:
        """Return the samples at some positions, stacked. Raises InputRefused if their sizes differ.

        Sequences that a short scene keeps from doubling shorten the others of their batch: each keeps its first T frames.
        """
        samples = self._equally_long([self[position] for position in positions])
        for name, first in samples[0].items():
            for other in samples[1:]:
                if other[name].shape != first.shape:
                    sizes = " and ".join(f"{tensor.shape[-1]}x{tensor.shape[-2]}" for tensor in (first, other[name]))
                    raise InputRefused(
                        f"pictures of {sizes} do not go into one batch: --batch 1, or --crop to one size"
                    )
        return _stacked(samples)

    def fixed_samples(self, most: int) -> dict[str, Tensor]:
        """Return those of the first `most` samples that have the size of the first one, stacked."""
        samples = [self[position] for position in range(most)]
        sizes = [{name: view.shape for name, view in sample.items()} for sample in samples]
        return _stacked([sample for sample, size in zip(samples, sizes, strict=True) if size == sizes[0]])

    def _equally_long(self, samples: list[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
        """Cut the sequences of domains with doubling lengths to the shortest of them."""
        for domain in self.domains:
            if domain.doubles_every and domain.length > 1:
                shortest = min(sample[name].shape[0] for sample in samples for name in domain.clips)
                samples = [sample | {name: sample[name][:shortest] for name in domain.clips} for sample in samples]
        return samples


def _stacked(samples: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = torch.utils.data.default_collate(samples)
    return found


class BatchOrError(Dataset[dict[str, Tensor] | RotoscopeError]):
    """Batches by their positions. An error is returned, not raised: torch would wrap it into a traceback."""

    def __init__(self, data: TrainingData) -> None:
        self.data = data

    def __getitem__(self, positions: Sequence[int]) -> dict[str, Tensor] | RotoscopeError:
        try:
            return self.data.batch(positions)
        except RotoscopeError as error:
            return error


class BatchesOfOneProcess(Sampler[list[int]]):
    """Positions of the batches of one process out of `world`, from batch `first` on, without end."""

    def __init__(self, batch: int, *, rank: int, world: int, first: int) -> None:
        self.batch, self.rank, self.world, self.first = batch, rank, world, first

    def __iter__(self) -> Iterator[list[int]]:
        index = self.first
        while True:
            start = (index * self.world + self.rank) * self.batch
            yield list(range(start, start + self.batch))
            index += 1


def batches(
    data: TrainingData, batch: int, *, rank: int, world: int, first: int, workers: int, pin: bool
) -> Iterator[dict[str, Tensor]]:
    """Yield the batches of one process without end, from batch `first` on. Raises InputRefused."""
    loader = DataLoader(
        BatchOrError(data),
        sampler=BatchesOfOneProcess(batch, rank=rank, world=world, first=first),
        batch_size=None,  # the sampler yields whole batches
        num_workers=workers,
        worker_init_fn=_ignore_interrupt,
        # fork would copy locks that are held by threads which do not exist in the child: a deadlock.
        multiprocessing_context="forkserver" if workers else None,
        pin_memory=pin,
        generator=torch.Generator(),  # a separate one: reading must not change the run's random state
    )
    for found in loader:
        if isinstance(found, RotoscopeError):
            raise found
        yield found


def _ignore_interrupt(_worker: int) -> None:
    """Ignore SIGINT, which a terminal sends to every process: reading goes on until the run has saved its checkpoint."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
