"""Debian's Chromium for tests, without a window."""

import contextlib
import os
import shutil
from pathlib import Path

import pytest

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
INSTALL = "apt-get install -y --no-install-recommends chromium chromium-driver fonts-dejavu-core"
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream", "--allow-loopback-in-peer-connection", "--autoplay-policy=no-user-gesture-required",
    "--disable-features=WebRtcHideLocalIpsWithMdns", "--disable-background-networking", "--disable-component-update",
    "--no-first-run", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip


def need(programs, install):
    """Skip the test if a program is missing; fail where the tests with real programs must run."""
    missing = [str(program) for program in programs if shutil.which(program) is None]
    if not missing:
        return
    message = f"{', '.join(missing)} is missing; this installs it: {install}"
    if os.environ.get("CI") or os.environ.get("ROTOSCOPE_REQUIRE_LIVE"):
        pytest.fail(message)
    pytest.skip(message)


@contextlib.contextmanager
def browser(*flags, size=(1280, 900), downloads=None):
    """A browser as a selenium driver; more flags of Chromium may be given, and the folder for downloads."""
    need([CHROMIUM, DRIVER], INSTALL)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--window-size={size[0]},{size[1]}", *flags):
        options.add_argument(flag)
    if downloads is not None:
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        driver.set_page_load_timeout(120)
        driver.set_script_timeout(120)
        yield driver
    finally:
        driver.quit()
