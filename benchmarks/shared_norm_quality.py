"""Measure how much steadier a network with instance norm is with shared statistics, alone and with blend.

    python benchmarks/shared_norm_quality.py --cache FOLDER [--pairs car flower ...] [--frames 24]

Needs ../shared (clips and weights). Pairs, judges and numbers are those of steady_quality.py; the statistics are measured on
every 8th frame and then fixed.
"""

import argparse
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from steady_material import PAIRS, WEIGHTS, Material
from steady_quality import blended, gains, measure

import rotoscope
from rotoscope.base.frame import Frame, Picture
from rotoscope.metrics.feature_distances import LpipsDistance


def frames_of(pictures):
    for t, picture in enumerate(pictures):
        yield Frame(t, t, Fraction(1, 25), 1, Picture((picture,)))


def with_shared_norm(material, name):
    """The frames of the pair again, translated with shared statistics."""
    with rotoscope.Translator(
        PAIRS[name].weights, norm="shared", steady="off", calibration=frames_of(material.source)
    ) as translator:
        print(f"{name:7} {', '.join(translator.notes)}")
        return [frame.pixels() for frame in translator.stream(frames_of(material.source))]


def with_results(frames, results):
    for frame, result in zip(frames, results, strict=True):
        yield replace(frame, result=Picture((result,)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--pairs", nargs="+", default=["car", "flower", "sintel", "bikes"], choices=list(PAIRS))
    parser.add_argument("--frames", type=int, default=24)
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    distance = LpipsDistance(WEIGHTS / "lpips" / "lpips_squeeze_v0.1.pth")
    for name in options.pairs:
        material = Material(name, PAIRS[name], options.frames, options.cache)
        shared = with_shared_norm(material, name)
        methods = {
            "frame by frame": material.plain,
            "norm shared": shared,
            "blend 0.75": blended(material.frames(), 0.75),
            "norm shared, blend 0.75": blended(with_results(material.frames(), shared), 0.75),
        }
        plain = None
        for method, results in methods.items():
            numbers = measure(material, list(results), distance)
            plain = plain or numbers
            gain = "  ".join(f"{judge} {value:5.2f}" for judge, value in gains(numbers, plain).items())
            print(f"{name:7} {method:24} {gain}  LPIPS {numbers['LPIPS']:.4f}  {numbers['octaves']}", flush=True)


if __name__ == "__main__":
    main()
