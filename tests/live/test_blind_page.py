"""The page of a blind test in Debian's Chromium, from a file: pairs, choices, the share, the downloads."""

import json

import cv2
import numpy as np
import pytest
from browser import browser
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait
from tiny_clips import write_clip

import rotoscope

SECONDS = 120


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    folder = tmp_path_factory.mktemp("downloads")
    with browser(downloads=folder) as driver:
        driver.downloads = folder
        yield driver


def test_choices_are_counted_and_downloaded(chromium, tmp_path):
    for folder, value in (("bright", 250), ("dark", 5)):
        (tmp_path / folder).mkdir()
        for index in range(6):
            cv2.imwrite(str(tmp_path / folder / f"{index}.png"), np.full((32, 32, 3), value, np.uint8))
    rotoscope.compare_blind(tmp_path / "bright", tmp_path / "dark", tmp_path / "test")
    chromium.get((tmp_path / "test" / "index.html").as_uri())
    for _ in range(6):
        is_left = chromium.execute_script("return order[shown].left") == "a"
        chromium.find_element(By.TAG_NAME, "body").send_keys(Keys.ARROW_LEFT if is_left else Keys.ARROW_RIGHT)
    row = chromium.find_element(By.CSS_SELECTOR, "#result tbody tr").text
    assert row == "bright 6 of 6 100% 61% to 100%"
    assert "leaves out 50%" in chromium.find_element(By.ID, "sentence").text
    chromium.find_element(By.ID, "json").click()
    file = WebDriverWait(chromium, SECONDS).until(lambda _: next(iter(chromium.downloads.glob("*.json")), None))
    counted, found = rotoscope.count_choices([file]), json.loads(file.read_text())["chosen a"]
    assert (counted.count_a, counted.total) == (6, 6)
    assert counted.interval_a == pytest.approx((found["low"], found["high"]))
    assert [entry for entry in chromium.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_videos_play_from_the_file(chromium, tmp_path):
    for name in ("a.mp4", "b.mp4"):
        write_clip(tmp_path / name, size=(64, 48), frames=25)
    rotoscope.compare_blind(tmp_path / "a.mp4", tmp_path / "b.mp4", tmp_path / "test", original=tmp_path / "a.mp4")
    chromium.get((tmp_path / "test" / "index.html").as_uri())
    script = "return [...document.querySelectorAll('video')].filter((v) => v.currentTime > 0 && !v.paused).length"
    WebDriverWait(chromium, SECONDS).until(lambda _: chromium.execute_script(script) == 3)
