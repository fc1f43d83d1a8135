"""Compare our dense inverse search with OpenCV's DIS: error against true flow, and time of both directions on a CPU.

    python benchmarks/inverse_search.py --out benchmarks/results/inverse_search.json

Error and pairs are those of test_flow.py. Times are CPU time of both directions of a 640x360 pair with one thread, best round;
the estimators take turns, so that a busy machine slows all of them. Ratios are to DIS balanced at half size, the default of
`translate`.
"""

import argparse
import json
import platform
import time
from pathlib import Path

import cv2
from test_flow import end_point_errors, true_pairs

from rotoscope.kernels.rows import SERIAL
from rotoscope.runtime.motion.dis import DisFlow
from rotoscope.runtime.motion.inverse_search import InverseSearchFlow

BASE = "dis balanced, 0.5"
ESTIMATORS = {
    BASE: DisFlow("balanced", 0.5),
    "dis medium, 0.5": DisFlow("medium", 0.5),
    "dis medium, 1": DisFlow("medium", 1.0),
    "inverse search, 0.25": InverseSearchFlow(0.25),
    "inverse search, 0.5": InverseSearchFlow(0.5),
    "inverse search, 1": InverseSearchFlow(1.0),
}


def both_ways(estimate, first, second):
    if isinstance(estimate, InverseSearchFlow):
        return estimate.both_ways(first, second)
    return estimate(first, second), estimate(second, first)


def best_milliseconds(pair, rounds):
    """Name of the estimator -> milliseconds of its best round."""
    best = dict.fromkeys(ESTIMATORS, float("inf"))
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with SERIAL.active():
            for _ in range(rounds):
                for name, estimate in ESTIMATORS.items():
                    begin = time.process_time()
                    both_ways(estimate, *pair)
                    best[name] = min(best[name], 1000 * (time.process_time() - begin))
    finally:
        cv2.setNumThreads(threads)
    return best


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    pairs = true_pairs()
    errors = {name: end_point_errors(estimate, pairs) for name, estimate in ESTIMATORS.items()}
    times = best_milliseconds(pairs["demo scene"][0][:2], options.rounds)
    rows = {
        name: {
            "error_px": errors[name],
            "error_ratio": {scene: round(error / errors[BASE][scene], 3) for scene, error in errors[name].items()},
            "milliseconds": round(times[name], 1),
            "time_ratio": round(times[name] / times[BASE], 2),
        }
        for name in ESTIMATORS
    }
    options.out.write_text(
        json.dumps({"machine": platform.processor() or platform.machine(), "rows": rows}, indent=1) + "\n"
    )
    print("| estimator, scale | time | " + " | ".join(pairs) + " |\n|" + "---|" * (len(pairs) + 2))
    for name, row in rows.items():
        print(f"| {name} | {row['time_ratio']:g}x | " + " | ".join(f"{e:.2f}" for e in row["error_px"].values()) + " |")


if __name__ == "__main__":
    main()
