"""Generated streets as label maps, as coloured label pictures, and as photographs; and a segmenter that is trained on them.

The photograph of a label map follows a known rule: a shade for each label, by height in the picture or by distance to the
object's edge, so that it moves with what it shows; then the light of the scene and noise.
"""

import cv2
import numpy as np
import torch
from moving_labels import BALL, CAR, COLOURS, HOUSE, NUM_LABELS, ROAD, SKY, WHEEL, scene
from torch import nn
from torch.nn.functional import cross_entropy

from rotoscope.metrics.confusion import ConfusionMatrix
from tables.pieces import kept_folder

NOISE_LEVELS = 3.0  # standard deviation, of 255
FIRST_HELD_OUT = 10_000  # seed of the first scene that no network learns from
BASE = {
    SKY: (150, 190, 225), HOUSE: (150, 95, 70), ROAD: (80, 82, 85), CAR: (60, 90, 150), WHEEL: (35, 33, 32),
    BALL: (215, 150, 60),
}  # fmt: skip


def photograph(labels, seed, time):
    """Return the photograph (H,W,3) uint8 of a label map (H,W)."""
    height = labels.shape[0]
    rows = np.arange(height, dtype=np.float32)[:, None] / height
    inside = {label: cv2.distanceTransform(np.uint8(labels == label), cv2.DIST_L2, 3) for label in (CAR, WHEEL, BALL)}
    shade = {
        SKY: 0.75 + 0.35 * rows,
        HOUSE: 0.8 + 0.3 * (np.arange(height) % 4 >= 2)[:, None],
        ROAD: 0.7 + 0.5 * rows,
        CAR: 0.7 + 0.12 * np.minimum(inside[CAR], 5),
        WHEEL: 0.8 + 0.6 * (inside[WHEEL] > 2),
        BALL: 0.6 + 0.15 * np.minimum(inside[BALL], 4),
    }
    picture = np.zeros((*labels.shape, 3), np.float32)
    for label, colour in BASE.items():
        shown = np.broadcast_to(np.asarray(shade[label], np.float32), labels.shape)[..., None] * np.float32(colour)
        picture[labels == label] = shown[labels == label]
    light = np.random.default_rng((7, seed)).uniform(0.85, 1.15)
    noise = np.random.default_rng((8, seed, time)).normal(0, NOISE_LEVELS, picture.shape)
    return np.clip(light * picture + noise, 0, 255).round().astype(np.uint8)


def photographs(labels, seed):
    """Return the photographs (T,H,W,3) of a stream of label maps (T,H,W)."""
    return np.stack([photograph(each, seed, time) for time, each in enumerate(labels)])


def coloured(labels):
    """Return label maps (...,H,W) in the colours of their labels, (...,H,W,3) uint8."""
    return COLOURS[labels]


def nearest_labels(pictures):
    """Return the labels (...,H,W) whose colours are nearest to pictures (...,H,W,3)."""
    distances = np.square(pictures[..., None, :].astype(np.int32) - COLOURS.astype(np.int32)).sum(axis=-1)
    return distances.argmin(axis=-1)


def write(folder, streams):
    """Write streams {name: (T,H,W) or (T,H,W,3) uint8} as FOLDER/NAME/00000.png, unless the folder exists."""

    def fill(part):
        for name, pictures in streams.items():
            (part / name).mkdir()
            for time, picture in enumerate(pictures):
                cv2.imwrite(str(part / name / f"{time:05d}.png"), picture if picture.ndim == 2 else picture[..., ::-1])

    return kept_folder(folder, fill)


def held_out(count, num_frames, size):
    """Yield (label maps, photographs) of scenes that no network learns from."""
    for seed in range(FIRST_HELD_OUT, FIRST_HELD_OUT + count):
        labels = scene(seed, num_frames, size)
        yield labels, photographs(labels, seed)


def as_tensor(pictures):
    """(N,H,W,3) uint8 -> (N,3,H,W) in [-1,1]."""
    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).float() / 127.5 - 1


def as_pictures(tensor):
    """(N,3,H,W) in [-1,1] -> (N,H,W,3) uint8."""
    return ((tensor.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


class Segmenter(nn.Sequential):
    """A small fully convolutional network: (N,3,H,W) in [-1,1] -> (N,6,H,W) scores of labels."""

    def __init__(self, width=24):
        layers = [nn.Conv2d(3, width, 3, padding=1), nn.ReLU()]
        for dilation in (1, 2, 4):
            layers += [nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation), nn.ReLU()]
        super().__init__(*layers, nn.Conv2d(width, NUM_LABELS, 1))

    def labels(self, pictures):
        """Return the labels (N,H,W) of pictures (N,H,W,3) uint8."""
        with torch.inference_mode():
            return self(as_tensor(pictures)).argmax(dim=1).numpy()


def train_segmenter(path, seeds, size, steps):
    """Return the segmenter, trained on photographs of scenes and their labels, and stored at `path`."""
    segmenter = Segmenter()
    if path.exists():
        segmenter.load_state_dict(torch.load(path, weights_only=True))
        return segmenter.eval()
    torch.manual_seed(0)
    segmenter = Segmenter()
    streams = {seed: scene(seed, 4, size) for seed in seeds}
    pictures = as_tensor(np.concatenate([photographs(labels, seed) for seed, labels in streams.items()]))
    truth = torch.from_numpy(np.concatenate(list(streams.values()))).long()
    optimiser = torch.optim.Adam(segmenter.parameters(), 3e-3)
    for _ in range(steps):
        chosen = torch.randint(len(pictures), (8,))
        optimiser.zero_grad()
        cross_entropy(segmenter(pictures[chosen]), truth[chosen]).backward()
        optimiser.step()
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(segmenter.state_dict(), path)
    return segmenter.eval()


def fcn_scores(truth, found):
    """Return per-pixel accuracy, per-class accuracy and class IoU of label maps, over the labels that occur."""
    matrix = ConfusionMatrix(NUM_LABELS)
    matrix.add(truth, found)
    there = matrix.counts.sum(axis=1) > 0
    scores = matrix.scores()
    share = NUM_LABELS / there.sum()  # classes without pixels count as 0 in the published means
    return scores._replace(per_class=scores.per_class * share, iou=scores.iou * share)
