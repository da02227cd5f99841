"""A real Chromium for the tests of the page, driven by its own chromedriver.

tests/browser/ enters. It keeps what the page said to its console: an exception in a script, or something that
the page's security policy refused, is a failure of the test that was looking on.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from support.kafka_jars import ServerUnavailable
from support.sources import CHECKOUT
from support.waiting import eventually

T = TypeVar("T")
DEADLINE_S = 60.0
ALBUM = CHECKOUT / ".cache" / "pictures"
FAILED = ALBUM / "failed.png"
"""What was to be seen when a test had waited in vain."""
WIDE, PHONE = (1440, 900), (390, 844)


def start(downloads: Path) -> "Browser":
    """A headless one; ServerUnavailable where there is none."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        missing = "chromium" if chromium is None else "chromedriver"
        raise ServerUnavailable(f"there is no {missing}: on Debian, apt-get install chromium chromium-driver")
    try:
        return Browser(webdriver.Chrome(_options(chromium), Service(driver)), downloads)
    except WebDriverException as error:
        raise ServerUnavailable(f"chromium does not start: {error.msg}") from None


def _options(chromium: str) -> Options:
    options = Options()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for word in ("headless=new", "disable-dev-shm-usage", "disable-gpu", "no-first-run", "lang=en-US"):
        options.add_argument(f"--{word}")
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # its sandbox refuses root
    return options


class Browser:
    """One window: goes somewhere, finds what a person would see, clicks and types."""

    def __init__(self, driver: webdriver.Chrome, downloads: Path) -> None:
        self.driver, self.downloads = driver, downloads
        self._command(
            "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads), eventsEnabled=False
        )

    def open(self, url: str, size: tuple[int, int] = WIDE, scheme: str = "light") -> None:
        """A fresh page with nothing remembered."""
        self.leave()
        self.sized(size)
        self._command(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
        )
        self.console()
        self.driver.get(url)

    def leave(self) -> None:
        """PERF: a page that is left open asks every second, and keeps a tenth of a core busy for ever."""
        self.driver.get("about:blank")

    def sized(self, size: tuple[int, int]) -> None:
        """The page's own size, whatever the window around it has."""
        width, height = size
        self._command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def all(self, selector: str) -> list[WebElement]:
        """What is there and to be seen."""
        return [one for one in self.driver.find_elements(By.CSS_SELECTOR, selector) if one.is_displayed()]

    @contextmanager
    def without(self, *urls: str) -> Iterator[None]:
        """As if these could not be reached; * stands for anything."""
        self._command("Network.enable")
        self._command("Network.setCacheDisabled", cacheDisabled=True)
        self._command("Network.setBlockedURLs", urls=urls)
        try:
            yield
        finally:
            self._command("Network.disable")

    def see(self, selector: str, text: str = "") -> WebElement:
        """Wait until there is one to be seen, holding `text`."""

        def seen() -> WebElement:
            there = self.all(selector)
            found = [one for one in there if text in one.text]
            assert found, f"{text!r} is not in {[one.text[:200] for one in there]}"
            return found[0]

        return self._steady(seen, f"{selector} with {text!r}")

    def reads(self, selector: str, text: str) -> None:
        """Wait until one is to be seen that says this and no more: "not ready" has "ready" in it."""
        self._steady(
            lambda: text in [one.text for one in self.all(selector)], f"{selector} that says {text!r}"
        )

    def gone(self, selector: str, text: str = "") -> None:
        """Wait until nothing like that is to be seen."""
        self._steady(lambda: not [one for one in self.all(selector) if text in one.text], f"no {selector}")

    def press(self, label: str, inside: str = "body") -> None:
        """Click the button or link of this name inside the first such place."""

        def pressed() -> bool:
            for one in self.see(inside).find_elements(By.CSS_SELECTOR, "button, a, summary"):
                names = (one.text.strip(), one.get_attribute("aria-label"))
                if label in names and one.is_displayed() and one.is_enabled():
                    one.click()
                    return True
            return False

        self._steady(pressed, f"a button {label!r} in {inside}")

    def fill(self, selector: str, text: str) -> None:
        """Type into a box in the place of what it held; a choice is chosen by its value."""
        box = self.see(selector)
        if box.tag_name == "select":
            box.find_element(By.CSS_SELECTOR, f'option[value="{text}"]').click()
            return
        box.send_keys(Keys.CONTROL, "a")
        box.send_keys(text or Keys.DELETE)

    def set_value(self, selector: str, text: str) -> None:
        """The same for what no keyboard types quickly, or at all."""
        self.script(
            "arguments[0].value = arguments[1];"
            "arguments[0].dispatchEvent(new Event('input', {bubbles: true}));", self.see(selector), text,
        )  # fmt: skip

    def key(self, keys: str) -> None:
        """On the page itself."""
        self.driver.switch_to.active_element.send_keys(keys)

    def script(self, text: str, *arguments: object) -> Any:
        """What this returns on the page."""
        return self.driver.execute_script(text, *arguments)

    def rows(self, label: str) -> list[list[str]]:
        """The cells of a table, as they are to be seen."""
        found: list[list[str]] = self.script(
            "const t = document.querySelector(`table[aria-label='${arguments[0]}'] tbody`);"
            "return t ? Array.from(t.rows, (r) => Array.from(r.cells, (c) => c.innerText.trim())) : [];",
            label,
        )  # fmt: skip
        return found

    def wait(self, condition: Callable[[], T], what: str = "") -> T:
        """Until it holds; the page may draw anew meanwhile."""
        return self._steady(condition, what)

    def console(self) -> list[str]:
        """What went wrong on the page since the last time; a refused request is the page's business."""
        lines: list[dict[str, str]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        severe = [line["message"] for line in lines if line["level"] == "SEVERE"]
        return [text for text in severe if "Failed to load resource" not in text]

    def picture(self, path: Path) -> None:
        """What is to be seen now."""
        path.parent.mkdir(parents=True, exist_ok=True)
        assert self.driver.save_screenshot(str(path))

    def close(self) -> None:
        """The end of Chromium and its driver."""
        self.driver.quit()

    def _steady(self, condition: Callable[[], T], what: str) -> T:
        def settled() -> T | None:
            try:
                return condition()
            except StaleElementReferenceException:
                return None

        try:
            found = eventually(settled, DEADLINE_S, what)
        except AssertionError:
            self.picture(FAILED)
            raise
        assert found is not None
        return found

    def _command(self, name: str, **parameters: object) -> None:
        self.driver.execute_cdp_cmd(name, parameters)
