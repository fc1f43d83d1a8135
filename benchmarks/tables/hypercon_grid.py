"""(g, first part) HyperCon's grid over insert, window and dilation: least distance first, then least E_warp."""

from itertools import product

from steady_material import MOSAIC

from rotoscope.metrics.pareto import Setting, recommended
from tables.clips import clips, flicker, lpips, mean_distance, translated
from tables.collect import Collected
from tables.result import Result

FRAMES = 6
CLIPS = "bikes", "car", "sintel"
GRID = tuple(product((0, 1, 3), (1, 2), (1, 2)))  # insert, window, dilation


def run(setup):
    distance, found = lpips(), Collected()
    grid = GRID[:2] if setup.tiny else GRID
    for clip in clips(setup, FRAMES):
        if clip.name not in CLIPS:
            continue
        plain = translated(MOSAIC, clip, steady="off")
        found.add("frame by frame", {"E_warp": flicker(clip, plain)})
        for insert, window, dilation in grid:
            setup.check_time(f"clip {clip.name}")
            results = translated(
                MOSAIC, clip, steady="hypercon", pool="mean", insert=insert, window=window, dilation=dilation
            )
            name = f"insert {insert}, window {window}, dilation {dilation}"
            found.add(name, {"E_warp": flicker(clip, results), "LPIPS": mean_distance(distance, results, plain)})
        print(f"{clip.name} measured", flush=True)
    values = found.plain()
    return Result(
        name="g-hypercon",
        title="HyperCon's grid, style mosaic",
        values=values,
        published=None,
        settings={"frames": FRAMES, "clips": CLIPS},
        notes=(
            f"the rule (least distance, then least E_warp) chooses {chosen(values)}",
            "the paper does not publish the grid's numbers or its choice; it says that few pooled frames keep the style and "
            "many are steadier",
            "LPIPS stands in for FID",
        ),
    )


def chosen(values):
    """Return the name of the setting that HyperCon's rule chooses, by means over the clips."""
    mean = {
        name: {measure: sum(each) / len(each) for measure, each in measures.items()}
        for name, measures in values.items()
        if "LPIPS" in measures
    }
    return recommended([Setting(name, one["LPIPS"], one["E_warp"]) for name, one in mean.items()]).label
