"""The demo page: one file, each rendering in its tile, numbers measured along the true motion."""

import base64
import json
import re
from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
import tiny_clips

import rotoscope
from rotoscope.demo import Scene, make_clip
from rotoscope.demo.make_demo import _reduced
from rotoscope.demo.page import Looks, Rendering, write_page
from rotoscope.metrics.matched import frames_of

WIDTH, HEIGHT, FRAMES = 160, 96, 8
BLINKS = (24, 12, 6, 3, 0)  # of 255, by strength


def blinking(clip, target, step):
    """Write the clip with an alternating brightness as a video."""

    def frames():
        with rotoscope.read(clip) as reader:
            for frame in reader:
                picture = rotoscope.rgb(frame.source) * np.float32(0.8 / 255) + step * (frame.index % 2) / 255
                pixels = np.dstack([picture, np.zeros_like(picture[..., :1])]).astype(np.float32)
                yield replace(frame, result=rotoscope.Picture((pixels,)))

    rotoscope.write(target, frames(), codec="ffv1")
    return target


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(the page's text, its renderings, the clip)."""
    folder = tmp_path_factory.mktemp("page")
    clip = folder / "clip.mp4"
    make_clip(clip, width=WIDTH, height=HEIGHT, num_frames=FRAMES)
    renderings = [
        Rendering(index / 4, blinking(clip, folder / f"{index}.mkv", step), f"rotoscope </script> {index}")
        for index, step in enumerate(BLINKS)
    ]
    write_page(
        folder / "page.html", Scene(WIDTH, HEIGHT, FRAMES), clip, renderings,
        looks=[Looks("<b>", ("one", "two"), [clip, renderings[0].path, renderings[4].path])],
        chosen=3, title="A & B", machine="7 <frames> a second", invitation="run <this>",
    )  # fmt: skip
    return (folder / "page.html").read_text(), renderings, clip


@pytest.fixture(scope="module")
def facts(made):
    return json.loads(re.search(r'<script type="application/json" id="facts">(.*?)</script>', made[0], re.DOTALL)[1])


def test_the_page_loads_nothing(made):
    page = made[0]
    references = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert references and all(reference.startswith("data:") for reference in references)
    assert set(re.findall(r"https?://[\w./]*", page)) == {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert "A &amp; B" in page and "7 &lt;frames&gt; a second" in page
    assert not re.search(r"\$[a-z_]+", re.sub(r"base64,[^\"]*", "", page))


def test_every_rendering_plays_in_its_tile(made, facts, tmp_path):
    page, renderings, clip = made
    (tmp_path / "page.webm").write_bytes(base64.b64decode(re.search(r"data:video/webm;base64,([^\"]*)", page)[1]))
    with av.open(str(tmp_path / "page.webm")) as container:
        assert container.streams.video[0].codec_context.name in ("vp9", "libvpx-vp9")
        tiled = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(tiled) == FRAMES
    videos = [list(frames_of(str(path))) for path in (clip, *(rendering.path for rendering in renderings))]
    for index in (0, FRAMES - 1):
        for tile, frames in enumerate(videos):
            top, left = tile // facts["columns"] * HEIGHT, tile % facts["columns"] * WIDTH
            shown = tiled[index][top : top + HEIGHT, left : left + WIDTH].astype(int)
            assert np.abs(shown - frames[index]).mean() < 8


def test_a_clip_stands_there_at_its_own_pixels_in_every_look(made, facts, tmp_path):
    page, renderings, clip = made
    (shown,) = facts["looks"]
    assert (shown["title"], shown["names"], shown["width"], shown["height"]) == ("<b>", ["one", "two"], WIDTH, HEIGHT)
    assert "<b>" not in page and "run &lt;this&gt;" in page
    (tmp_path / "looks.webm").write_bytes(base64.b64decode(shown["video"].split(",")[1]))
    tiles = list(frames_of(str(tmp_path / "looks.webm")))
    assert len(tiles) == FRAMES
    for place, path in enumerate((clip, renderings[0].path, renderings[4].path)):
        tile = tiles[1][:HEIGHT, place * WIDTH : (place + 1) * WIDTH].astype(int)
        assert np.abs(tile - list(frames_of(str(path)))[1]).mean() < 8


@pytest.mark.parametrize(("size", "shown"), [((96, 64), (96, 64)), ((1300, 720), (640, 354)), ((90, 722), (44, 360))])
def test_a_clip_of_the_user_is_reduced_to_the_size_of_the_page(size, shown, tmp_path):
    clip = tiny_clips.write_clip(tmp_path / "own.mp4", frames=2, size=size)
    first, second = _reduced(clip)
    assert first.result.size == shown
    assert (first.pts, second.pts, second.time_base) == (0, 40, Fraction(1, 1000))


def test_the_dial_has_a_slice_and_a_command_for_every_strength(facts):
    assert facts["commands"] == [f"rotoscope </script> {index}" for index in range(5)]
    assert facts["strengths"] == [0, 0.25, 0.5, 0.75, 1]
    assert facts["chosen"] == 3
    for uri in facts["slices"]:
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(uri.split(",")[1]), np.uint8), 1)
        assert picture.shape == (HEIGHT, FRAMES * 8, 3)


def test_the_table_shows_the_error_of_the_alternating_brightness(made):
    """A brightness that alternates by n steps of 255 adds (n/255)^2 to the warping error."""
    rows = re.findall(r"<tr><td>([\d.]+)<td>([\d.]+)<td>([\d.]+)x lower<td>(\d+)%", made[0])
    assert [float(row[0]) for row in rows] == [0, 0.25, 0.5, 0.75, 1]
    still = float(rows[-1][1])
    for row, step in zip(rows, BLINKS, strict=True):
        assert float(row[1]) - still == pytest.approx((step / 255) ** 2, abs=3e-4)
        assert float(row[3]) == pytest.approx(100, abs=2)
