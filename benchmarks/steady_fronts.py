"""All fronts of steady_quality.py in one drawing: a panel for each pair, LPIPS to frame by frame against E_warp."""

import re

from rotoscope.plots.chart import Series, chart

WIDTH, HEIGHT, COLUMNS = 640, 400, 2  # of a panel, in pixels
LINES = {"blend": r"blend ([\d.]+)", "weighted": r"hypercon, weighted ([\d.]+), i=0.*"}  # the group is the strength
POINTS = {"controls": r"control: (.*)", "hypercon": r"hypercon, (i=.*)", "key frames": r"(key frames.*)"}
SHORT = {" 1 px": "", ",": "", "recursion": "rec.", "window": "γ", "dilation": "d", "key frames": "keys"}
MOST = 1.0  # E_warp over that of frame by frame


def fronts(pairs: dict) -> str:
    """An SVG file's text; pairs as in the JSON file. E_warp is that of the judge who sees less gain."""
    panels = []
    for index, (name, methods) in enumerate(pairs.items()):
        x, y = WIDTH * (index % COLUMNS), HEIGHT * (index // COLUMNS)
        panels.append(f'<g transform="translate({x} {y})">{panel(name, methods)}</g>')
    size = f'width="{WIDTH * COLUMNS}" height="{HEIGHT * -(-len(pairs) // COLUMNS)}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}><rect {size} fill="white"/>{"".join(panels)}</svg>\n'


def panel(name: str, methods: dict) -> str:
    plain, *_ = methods.values()
    places = {
        method: (found["LPIPS"], max(value / plain["E_warp"][judge] for judge, value in found["E_warp"].items()))
        for method, found in methods.items()
    }
    series = []
    for kind, pattern in LINES.items():
        found = [(0.0, MOST), *(place for method, place in places.items() if re.fullmatch(pattern, method))]
        series.append(Series(kind, *zip(*found, strict=True)))
    for kind, pattern in POINTS.items():
        found = {short(match[1]): places[match[0]] for method in places if (match := re.fullmatch(pattern, method))}
        series.append(Series(kind, *zip(*found.values(), strict=True), labels=list(found)))
    return chart(
        series,
        title=name,
        x_label="LPIPS to frame by frame (left is truer); lines: strength 0, 0.25, 0.5, 0.75, 1",
        y_label="E_warp over that of frame by frame (lower is steadier)",
        size=(WIDTH, HEIGHT),
    )


def short(method: str) -> str:
    for long, brief in SHORT.items():
        method = method.replace(long, brief)
    return method
