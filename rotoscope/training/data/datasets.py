"""Samples for training: windows of clips, cropped and mirrored alike in all their views.

A sample is a pure function of its position in the run and the seed, whoever reads it and whatever was read before: that is
what makes a resumed run, a run with more reading processes and a run on more devices see the same pictures.
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
from rotoscope.training.data.frames import Clip, clips_of, divided

Array = NDArray[Any]

MOST_ENLARGEMENT = 4  # pictures smaller than a quarter of what is trained on are refused rather than blown up
FEWEST = 2  # pictures of a domain


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """From picture files to samples of one size.

    resize    the shorter side becomes this many pixels (0: as the file is), times a factor drawn from `scale`
    crop      side of a random square (0: the whole picture, its sides rounded down to the multiple)
    flip      mirror left and right half of the time
    multiple  sides of a sample are multiples of this
    turn      also turn by a random multiple of 90 degrees, and reverse the time of half of the clips
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
    """Samples of one kind: `length` consecutive frames of a scene of a clip, in one or several aligned views.

    views   by name, the path of its clips (see `clips_of`); all views have the same clips of the same lengths and sizes
    labels  names of views that hold numbers rather than colours: read as stored, resized to the nearest pixel
    length  frames of a sample, scenes with fewer stay out; it doubles every `doubles_every` epochs (0: never), up to what the
            shortest scene has
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
        self._check_alike(views)
        self.clips = divided(self.clips)
        lengths = [len(clip) for clip in next(iter(self.clips.values()))]
        self.windows = [(clip, start) for clip, frames in enumerate(lengths) for start in range(frames - length + 1)]
        where = ", ".join(str(path) for path in views.values())
        if sum(lengths) < FEWEST:
            raise InputRefused(f"{where}: {sum(lengths)} picture; training needs at least {FEWEST}")
        self.longest = min((frames for frames in lengths if frames >= length), default=0)
        if not self.windows:
            raise InputRefused(f"{where}: no scene of {length} frames; the longest has {max(lengths)}")

    def _check_alike(self, views: Mapping[str, Path]) -> None:
        """Refuse views with other numbers of clips or frames."""
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
        """One window by its number: pictures (3,H,W) float RGB in [-1,1], labels (H,W) int64; (T,...) if length is above 1."""
        clip, start = self.windows[index]
        length = self.length * 2 ** (epoch // self.doubles_every) if self.doubles_every else self.length
        length = min(length, self.longest)
        start = min(start, len(next(iter(self.clips.values()))[clip]) - length)
        place: Placement | None = None
        found = {}
        for name, clips in self.clips.items():
            files: Clip = clips[clip][start : start + length]
            frames = [read_labels(file) if name in self.labels else read_picture(file) for file in files]
            for file, frame in zip(files, frames, strict=True):
                if place is None:
                    place = Placement.draw(file, frame.shape[:2], self.geometry, random)
                place.check(file, frame.shape[:2])
            assert place is not None
            stack = place.cut(frames, nearest=name in self.labels)
            found[name] = to_tensor(stack) if self.length > 1 else to_tensor(stack)[0]
        return found


@dataclass(frozen=True)
class Placement:
    """One draw of scale, crop and turns, for every frame and view of a sample."""

    original: tuple[int, int]  # (height, width) of the files
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
    ) -> "Placement":
        """Draw for pictures of this size; `file` is for the error."""
        height, width = original
        factor = random.uniform(*geometry.scale) * (geometry.resize / min(original) if geometry.resize else 1.0)
        factor = max(factor, geometry.crop / min(original))  # a square must fit in
        if factor > MOST_ENLARGEMENT:
            least = -(-max(geometry.resize, geometry.crop) // MOST_ENLARGEMENT)
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
        """Refuse a frame or view that does not lie on the others."""
        if size != self.original:
            height, width = self.original
            raise InputRefused(f"{file}: {size[1]}x{size[0]} pixels, and what it belongs to has {width}x{height}")

    def cut(self, frames: list[Array], *, nearest: bool) -> Array:
        """(T,H,W[,3]) of the frames, placed."""
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
    """(H,W,3) uint8 RGB, upright."""
    try:
        content = np.frombuffer(file.read_bytes(), np.uint8)
    except OSError as error:
        raise InputRefused(f"{file}: {error.strerror}") from error
    bgr = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    if bgr is None:
        raise InputRefused(f"{file}: not a readable picture; mend or remove it")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def read_labels(file: Path) -> Array:
    """(H,W) of the numbers stored in a grey or palette picture of 8 or 16 bits."""
    with open_source(str(file), unconverted=True) as reader:
        numbers = next(iter(reader)).source.planes[0]
    if numbers.ndim != 2:
        raise InputRefused(f"{file}: a picture of {numbers.shape[2]} channels; label maps have one")
    return numbers


def to_tensor(frames: Array) -> Tensor:
    """(T,H,W,3) uint8 -> (T,3,H,W) float in [-1,1]; (T,H,W) of labels -> int64."""
    if frames.ndim == 3:
        return torch.from_numpy(frames.astype(np.int64))
    return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2), np.float32)) / 127.5 - 1


class TrainingData(Dataset[dict[str, Tensor]]):
    """The sample at every position of a run; each domain goes through its windows in an order of its own, epoch by epoch."""

    def __init__(self, domains: Sequence[Domain], seed: int, per_step: int = 1) -> None:
        """`per_step` samples, over all devices, make a step; an epoch has whole steps."""
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
        """The samples at some positions, stacked. Raises InputRefused if their sizes differ."""
        samples = [self[position] for position in positions]
        for name, first in samples[0].items():
            for other in samples[1:]:
                if other[name].shape != first.shape:
                    sizes = " and ".join(f"{tensor.shape[-1]}x{tensor.shape[-2]}" for tensor in (first, other[name]))
                    raise InputRefused(
                        f"pictures of {sizes} do not go into one batch: --batch 1, or --crop to one size"
                    )
        return _stacked(samples)

    def alike(self, most: int) -> dict[str, Tensor]:
        """Those of the first few samples that have the sizes of the very first, stacked."""
        samples = [self[position] for position in range(most)]
        sizes = [{name: view.shape for name, view in sample.items()} for sample in samples]
        return _stacked([sample for sample, size in zip(samples, sizes, strict=True) if size == sizes[0]])


def _stacked(samples: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = torch.utils.data.default_collate(samples)
    return found


class BatchOrError(Dataset[dict[str, Tensor] | RotoscopeError]):
    """Batches by their positions, or why there is none: what a reading process raises comes back buried in its traceback."""

    def __init__(self, data: TrainingData) -> None:
        self.data = data

    def __getitem__(self, positions: Sequence[int]) -> dict[str, Tensor] | RotoscopeError:
        try:
            return self.data.batch(positions)
        except RotoscopeError as error:
            return error


class BatchesOfOneProcess(Sampler[list[int]]):
    """Positions of the batches that one of several processes reads, from a given batch on, without end."""

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
    """Batches for one process, for ever."""
    loader = DataLoader(
        BatchOrError(data),
        sampler=BatchesOfOneProcess(batch, rank=rank, world=world, first=first),
        batch_size=None,  # a position of the loader is a batch
        num_workers=workers,
        worker_init_fn=_leave_interrupts_to_the_run,
        # A plain fork copies the locks of threads that it does not copy, and what held them never lets go.
        multiprocessing_context="forkserver" if workers else None,
        pin_memory=pin,
        generator=torch.Generator(),  # its own, so that reading draws nothing from the run's
    )
    for found in loader:
        if isinstance(found, RotoscopeError):
            raise found
        yield found


def _leave_interrupts_to_the_run(_worker: int) -> None:
    """Ctrl-C reaches every process of a terminal; those that read go on until the run has saved itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
