"""Measure what steadying costs: frames of memory through a look, with `--steady off` and with other methods, in turns.

    python benchmarks/steady_cost.py --json FILE [--methods blend ramp] [--engine openvino --precision bf16] [--rounds 12]

All lines are open in one process and take turns, so that other work on the machine slows all of them. A round gives a line a
number of frames and takes as many; then it rests until the frames that the network holds are done, so that no work of one line
is counted for another. Printed are medians over the rounds of the ratios to `off` in the same round: of the rates, and of the
CPU times (off / method), which are steadier where other work runs.
"""

import argparse
import json
import time
from contextlib import ExitStack, closing
from fractions import Fraction
from itertools import islice
from pathlib import Path
from statistics import median
from threading import Semaphore

from rotoscope.assembly.chain import as_chain, model_keywords, open_chain
from rotoscope.base.options import SteadyOptions
from rotoscope.demo.cached_clip import cached_clip
from rotoscope.kernels.rows import Workers, usable_cores
from rotoscope.runtime.pipeline.stages import Stages
from rotoscope.scenarios.clip_frames import clip_frames
from rotoscope.scenarios.closed_loop import finish_of
from rotoscope.scenarios.machine import machine

SETTLING = 20  # frames before the first round
REST_S = 1.0  # after a round, for the frames that the network holds


class Line:
    """A line of stages that translates as many frames as it is given; closed with the stack."""

    def __init__(self, stack, options, method, clip):
        models = open_chain(as_chain(options.model), model_keywords({"precision": options.precision}, options.engine))
        stages = Stages(models, SteadyOptions(steady=method), workers=Workers(options.threads))
        stack.callback(stages.workers.close)
        stack.callback(stages.close)
        # A result leaves up to in_flight + 1 frames after its source.
        self.description, self._held = stages.description, stages.in_flight + 1 + stages.look_ahead
        self._given, self._ends = Semaphore(self._held + SETTLING), False
        frames = self._gated(clip.forth_and_back(Fraction(25)))
        with stages.workers.active():
            self._line = stack.enter_context(
                closing(stages.line(frames, finish_of(stages, clip), interrupt=self._interrupt))
            )
            self._take(SETTLING)

    def _gated(self, frames):
        for frame in frames:
            self._given.acquire()
            if self._ends:
                return
            yield frame

    def _interrupt(self):
        self._ends = True
        self._given.release()

    def _take(self, num_frames):
        for _ in islice(self._line, num_frames):
            pass

    def round(self, num_frames):
        """Frames per second, without those that the network had done before, and CPU time per frame."""
        time.sleep(REST_S)
        cpu, begin = time.process_time(), time.perf_counter()
        self._given.release(num_frames)
        self._take(num_frames)
        seconds = time.perf_counter() - begin
        time.sleep(REST_S)
        cpu = time.process_time() - cpu
        return {
            "fps": round((num_frames - self._held) / seconds, 3),
            "cpu_ms": round(1e3 * cpu / num_frames, 2),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--model", default="starry")
    parser.add_argument("--methods", nargs="+", default=["blend"])
    parser.add_argument("--engine", default="onnxruntime")
    parser.add_argument("--precision")
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--frames", type=int, default=24, help="of each round")
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    clip = clip_frames(options.clip or cached_clip(), (640, 360))
    methods = ["off", *options.methods]
    rounds = []
    with ExitStack() as stack:
        lines = {method: Line(stack, options, method, clip) for method in methods}
        engine = lines["off"].description
        for _ in range(options.rounds):
            rounds.append({method: line.round(options.frames) for method, line in lines.items()})
    ratios = {
        method: {
            "rate": round(median(one[method]["fps"] / one["off"]["fps"] for one in rounds), 3),
            "cpu": round(median(one["off"]["cpu_ms"] / one[method]["cpu_ms"] for one in rounds), 3),
            "more_cpu_ms": round(median(one[method]["cpu_ms"] - one["off"]["cpu_ms"] for one in rounds), 2),
        }
        for method in options.methods
    }
    made = {
        "model": options.model, "size": "640x360", "engine": engine, "machine": machine(), "frames": options.frames,
        "ratios_to_off": ratios, "rounds": rounds,
    }  # fmt: skip
    options.json.write_text(json.dumps(made, indent=1) + "\n")
    print(f"{engine}, load {made['machine']['load']}")
    for method, found in ratios.items():
        print(
            f"{method}: {found['rate']:.2f} of the rate of off, by CPU time {found['cpu']:.2f} ({found['more_cpu_ms']} ms more)"
        )


if __name__ == "__main__":
    main()
