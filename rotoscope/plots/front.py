"""The fidelity-versus-consistency front of a sweep, as in figure 5 of HyperCon."""

from collections.abc import Sequence

from rotoscope.metrics.front import Setting
from rotoscope.plots.chart import Series, chart

SIZE = (900, 520)


def front_chart(
    settings: Sequence[Setting], best: Sequence[Setting], chosen: Setting, distance: str, title: str
) -> str:
    """An SVG file's text: every setting as a labelled point, those of the front and the recommended one told apart."""
    kinds = {
        "recommended": [chosen],
        "front": [one for one in best if one != chosen],
        "beaten by others": [one for one in settings if one not in best and one != chosen],
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
        x_label=f"{distance} to frame by frame (left is truer)",
        y_label="E_warp (lower is steadier)",
        size=SIZE,
    )
