"""Draw the results of steady_quality.py: one panel per pair, LPIPS to frame by frame against gain in E_warp."""

import re

from rotoscope.plots.chart import Series, chart

WIDTH, HEIGHT, COLUMNS = 640, 400, 2  # of a panel, in pixels
LINES = {"blend": r"blend ([\d.]+)", "weighted": r"hypercon, weighted ([\d.]+), i=0.*"}  # the group is the strength
# Method -> its label. The blur is left out: its LPIPS is far outside the panel.
POINTS = {
    "controls": {
        "control: history only": "history",
        "control: recursion 0.6": "0.6",
        "control: recursion 0.7, cubic": "0.7",
        "control: recursion 0.7, cubic, unsharp 0.3": "sharp .3",
        "control: recursion 0.7, cubic, unsharp 0.5": "sharp .5",
        "control: mean of three": "mean 3",
        "control: median of five": "median 5",
    },
    "hypercon": {
        "hypercon, i=3 window 2 dilation 2, mean": "mean",
        "hypercon, i=3 window 2 dilation 2, median": "median",
        "hypercon, i=1 window 1 dilation 1, mean": "i=1",
    },
    "key frames": {"key frames 4": "keys", "key frames 4, blend 0.75": "keys, blend"},
}
NONE = 0.0, 1.0  # LPIPS and gain at strength 0


def fronts(pairs: dict) -> str:
    """Return an SVG file as text; `pairs` as in the JSON file. The gain is the smaller one of the two judges."""
    panels = []
    for index, (name, methods) in enumerate(pairs.items()):
        x, y = WIDTH * (index % COLUMNS), HEIGHT * (index // COLUMNS)
        panels.append(f'<g transform="translate({x} {y})">{panel(name, methods)}</g>')
    size = f'width="{WIDTH * COLUMNS}" height="{HEIGHT * -(-len(pairs) // COLUMNS)}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}><rect {size} fill="white"/>{"".join(panels)}</svg>\n'


def panel(name: str, methods: dict) -> str:
    plain, *_ = methods.values()
    places = {
        method: (found["LPIPS"], min(plain["E_warp"][judge] / value for judge, value in found["E_warp"].items()))
        for method, found in methods.items()
    }
    series = []
    for kind, pattern in LINES.items():
        line = [NONE, *(place for method, place in places.items() if re.fullmatch(pattern, method))]
        series.append(Series(kind, *zip(*line, strict=True)))
    for kind, names in POINTS.items():
        points = [places[method] for method in names]
        series.append(Series(kind, *zip(*points, strict=True), labels=list(names.values())))
    return chart(
        series,
        title=name.partition(" by ")[0],
        x_label="LPIPS to frame by frame (left is truer); lines: strength 0, 0.25, 0.5, 0.75, 1",
        y_label="gain in E_warp over frame by frame (higher is steadier)",
        size=(WIDTH, HEIGHT),
    )
