"""(c) CycleGAN's loss ablation with FCN scores, on label pictures and photographs of generated streets.

Pictures of both domains show different scenes. "Forward" is the cycle that starts at the source of the direction scored,
so each direction has a run of its own: labels to photo and back for the scores of photos, photo to labels and back for those
of labels.
"""

from functools import partial

import numpy as np
import torch

from rotoscope.export.checkpoint import open_checkpoint
from rotoscope.training.options import CycleGanOptions
from rotoscope.training.systems.cyclegan import CycleGan
from tables import streets
from tables.collect import Collected
from tables.pieces import TrainingRun, train_all
from tables.result import Published, Result

SIZE = (48, 48)
SCENES, FRAMES = 40, 4  # of each domain
TEST_SCENES = 8
NETWORKS = {
    "width": 16, "blocks": 2, "discriminator_width": 16, "discriminator_layers": 2, "resize": 0, "crop": 0, "identity": 0.0,
    "learning_rate": 4e-4, "epochs": 1000, "epochs_decay": 0,
}  # fmt: skip
STEPS, SEGMENTER_STEPS = 2000, 400
# Run: (adversarial, weight of the cycle a b a, weight of the cycle b a b); a is labels, b is photos.
RUNS = {
    "cycle": (False, 10.0, 10.0), "gan": (True, 0.0, 0.0), "gan-aba": (True, 10.0, 0.0), "gan-bab": (True, 0.0, 10.0),
    "all": (True, 10.0, 10.0),
}  # fmt: skip
# Row of the table: the run that is scored as labels to photo, and as photo to labels.
ROWS = {
    "cycle alone": ("cycle", "cycle"),
    "GAN alone": ("gan", "gan"),
    "GAN + forward cycle": ("gan-aba", "gan-bab"),
    "GAN + backward cycle": ("gan-bab", "gan-aba"),
    "CycleGAN (all)": ("all", "all"),
}
MEASURES = ("per-pixel", "per-class", "IoU")
REPORTED = {
    "photos": ((0.22, 0.07, 0.02), (0.51, 0.11, 0.08), (0.55, 0.18, 0.12), (0.39, 0.14, 0.06), (0.52, 0.17, 0.11)),
    "labels": ((0.10, 0.05, 0.02), (0.53, 0.11, 0.07), (0.49, 0.11, 0.07), (0.01, 0.06, 0.01), (0.58, 0.22, 0.16)),
}
PUBLISHED = Published(
    where="CycleGAN, ICCV 2017, Cityscapes, 19 classes",
    values={
        f"{made} {measure}": {row: scores[k] for row, scores in zip(ROWS, found, strict=True)}
        for made, found in REPORTED.items()
        for k, measure in enumerate(MEASURES)
    },
)


class CycleAlone(CycleGan):
    """CycleGAN without its adversarial terms."""

    def generator_terms(self, *arguments):
        terms = super().generator_terms(*arguments)
        return {name: term for name, term in terms.items() if not name.startswith("adversarial")}


def data(setup, scenes):
    """Return the folders of label pictures and of photographs, of different scenes."""
    labels = {f"{seed:04d}": streets.coloured(streets.scene(seed, FRAMES, SIZE)) for seed in range(scenes)}
    photos = {
        f"{seed:04d}": streets.photographs(streets.scene(seed, FRAMES, SIZE), seed)
        for seed in range(scenes, 2 * scenes)
    }
    folder = setup.work / "streets"
    folder.mkdir(parents=True, exist_ok=True)
    return streets.write(folder / "labels", labels), streets.write(folder / "photos", photos)


def training_runs(a, b):
    """Return what is trained, by the names of its folders."""
    runs = {}
    for name, (adversarial, cycle_a, cycle_b) in RUNS.items():
        options = CycleGanOptions(a=a, b=b, cycle_a=cycle_a, cycle_b=cycle_b, **NETWORKS)
        runs[f"cyclegan-{name}"] = TrainingRun(partial(CycleGan if adversarial else CycleAlone, options), options)
    return runs


def generators(folder):
    """Return the generators of a run, labels to photo and photo to labels."""
    return [open_checkpoint(folder / f"{way}.safetensors").network for way in ("AtoB", "BtoA")]


def translate(network, pictures):
    """Translate pictures (N,H,W,3) uint8."""
    with torch.inference_mode():
        return streets.as_pictures(network(streets.as_tensor(pictures)))


def named(scores):
    """Return scores by "photos per-pixel" and so on, from scores of photos and labels."""
    return {
        f"{kind} {name}": value for kind, each in scores.items() for name, value in zip(MEASURES, each, strict=True)
    }


def run(setup):
    scenes, tests = (4, 2) if setup.tiny else (SCENES, TEST_SCENES)
    folders = train_all(setup, training_runs(*data(setup, scenes)), steps=setup.steps(STEPS))
    networks = {name: generators(folders[f"cyclegan-{name}"]) for name in RUNS}
    steps = 20 if setup.tiny else SEGMENTER_STEPS
    segmenter = streets.train_segmenter(setup.work / "segmenter.pth", range(scenes, 2 * scenes), SIZE, steps)
    found, real = Collected(), []
    for labels, photos in streets.held_out(tests, FRAMES, SIZE):
        real.append(streets.fcn_scores(labels, segmenter.labels(photos)))
        for row, (to_photo, to_labels) in ROWS.items():
            made = segmenter.labels(translate(networks[to_photo][0], streets.coloured(labels)))
            back = streets.nearest_labels(translate(networks[to_labels][1], photos))
            scores = {"photos": streets.fcn_scores(labels, made), "labels": streets.fcn_scores(labels, back)}
            found.add(row, named(scores))
    measures = list(PUBLISHED.values)
    for scores in real:
        found.add("real photos", named({"photos": scores}))
    accuracy = ", ".join(
        f"{measure} {value:.3f}" for measure, value in zip(MEASURES, np.mean(real, axis=0), strict=True)
    )
    return Result(
        name="c",
        title="CycleGAN's losses, FCN scores on generated streets (6 labels)",
        values=found.plain(),
        published=PUBLISHED,
        settings={
            "size": SIZE, "pictures of each domain": scenes * FRAMES, "networks": NETWORKS, "steps": setup.steps(STEPS),
            "segmenter steps": steps, "test scenes": tests, "frames of a scene": FRAMES,
        },
        notes=(
            "photos: labels to photo, scored by the segmenter; labels: photo to labels, scored by the nearest label colour",
            f"the segmenter on real held-out photos: {accuracy}",
            "means over classes count the labels that occur in a scene",
        ),
        higher=dict.fromkeys(measures, True),
    )  # fmt: skip
