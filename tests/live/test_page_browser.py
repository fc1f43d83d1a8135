"""The page in Debian's Chromium: what a user sees and does."""

import base64
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from browser import browser
from fake_run import FakeRun
from page_server import SECONDS, Page
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

SOURCE, RESULT = (54, 91, 133), (249, 139, 55)  # RGB of the backgrounds in `moving_frame`


@pytest.fixture(scope="module")
def chromium():
    with browser() as driver:
        yield driver


@pytest.fixture
def page():
    with Page() as page, page.camera():
        yield page


def until(driver, script, *arguments):
    """Wait until the script returns something true, and return it."""
    return WebDriverWait(driver, SECONDS, poll_frequency=0.05).until(
        lambda _: driver.execute_script(script, *arguments)
    )


def opened(driver, page, path="/"):
    driver.get(page.server.url + path)
    until(driver, "return window.rotoscope && rotoscope.pictures.frames > 2")
    return driver


def pixels(driver, canvas="result"):
    """A canvas as RGB, (H,W,3) int."""
    code = "return document.getElementById(arguments[0]).toDataURL('image/png')"
    data = base64.b64decode(driver.execute_script(code, canvas).partition(",")[2])
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)


def bar(picture, row):
    """Column at which the bright bar begins, in a row of a picture."""
    return int(np.argmax(picture[row] @ (0.2126, 0.7152, 0.0722) > 195))


def is_near(found, wanted, distance=12):
    return np.abs(np.median(found, axis=(0, 1)) - wanted).max() < distance


def choose(driver, view):
    driver.execute_script("document.querySelector(`input[value=${arguments[0]}]`).click()", view)


def errors_of(driver):
    return [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.mark.parametrize(("path", "codec"), [("/", "jpeg"), ("/?codec=h264", "h264")])
def test_the_page_loads_and_the_picture_moves(chromium, page, path, codec):
    chromium.get("about:blank")  # the page of the test before asks a server that has gone
    chromium.get_log("browser")
    opened(chromium, page, path)
    assert chromium.execute_script("return rotoscope.pictures.codec") == codec
    before = pixels(chromium)
    assert before.shape == (180, 320, 3) and is_near(before[:40], RESULT)
    until(
        chromium,
        "return rotoscope.pictures.frames > arguments[0]",
        chromium.execute_script("return rotoscope.pictures.frames"),
    )
    positions = {bar(pixels(chromium), 90) for _ in range(5)}
    assert len(positions) > 1
    assert errors_of(chromium) == []


def test_without_webcodecs_it_shows_jpeg(page):
    with browser() as driver:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": "delete window.VideoDecoder"})
        opened(driver, page, "/?codec=h264")
        assert driver.execute_script("return rotoscope.pictures.codec") == "jpeg"
        assert is_near(pixels(driver)[:40], RESULT)
        assert errors_of(driver) == []


def test_a_decoder_that_fails_is_replaced_by_jpeg(page):
    broken = "VideoDecoder.prototype.decode = function () { this.close(); throw new DOMException('broken') }"
    with browser() as driver:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": broken})
        opened(driver, page, "/?codec=h264")
        assert driver.execute_script("return rotoscope.pictures.codec") == "jpeg"


def test_mjpeg_in_an_image(chromium, page):
    opened(chromium, page)
    chromium.execute_script(
        "const i = new Image(); i.id = 'mjpeg'; i.src = '/stream.mjpg?source=1'; document.body.append(i)"
    )
    until(chromium, "return document.getElementById('mjpeg').naturalHeight == 360")


@pytest.mark.parametrize("codec", ["jpeg", "h264"])
def test_side_by_side_shows_source_and_result_of_the_same_frame(chromium, page, codec):
    opened(chromium, page, f"/?codec={codec}")
    choose(chromium, "beside")
    until(chromium, "return document.getElementById('source').width == 320")
    # Both canvases are drawn from one picture: read them in one step.
    code = "return ['result', 'source'].map(id => document.getElementById(id).toDataURL('image/png'))"
    for _ in range(3):
        pair = [base64.b64decode(url.partition(",")[2]) for url in chromium.execute_script(code)]
        result, source = (
            cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int) for data in pair
        )
        assert is_near(result[:40], RESULT) and is_near(source[:40], SOURCE)
        assert abs(bar(result, 90) - bar(source, 90)) <= 2
    shown = chromium.find_elements(By.CSS_SELECTOR, "#frame figure")
    assert all(figure.is_displayed() for figure in shown)


@pytest.mark.parametrize("codec", ["jpeg", "h264"])
def test_the_wipe_shows_the_source_on_its_left(chromium, page, codec):
    opened(chromium, page, f"/?codec={codec}")
    choose(chromium, "wipe")
    wipe = chromium.find_element(By.ID, "wipe")
    until(chromium, "return document.getElementById('source').width == 320")

    def both_sides():
        picture = pixels(chromium)
        return is_near(picture[:40, :150], SOURCE) and is_near(picture[:40, 170:], RESULT)

    WebDriverWait(chromium, SECONDS).until(lambda _: both_sides())
    wipe.send_keys(Keys.END)
    WebDriverWait(chromium, SECONDS).until(lambda _: is_near(pixels(chromium)[:40], SOURCE))
    wipe.send_keys(Keys.HOME)
    WebDriverWait(chromium, SECONDS).until(lambda _: is_near(pixels(chromium)[:40], RESULT))
    drag = """
        const canvas = document.getElementById('result'), box = canvas.getBoundingClientRect();
        canvas.dispatchEvent(new PointerEvent('pointermove',
            {pointerType: 'mouse', clientX: box.left + box.width * 0.75, clientY: box.top + 9, bubbles: true}))"""
    chromium.execute_script(drag)
    assert float(wipe.get_property("value")) == pytest.approx(75, abs=1)


def test_sliders_reach_the_run(chromium, page):
    opened(chromium, page)
    until(chromium, "return document.getElementById('strength').value == 0.75")
    chromium.find_element(By.ID, "strength").send_keys(Keys.ARROW_LEFT)
    page.run.wait_for(lambda asked: {"strength": 0.7} in asked)
    chromium.find_element(By.ID, "mix").send_keys(Keys.END)
    page.run.wait_for(lambda asked: asked[-1] == {"mix": 1})
    until(chromium, "return document.getElementById('mix-value').textContent == '1.00'")


def test_a_change_by_another_viewer_moves_the_slider(chromium, page):
    opened(chromium, page)
    page.run.change({"strength": 0.3})
    until(chromium, "return document.getElementById('strength').value == 0.3")


def test_looks_and_model_files(chromium, page):
    opened(chromium, page)
    until(chromium, "return document.getElementById('look').options.length == 3")
    chromium.find_element(By.ID, "look").send_keys("scream")
    page.run.wait_for(lambda asked: {"model": "scream"} in asked)
    chromium.find_element(By.ID, "path").send_keys("/models/net.onnx", Keys.ENTER)
    page.run.wait_for(lambda asked: {"model": "/models/net.onnx"} in asked)
    until(chromium, "return document.getElementById('look').value == '/models/net.onnx'")


def test_the_style_of_a_model_that_has_some(chromium, page):
    opened(chromium, page)
    style = chromium.find_element(By.ID, "style")
    assert not style.is_displayed()
    page.run.now = replace(page.run.now, styles="0 to 2", style="1")
    until(chromium, "return document.getElementById('style-help').textContent == 'Accepted: 0 to 2. Now: 1.'")
    style.send_keys("2", Keys.ENTER)
    page.run.wait_for(lambda asked: {"style": 2} in asked)
    style.clear()
    style.send_keys("0:0.5,2:0.5", Keys.ENTER)
    page.run.wait_for(lambda asked: {"style": "0:0.5,2:0.5"} in asked)


def test_a_refused_change_is_shown_in_one_line(chromium, page):
    opened(chromium, page)
    page.run.refusal = "model no.onnx: there is no such file; looks: starry, scream"
    chromium.find_element(By.ID, "path").send_keys("no.onnx", Keys.ENTER)
    until(chromium, "return document.getElementById('error').textContent == arguments[0]", page.run.refusal)
    assert chromium.find_element(By.ID, "error").is_displayed()
    page.run.refusal = None
    chromium.find_element(By.ID, "path").send_keys(Keys.ENTER)
    until(chromium, "return document.getElementById('error').hidden")


def test_a_model_that_opens_slowly_or_not_at_all(chromium, page):
    page.run.change = page.run._ask  # it is opened beside the running one
    opened(chromium, page)
    until(chromium, "return document.getElementById('look').value == 'starry'")
    chromium.find_element(By.ID, "look").send_keys("scream")
    words = "Opening scream; starry goes on meanwhile."
    until(chromium, "return document.getElementById('look-help').textContent == arguments[0]", words)
    assert chromium.find_element(By.ID, "look").get_property("value") == "scream"
    page.run.now = FakeRun(model="scream").now
    until(chromium, "return document.getElementById('look-help').textContent.startsWith('The network')")
    chromium.find_element(By.ID, "path").send_keys("no.onnx", Keys.ENTER)
    page.run.wait_for(lambda asked: asked[-1] == {"model": "no.onnx"})
    page.run.now = FakeRun(model="scream", notes=("no.onnx: there is no such file",)).now
    until(chromium, "return document.getElementById('error').textContent == 'no.onnx: there is no such file'")
    until(chromium, "return document.getElementById('look-help').textContent.startsWith('The network')")
    assert chromium.find_element(By.ID, "look").get_property("value") == "scream"


def test_pause_and_record(chromium, page):
    opened(chromium, page)
    until(chromium, "return document.getElementById('state-text').textContent == 'playing'")
    chromium.find_element(By.ID, "pause").send_keys(Keys.SPACE)
    page.run.wait_for(lambda asked: {"is_paused": True} in asked)
    until(chromium, "return document.getElementById('state-text').textContent == 'paused'")
    chromium.find_element(By.ID, "record").click()
    until(chromium, "return document.getElementById('recording').textContent == 'Recording into rotoscope-0001.mkv'")
    chromium.find_element(By.ID, "record").click()
    page.run.wait_for(lambda asked: asked[-2:] == ["record", "stop recording"])
    until(chromium, "return document.getElementById('recording').hidden")


def test_the_snapshot_is_a_png_file(page, tmp_path):
    with browser(downloads=tmp_path) as driver:
        opened(driver, page)
        driver.find_element(By.ID, "snapshot").click()
        WebDriverWait(driver, SECONDS).until(lambda _: list(tmp_path.glob("rotoscope-*.png")))
    (file,) = tmp_path.glob("rotoscope-*.png")
    assert cv2.imread(str(file)).shape == (180, 320, 3)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"source_state": "connecting", "frames_in": 0}, "connecting to the source"),
        ({"source_state": "playing", "frames_in": 0}, "connected, waiting for the first picture"),
        ({"source_state": "waiting"}, "the source is away, connecting again"),
        ({"source_state": "ended"}, "the source has ended"),
    ],
)
def test_the_state_of_the_source_in_words(chromium, page, status, words):
    page.run.now = FakeRun(**status).now
    opened(chromium, page)
    until(chromium, "return document.getElementById('state-text').textContent == arguments[0]", words)


def test_silence_is_counted_in_seconds(chromium, page):
    opened(chromium, page)
    until(chromium, "return document.getElementById('state-text').textContent == 'playing'")
    page.run.now = FakeRun(source_state="silent", seconds=16.5).now
    until(chromium, "return document.getElementById('state-text').textContent == 'no picture for 4 s'")


def test_numbers_facts_and_outputs(chromium, page):
    opened(chromium, page)
    until(chromium, "return document.getElementById('dropped').textContent == '8'")
    text = chromium.find_element(By.TAG_NAME, "main").text
    facts = "onnxruntime fp32 on cpu, 2 threads", "network 70%", "Lost: 1 × broken packet"
    numbers = "in 24.0", "out 23.5", "median 41", "99% 66"
    for words in (*facts, *numbers, "rtmp://server/app/...", "away, connecting again", "5 × cut"):
        assert words in text, words
    assert chromium.execute_script("return document.querySelectorAll('#latency-graph polyline').length") == 2


def test_what_a_status_says_is_text_not_html(chromium, page):
    page.run.now = FakeRun(model="<img src=x onerror=alert(1)>", notes=("<b>bold</b>",)).now
    opened(chromium, page)
    until(chromium, "return document.getElementById('facts').textContent.includes('<b>bold</b>')")
    assert chromium.execute_script("return document.querySelectorAll('#facts b, #facts img, #look img').length") == 0


def test_a_server_that_stops_is_said_and_found_again(chromium):
    with Page() as page, page.camera():
        opened(chromium, page)
    until(chromium, "return document.getElementById('state-text').textContent.startsWith('Rotoscope does not answer')")
    from rotoscope.runtime.live.page.server import PageServer

    page.server = PageServer(page.run, page.sink, port=page.server.port)
    frames = chromium.execute_script("return rotoscope.pictures.frames")
    with page, page.camera():
        until(chromium, "return rotoscope.pictures.frames > arguments[0]", frames)
        until(chromium, "return document.getElementById('state-text').textContent == 'playing'")


def test_a_hidden_page_is_no_viewer(chromium, page):
    opened(chromium, page)
    chromium.switch_to.new_window("tab")
    page.wait_for_viewers(0)
    chromium.close()
    chromium.switch_to.window(chromium.window_handles[0])
    page.wait_for_viewers(1)


def test_the_token_is_given_once(chromium):
    with Page(token="correct-horse-battery") as page, page.camera():
        chromium.get(page.server.url)
        assert "a token is needed" in chromium.page_source
        opened(chromium, page, "/?token=correct-horse-battery")
        assert "token" not in chromium.current_url
        opened(chromium, page)


@pytest.mark.parametrize("size", [(390, 844), (1280, 900)])
def test_nothing_is_wider_than_the_screen(chromium, page, size):
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 500}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        opened(chromium, page)
        for view in ("result", "wipe", "beside"):
            choose(chromium, view)
            assert chromium.execute_script("return document.documentElement.scrollWidth") == size[0]
    finally:
        chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_every_control_has_a_name_and_can_be_reached_by_keys(chromium, page):
    opened(chromium, page)
    choose(chromium, "wipe")
    controls = chromium.find_elements(By.CSS_SELECTOR, "button, input, select")
    assert len(controls) >= 11
    for control in controls:
        if control.is_displayed():
            assert control.accessible_name, control.get_attribute("outerHTML")
    chromium.execute_script("document.body.focus()")
    reached = set()
    for _ in range(30):
        chromium.switch_to.active_element.send_keys(Keys.TAB)
        reached.add(
            chromium.execute_script(
                "return document.activeElement.id || document.activeElement.name || document.activeElement.textContent"
            )
        )
    wanted = {
        control.get_attribute("id") or control.get_attribute("name") or control.text
        for control in controls
        if control.is_displayed()
    }
    assert wanted - {""} <= reached, json.dumps(sorted(wanted - reached))
