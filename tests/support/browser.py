"""A page in headless Chromium, cut off from any network."""

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
_FLAGS = (
    "headless=new no-sandbox disable-gpu disable-dev-shm-usage disable-quic no-first-run disable-background-networking "
    "disable-component-update disable-sync hide-scrollbars"
)


@contextmanager
def browser() -> Iterator[Any]:
    """A Chromium with an empty profile."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    with TemporaryDirectory() as profile:
        for flag in [*_FLAGS.split(), f"user-data-dir={profile}"]:
            options.add_argument(f"--{flag}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
        try:
            yield driver
        finally:
            driver.quit()


def show(driver: Any, page: Path, theme: str, width: int) -> None:
    """Open a file in a window of that width and wait until its plots are drawn."""
    from selenium.webdriver.support.wait import WebDriverWait

    window = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", window)
    themed = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", themed)
    driver.get(page.absolute().as_uri())
    drawn = "return document.querySelectorAll('.plot:not(:has(.main-svg))').length === 0"
    WebDriverWait(driver, 120).until(lambda _: driver.execute_script(drawn))


def requests(driver: Any) -> set[str]:
    """The addresses that pages have asked for, but those of files, of the browser's own parts, and of inline data."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    urls = {e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"}
    return {url for url in urls if not url.startswith(("file:", "data:", "blob:", "chrome:", "chrome-untrusted:"))}


def picture(driver: Any, height: int | None = None) -> bytes:
    """The page as PNG, from its top; null: all of it."""
    size = "return [document.documentElement.clientWidth, document.documentElement.scrollHeight]"
    width, whole = driver.execute_script(size)
    clip = {"x": 0, "y": 0, "width": width, "height": min(whole, height or whole), "scale": 1}
    shot = {"format": "png", "captureBeyondViewport": True, "clip": clip}
    return base64.b64decode(driver.execute_cdp_cmd("Page.captureScreenshot", shot)["data"])
