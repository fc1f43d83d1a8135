"""(f) Instance norm with the statistics of the whole clip, with and without the clamp to their range, on ten clips.

The statistics are measured on every second frame of the clip (the paper: every eighth of a longer one) and then fixed.
"""

import numpy as np
import torch
from steady_material import MOSAIC

from rotoscope.export.checkpoint import open_checkpoint
from rotoscope.networks.shared_norm import share_statistics
from tables.clips import clips, flicker, lpips, mean_distance
from tables.collect import Collected
from tables.result import Result

FRAMES, EVERY = 6, 2


def unclamped(state):
    """Return statistics (4,C) whose range is infinite: nothing is clamped to it."""
    without = state.clone()
    without[2], without[3] = -torch.inf, torch.inf
    return without


def shown(outputs):
    """(N,3,H,W) in [0,255] -> list of (H,W,3) uint8."""
    return list(outputs.clamp(0, 255).round().byte().permute(0, 2, 3, 1).numpy())


def run(setup):
    plain_network = open_checkpoint(MOSAIC).network.float()
    shared = share_statistics(plain_network)
    distance, found = lpips(), Collected()
    for clip in clips(setup, FRAMES):
        setup.check_time(f"clip {clip.name}")
        frames = torch.from_numpy(np.stack(clip.frames)).permute(0, 3, 1, 2).float()
        with torch.inference_mode():
            state = shared.calibrate(frames[::EVERY])
            results = {
                "frame by frame": shown(torch.cat([plain_network(frame[None]) for frame in frames])),
                "shared, clamped": shown(torch.cat([shared(frame[None], state)[0] for frame in frames])),
                "shared, not clamped": shown(torch.cat([shared(frame[None], unclamped(state))[0] for frame in frames])),
            }
        plain = results["frame by frame"]
        for name, pictures in results.items():
            close = {} if pictures is plain else {"LPIPS": mean_distance(distance, pictures, plain)}
            found.add(name, {"E_warp": flicker(clip, pictures), **close})
        print(f"{clip.name} measured", flush=True)
    return Result(
        name="f",
        title="Shared instance-norm statistics with and without the clamp on ten clips, style mosaic",
        values=found.plain(),
        published=None,
        settings={"frames": FRAMES, "statistics from every": EVERY},
        notes=(
            "the paper states the rule and gives no table for it",
            "the network runs in torch, in fp32, without any steadier",
        ),
    )
