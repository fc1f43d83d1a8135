"""A chart of a sweep: distance to frame by frame against warping error, as in figure 5 of HyperCon."""

from collections.abc import Sequence

from rotoscope.metrics.pareto import Setting, pareto_front
from rotoscope.plots.chart import Series, chart

SIZE = (900, 520)  # pixels


def pareto_chart(settings: Sequence[Setting], chosen: Setting, *, distance_name: str, title: str) -> str:
    """Return the text of an SVG file: each measured setting as a labelled point, in three colours.

    The colours tell the recommended setting (`chosen`), the Pareto front and the other settings apart.
    """
    front = pareto_front(settings)
    kinds = {
        "recommended": [chosen],
        "front": [one for one in front if one != chosen],
        "beaten by others": [one for one in settings if one not in front and one != chosen],
    }
    series = [
        Series(
            name, [one.distance for one in group], [one.warping_error for one in group], [one.label for one in group]
        )
        for name, group in kinds.items()
        if group
    ]
    return chart(
        series,
        title=title,
        x_label=f"{distance_name} to frame by frame (lower is closer)",
        y_label="E_warp (lower is steadier)",
        size=SIZE,
    )
