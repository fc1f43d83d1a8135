"""(e) Recycle-GAN against CycleGAN on two generated streams whose mapping is known: label pictures and photographs.

Both see unpaired streams of different scenes and take the same number of steps. Results are compared with the true photograph
of each frame, and with its labels by a segmenter.
"""

from functools import partial
from itertools import pairwise

import numpy as np

from rotoscope.metrics.fidelity import psnr
from rotoscope.metrics.warping_error import visible, warping_error
from rotoscope.runtime.motion.dis import DisFlow
from rotoscope.training.options import CycleGanOptions, RecycleGanOptions
from rotoscope.training.systems.cyclegan import CycleGan
from rotoscope.training.systems.recycle_gan import RecycleGan
from tables import streets
from tables.collect import Collected
from tables.cyclegan_losses import MEASURES, SEGMENTER_STEPS, SIZE, generators, named, translate
from tables.pieces import TrainingRun, train_all
from tables.result import Published, Result

SCENES, FRAMES = 30, 8  # of each domain
TEST_SCENES = 8
STEPS = 2000
SHARED = {
    "width": 16, "blocks": 2, "discriminator_width": 16, "discriminator_layers": 2, "resize": 0, "crop": 0, "flip": False,
    "identity": 0.0, "learning_rate": 4e-4, "epochs": 1000, "epochs_decay": 0,
}  # fmt: skip
PREDICTOR = {"predictor_width": 8, "predictor_downs": 4}
PUBLISHED = Published(
    where="Recycle-GAN, ECCV 2018, figures not at hand",
    values={},
    claims=tuple((f"labels {measure}", "Recycle-GAN", "CycleGAN") for measure in MEASURES),
)


def data(setup, scenes):
    """Return the folders of both streams, of different scenes."""
    folder = setup.work / "streams"
    folder.mkdir(parents=True, exist_ok=True)
    maps = {seed: streets.scene(seed, FRAMES, SIZE) for seed in range(2 * scenes)}
    labels = {f"{seed:04d}": streets.coloured(maps[seed]) for seed in range(scenes)}
    photos = {f"{seed:04d}": streets.photographs(maps[seed], seed) for seed in range(scenes, 2 * scenes)}
    return streets.write(folder / "labels", labels), streets.write(folder / "photos", photos)


def trained(setup, a, b):
    """Return the generators of both methods: name -> (labels to photo, photo to labels)."""
    cycle = CycleGanOptions(a=a, b=b, **SHARED)
    recycle = RecycleGanOptions(a=a, b=b, **SHARED, **PREDICTOR)
    runs = {
        "streams-cyclegan": TrainingRun(partial(CycleGan, cycle), cycle),
        "streams-recycle": TrainingRun(partial(RecycleGan, recycle), recycle),
    }
    folders = train_all(setup, runs, steps=setup.steps(STEPS))
    return {
        "CycleGAN": generators(folders["streams-cyclegan"]),
        "Recycle-GAN": generators(folders["streams-recycle"]),
    }


def mean_warping_error(shown, motion):
    """Return E_warp of pictures (T,H,W,3) along the flow of the source."""
    pairs = zip(shown, shown[1:], motion, strict=False)
    return float(np.nanmean([warping_error(a, b, flow, there) for a, b, (flow, there) in pairs]))


def motion_of(pictures):
    """Return flow to the next picture and where it is valid, for each of them, by DIS."""
    estimate = DisFlow("medium", 1.0)
    ways = [(estimate(a, b), estimate(b, a)) for a, b in pairwise(pictures)]
    return [(there, visible(there, back)) for there, back in ways]


def run(setup):
    scenes, tests = (4, 2) if setup.tiny else (SCENES, TEST_SCENES)
    networks, found = trained(setup, *data(setup, scenes)), Collected()
    steps = 20 if setup.tiny else SEGMENTER_STEPS
    segmenter = streets.train_segmenter(setup.work / "segmenter-streams.pth", range(scenes, 2 * scenes), SIZE, steps)
    for labels, photos in streets.held_out(tests, FRAMES, SIZE):
        motion = motion_of(photos)
        for name, (to_photo, to_labels) in networks.items():
            made, back = translate(to_photo, streets.coloured(labels)), translate(to_labels, photos)
            scores = {
                "photos": streets.fcn_scores(labels, segmenter.labels(made)),
                "labels": streets.fcn_scores(labels, streets.nearest_labels(back)),
            }
            numbers = named(scores)
            numbers["PSNR"] = np.mean([psnr(x, y) for x, y in zip(made, photos, strict=True)])
            numbers["E_warp"] = mean_warping_error(made, motion)
            found.add(name, numbers)
    return Result(
        name="e",
        title="Recycle-GAN and CycleGAN on two generated streams",
        values=found.plain(),
        published=PUBLISHED,
        settings={
            "size": SIZE, "scenes of each domain": scenes, "frames of a scene": FRAMES, "networks": SHARED,
            "predictor": PREDICTOR, "steps": setup.steps(STEPS), "test scenes": tests,
        },
        notes=(
            "photos: labels to photo, scored by the segmenter; labels: photo to labels, by the nearest label colour",
            "PSNR is to the true photograph, which the mapping gives",
            "a step of Recycle-GAN sees three frames of each domain, a step of CycleGAN one",
        ),
        higher=dict.fromkeys([f"{kind} {m}" for kind in ("photos", "labels") for m in MEASURES], True),
    )  # fmt: skip
