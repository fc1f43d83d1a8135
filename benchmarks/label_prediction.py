"""Predict label maps 5 and 10 frames ahead, against repeating the last map and against moving it by its last flow.

    python benchmarks/label_prediction.py [--minutes 25] [--weights FILE] [--json FILE] [--sheet FILE.png] [--cityscapes FOLDER]

Trains the system of `rotoscope train vid2vid --task predict` on generated streets (moving_labels.py) held in memory, for so
many minutes on one core, unless FILE exists already; then prints mean IoU on scenes that were not trained on. With
--cityscapes it does the same with the label maps of vid2vid_cityscapes: trained on train_A, judged on test_A.
The flow is dense inverse search between the last two maps, drawn in colours and enlarged 4 times; map and flow are moved by
the flow at every further frame.
"""

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from moving_labels import COLOURS, NUM_LABELS, scene
from safetensors.torch import load_file, save_file

from rotoscope.base.processor import cpu_name
from rotoscope.metrics.confusion import ConfusionMatrix
from rotoscope.runtime.motion.dis import DisFlow
from rotoscope.training.data.datasets import read_labels
from rotoscope.training.options import Vid2VidOptions
from rotoscope.training.systems.label_prediction import LabelPrediction

PAST = 4
AHEAD = (1, 5, 10)  # frames at which maps are compared
TRAIN_SCENES, HELD_OUT = range(240), range(100_000, 100_024)
BATCH = 4
ENLARGED = 4
WIDTH, LEVELS, BLOCKS, LEARNING_RATE = 12, 2, 2, 4e-3


def make_system(num_labels):
    """Return the system with new weights."""
    options = Vid2VidOptions(
        task="predict", labels=Path("in memory"), num_labels=num_labels, past=PAST, width=WIDTH, levels=LEVELS,
        blocks=BLOCKS, learning_rate=LEARNING_RATE, sequence=PAST + 1,
    )  # fmt: skip
    torch.manual_seed(0)
    return LabelPrediction(options)


def train(system, streams, seconds):
    """Train for so long on streams (T,H,W); sequences grow from 1 predicted frame to 4. Return the number of updates."""
    random = np.random.default_rng(0)
    optimiser = system.optimisers["predictor"]
    begin, count = time.monotonic(), 0
    while (share := (time.monotonic() - begin) / seconds) < 1:
        length = PAST + (1 if share < 0.5 else 2 if share < 0.75 else 4)
        windows = []
        for stream in random.choice(len(streams), BATCH):
            first = random.integers(len(streams[stream]) - length + 1)
            window = streams[stream][first : first + length]
            windows.append(window[:, :, ::-1] if random.integers(2) else window)
        labels = torch.from_numpy(np.stack(windows).astype(np.int64))
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, 4 * (1 - share))
        for update in system.step({"labels": labels}):
            loss = torch.stack(list(update.terms.values())).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            count += 1
            if count % 50 == 0:
                values = {name: round(float(term.detach()), 3) for name, term in update.terms.items()}
                print(f"{count} updates, {time.monotonic() - begin:.0f} s: {values}", flush=True)
    return count


def repeated(past, num_frames):
    """The last map, again and again."""
    return [past[-1]] * num_frames


def moved_by_flow(past, num_frames):
    """The last map moved by its last flow; the flow moves with it."""
    drawn = [
        cv2.resize(colours_of(labels), None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_NEAREST)
        for labels in past
    ]
    flow = DisFlow("medium", scale=1.0)(drawn[-1], drawn[-2])
    height, width = past[-1].shape
    flow = cv2.resize(flow, (width, height), interpolation=cv2.INTER_AREA) / ENLARGED
    y, x = np.mgrid[:height, :width].astype(np.float32)
    labels, found = past[-1], []
    for _ in range(num_frames):
        across, down = x + flow[..., 0], y + flow[..., 1]
        labels = cv2.remap(labels, across, down, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        flow = cv2.remap(flow, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        found.append(labels)
    return found


def predicted(system):
    """Return a function that predicts as the two above do, by the network."""

    @torch.no_grad()
    def predict(past, num_frames):
        maps, found = system.one_hot(torch.from_numpy(past[None].astype(np.int64))), []
        for _ in range(num_frames):
            made = system.network.composite(maps)
            maps = system.following(maps, made)
            found.append(made.picture[0].argmax(0).numpy().astype(np.uint8))
        return found

    return predict


def colours_of(labels):
    """Return a map in colours, (H,W,3) uint8."""
    if labels.max() < len(COLOURS):
        return COLOURS[labels]
    numbers = np.arange(256)
    return np.stack([numbers * 37 % 256, numbers * 91 % 256, numbers * 151 % 256], axis=1).astype(np.uint8)[labels]


def judged(methods, streams, num_labels):
    """Return method -> frames ahead -> mean IoU over the classes that occur."""
    found = {}
    for name, method in methods.items():
        counts = {ahead: ConfusionMatrix(num_labels) for ahead in AHEAD}
        for stream in streams:
            made = method(stream[:PAST], max(AHEAD))
            for ahead in AHEAD:
                counts[ahead].add(stream[PAST + ahead - 1], made[ahead - 1])
        found[name] = {ahead: mean_iou(matrix) for ahead, matrix in counts.items()}
    return found


def mean_iou(matrix):
    """Return the mean over classes that are in the truth."""
    right, true, made = np.diag(matrix.counts), matrix.counts.sum(axis=1), matrix.counts.sum(axis=0)
    there = true > 0
    return float((right[there] / (true + made - right)[there]).mean())


def table(title, found):
    """Print one table and say whether the predictor is the best after 5 and 10 frames."""
    print(f"\n{title}: mean IoU after n frames")
    print(f"{'':28}" + "".join(f"{ahead:>8}" for ahead in AHEAD))
    for name, values in found.items():
        print(f"{name:28}" + "".join(f"{values[ahead]:8.3f}" for ahead in AHEAD))
    *others, ours = found.values()
    is_met = all(ours[ahead] > other[ahead] for ahead in AHEAD[1:] for other in others)
    print(f"predictor better than both after 5 and 10 frames: {'met' if is_met else 'missed'}")
    return is_met


def sheet(path, methods, streams, shown):
    """Write pictures: for some streams the last map, then the truth and each method after 5 and 10 frames."""
    rows = []
    for stream in streams[:shown]:
        made = [method(stream[:PAST], max(AHEAD)) for method in methods.values()]
        cells = [stream[PAST - 1]]
        for ahead in AHEAD[1:]:
            cells += [stream[PAST + ahead - 1], *(frames[ahead - 1] for frames in made)]
        rows.append(np.hstack([np.pad(colours_of(cell), ((1, 1), (1, 1), (0, 0))) for cell in cells]))
    enlarged = cv2.resize(np.vstack(rows), None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST)
    cv2.imwrite(str(path), enlarged[..., ::-1])


def trained(weights, num_labels, streams, minutes):
    """Return the system with the weights of the file; train it and write them if there is no file."""
    system = make_system(num_labels)
    if weights is not None and weights.exists():
        system.network.load_state_dict(load_file(weights))
        return system
    begin = time.process_time()
    updates = train(system, streams, 60 * minutes)
    print(
        f"trained: {updates} updates of {BATCH}, {minutes:g} minutes, {time.process_time() - begin:.0f} s of one core"
    )
    if weights is not None:
        save_file(system.network.state_dict(), weights)
    return system


def street_streams(seeds, num_frames):
    """Return generated maps (T,32,48): every second pixel of the scenes."""
    return [scene(seed, num_frames)[:, ::2, ::2] for seed in seeds]


def cityscapes_streams(folder):
    """Return the maps (T,32,64) uint8 of the clips in a folder, every eighth pixel."""
    clips = sorted(path for path in folder.iterdir() if path.is_dir())
    return [
        np.stack([read_labels(file)[::8, ::8] for file in sorted(clip.glob("*.png"))]).astype(np.uint8)
        for clip in clips
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=25)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--cityscapes", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.cityscapes:
        title, num_labels = "Cityscapes, 64x32, test_A", 35
        learnt = cityscapes_streams(given.cityscapes / "train_A")
        tested = [stream[first:] for stream in cityscapes_streams(given.cityscapes / "test_A") for first in (0, 1)]
    else:
        title, num_labels = f"generated streets, 48x32, {len(HELD_OUT)} held-out scenes", NUM_LABELS
        learnt, tested = street_streams(TRAIN_SCENES, 40), street_streams(HELD_OUT, PAST + max(AHEAD))
    system = trained(given.weights, num_labels, learnt, given.minutes)
    methods = {"last map": repeated, "last map, moved by its flow": moved_by_flow, "predictor": predicted(system)}
    found = judged(methods, tested, num_labels)
    is_met = table(title, found)
    if given.sheet:
        sheet(given.sheet, methods, tested, 6)
    if given.json:
        content = {
            "what": title,
            "processor": cpu_name(),
            "minutes": given.minutes,
            "mean_iou": found,
            "is_met": is_met,
        }
        given.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
