"""Compare steadying methods at equal LPIPS and equal octave energies, on many clips, in one table.

    python benchmarks/steady_yardstick.py --cache FOLDER [--pairs car flower ...] [--methods blend "ramp 1" ...]
        [--frames 48] [--json FILE]

Needs ../shared (clips and weights). The control is a recursion along the motion without trust, history read by cubic sampling,
whose four octaves are given back the energy of frame by frame by one gain each, for weights of history from 0.3 to 0.8.
"x" is the gain in E_warp over frame by frame divided by the control's at the same LPIPS (SqueezeNet), the geometric mean over
five LPIPS inside both sweeps: of the lesser of two judges (RAFT-small, on the demo clip the true flow; DIS medium at full
size), and of judge C (the first one's flow on pixels where both flows agree within half a pixel). Octaves and the energy of
colours are relative to frame by frame, at the strength whose LPIPS is nearest to the control's at 0.6. With --json, what is in
the file is not measured again. docs/lab/steadiness.md shows the results.
"""

import argparse
import json
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from steady_material import HELD_OUT, PAIRS, WEIGHTS, Material
from steady_quality import blended, levels, pooled, recursion, shown, whole

from rotoscope.base.stage import run_stage
from rotoscope.base.times import StageTimes
from rotoscope.metrics.colour_energy import colour_energy
from rotoscope.metrics.equal_octaves import equalising_gains, gain_at, relative_gain, with_octave_gains
from rotoscope.metrics.feature_distances import LpipsDistance
from rotoscope.metrics.gradient_energy import gradient_energy, relative_energy
from rotoscope.metrics.warping_error import agreeing, mean_over, warping_difference
from rotoscope.runtime.steady.ramp import Ramp

SETTLING = 2  # pairs of frames at the start that are not judged
LPIPS_EVERY, COLOUR_EVERY, EQUALISED_EVERY = 4, 4, 4  # frames
CONTROL = "control"
AT = "0.6"  # weight of the control whose LPIPS is the place of the single numbers


def control(material, weight):
    """Recursion with cubic history, its octaves given back their energy."""
    video = [picture[..., :3] for picture in recursion(material.frames(trusted=False), weight)]
    chosen = range(SETTLING, len(video), EQUALISED_EVERY)
    wanted = np.mean([gradient_energy(material.plain[t][..., :3]) for t in chosen], axis=0)
    gains = equalising_gains([np.clip(video[t], 0, 1) for t in chosen], wanted)
    return (with_octave_gains(np.clip(picture, 0, 1), gains) for picture in video)


def weighted(material, strength):
    """HyperCon's weighted pool, three frames late."""
    return pooled(material.frames(), insert=0, window=3, dilation=1, pool="weighted", strength=strength)


def ramped(material, strength, late):
    return shown(run_stage(Ramp(strength, late, whole, StageTimes()), material.frames()))


# Method -> (how, the strengths of its sweep). A sweep goes from about the control's least LPIPS to its most.
METHODS = {
    CONTROL: (control, (0.3, 0.45, 0.6, 0.7, 0.8)),
    "blend": (lambda m, s: blended(m.frames(), s), (0.5, 0.65, 0.75, 0.9)),
    "ramp 1": (partial(ramped, late=1), (0.4, 0.55, 0.65, 0.8)),
    "ramp 3": (partial(ramped, late=3), (0.35, 0.5, 0.65, 0.8)),
    "weighted": (weighted, (0.4, 0.55, 0.75)),
}


class Measures:
    """What is measured of one clip: numbers relative to its frame-by-frame result."""

    def __init__(self, material, distance):
        self._judges = material.judges
        self._first, second = self._judges.values()
        agree = [agreeing(*flows) for flows in zip(self._first.flow, second.flow, strict=True)]
        self._agree = np.stack(agree) & self._first.valid & second.valid
        self._distance = distance
        self._plain = [levels(picture) for picture in material.plain]
        self._plain_numbers = self._raw(self._plain)

    def _raw(self, video):
        errors = {name: [] for name in (*self._judges, "C")}
        for t, (a, b) in enumerate(pairwise(video)):
            for name, judge in self._judges.items() if t >= SETTLING else ():
                difference = warping_difference(a, b, judge.flow[t])
                errors[name].append(mean_over(difference, judge.valid[t]))
                if judge is self._first:
                    errors["C"].append(mean_over(difference, self._agree[t]))
        return {
            "E_warp": {name: float(np.nanmean(values)) for name, values in errors.items()},
            "energy": [gradient_energy(picture) for picture in video],
            "colour": [colour_energy(video[t]) for t in range(SETTLING, len(video), COLOUR_EVERY)],
        }

    def __call__(self, results):
        video = [levels(picture) for picture in results]
        raw, plain = self._raw(video), self._plain_numbers
        distances = [self._distance(video[t], self._plain[t]) for t in range(SETTLING, len(video), LPIPS_EVERY)]
        return {
            "gain": {name: round(plain["E_warp"][name] / value, 4) for name, value in raw["E_warp"].items()},
            "LPIPS": round(float(np.mean(distances)), 4),
            "octaves": [round(value, 3) for value in relative_energy(raw["energy"], plain["energy"]).tolist()],
            "colour": [round(value, 3) for value in relative_energy(raw["colour"], plain["colour"]).tolist()],
        }


def front(points, judge):
    """(LPIPS, gain) of each strength; judge "C", or "AB" for the lesser of the other two."""
    return [
        (point["LPIPS"], point["gain"]["C"] if judge == "C" else min(v for k, v in point["gain"].items() if k != "C"))
        for point in points.values()
    ]


def row(name, method, found):
    points, reference = found[method], found[CONTROL]
    place = reference[AT]["LPIPS"]
    strength, near = min(points.items(), key=lambda item: abs(item[1]["LPIPS"] - place))
    ratios = {judge: relative_gain(front(points, judge), front(reference, judge)) for judge in ("AB", "C")}
    absolute = [gain_at(place, front(points, judge)) for judge in ("AB", "C")]
    octaves = f"{min(near['octaves']):.2f}-{max(near['octaves']):.2f}"
    colour = f"{min(near['colour']):.2f}-{max(near['colour']):.2f}"
    print(
        f"| {name} | {method} | {ratios['AB']:.2f} | {ratios['C']:.2f} | {absolute[0]:.2f} | {absolute[1]:.2f} | {place:.3f} | "
        f"{strength}: {near['LPIPS']:.3f} | {octaves} | {colour} |",
        flush=True,
    )
    return ratios


def table(found, methods):
    print(
        "| clip | method | x, lesser of A and B | x, C | gain | gain, C | at LPIPS | nearest strength: LPIPS | octaves "
        "| colour |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for method in methods:
        ratios = {name: row(name, method, clip) for name, clip in found.items() if method in clip}
        for kind, names in (("chosen with", ratios.keys() - HELD_OUT), ("held out", ratios.keys() & HELD_OUT)):
            real = sorted(names - {"demo"})
            for judge in ("AB", "C"):
                values = {name: ratios[name][judge] for name in real if np.isfinite(ratios[name][judge])}
                if values and method != CONTROL:
                    worst = min(values, key=values.get)
                    mean = np.exp(np.mean(np.log(list(values.values()))))
                    print(
                        f"{method}, {judge}, {len(values)} {kind}: mean {mean:.3f}, least {values[worst]:.3f} ({worst})"
                    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--pairs", nargs="*", default=list(PAIRS), choices=list(PAIRS))
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--crop", help="only the middle, for example 320x208, for a quick look; another cache and file")
    parser.add_argument("--first-judge", default="RAFT-small", choices=("RAFT-small", "inverse search"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    found = json.loads(options.json.read_text())["pairs"] if options.json and options.json.exists() else {}
    distance = LpipsDistance(WEIGHTS / "lpips" / "lpips_squeeze_v0.1.pth")
    methods = list(dict.fromkeys([CONTROL, *options.methods]))
    for name in options.pairs:
        clip = found.setdefault(name, {})
        wanted = [(m, s) for m in methods for s in METHODS[m][1] if str(s) not in clip.get(m, {})]
        if wanted:
            crop = None if options.crop is None else tuple(map(int, options.crop.split("x")))
            pair = replace(PAIRS[name], crop=crop, first_judge=options.first_judge)
            material = Material(name, pair, options.frames, options.cache)
            measures = Measures(material, distance)
        for method, strength in wanted:
            results = METHODS[method][0](material, strength)
            clip.setdefault(method, {})[str(strength)] = measures(results)
        if options.json:
            options.json.write_text(json.dumps({"frames": options.frames, "pairs": found}, indent=1) + "\n")
    table({name: found[name] for name in options.pairs}, methods)


if __name__ == "__main__":
    main()
