"""A headless Chromium, spoken to by the W3C WebDriver protocol over plain HTTP."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Nothing of a proxy: the driver is on this machine.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
)
_KEYS = {"left": "\ue012", "up": "\ue013", "right": "\ue014", "down": "\ue015",
         "home": "\ue011", "end": "\ue010", "tab": "\ue004"}  # fmt: skip
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """One window; ``console`` and ``requests`` tell what happened since they were asked last."""

    def __init__(self, url: str) -> None:
        self._url = url

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return ask(method, self._url + path, body)

    def open(self, path: Path, ready: bool = True) -> None:
        """Open a page from the disk and wait until its script has ended, if it may run."""
        self._ask("POST", "/url", {"url": path.resolve().as_uri()})
        until = time.monotonic() + 60
        while ready and self.run("return document.documentElement.dataset.ready") != "yes":
            assert time.monotonic() < until, f"{path} was not ready in a minute: {self.console()}"
            time.sleep(0.05)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script as the body of a function and return what it returns."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def press(self, selector: str, *keys: str) -> None:
        """Press keys while an element has the focus."""
        found = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        text = "".join(_KEYS.get(key, key) for key in keys)
        self._ask("POST", f"/element/{found[_ELEMENT]}/value", {"text": text})

    def click(self, selector: str) -> None:
        """Click the middle of an element."""
        found = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        self._ask("POST", f"/element/{found[_ELEMENT]}/click", {})

    def tell(self, command: str, **parameters: Any) -> Any:
        """Send a command of the Chrome DevTools protocol."""
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def resize(self, width: int, height: int = 800) -> None:
        """Give the page a width in CSS pixels, as a telephone has."""
        self.tell("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)  # fmt: skip

    def prefer(self, **features: str) -> None:
        """Let the user prefer something, such as ``prefers_reduced_motion="reduce"``."""
        told = [{"name": k.replace("_", "-"), "value": value} for k, value in features.items()]
        self.tell("Emulation.setEmulatedMedia", features=told)

    def screenshot(self, whole: bool = True) -> bytes:
        """Return the page as PNG."""
        shot = self.tell("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(shot["data"])

    def console(self) -> list[str]:
        """Return what was complained of in the console."""
        return [entry["message"] for entry in self._ask("POST", "/se/log", {"type": "browser"})]

    def requests(self) -> list[str]:
        """Return the addresses that were asked for, but for the data in the page itself."""
        logged = self._ask("POST", "/se/log", {"type": "performance"})
        events = [json.loads(entry["message"])["message"] for entry in logged]
        sent = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
        # Chromium's own first page asks for parts of itself.
        urls = [params["request"]["url"] for params in sent
                if not params["documentURL"].startswith("chrome")]  # fmt: skip
        return [url for url in urls if not url.startswith("data:")]


def ask(method: str, url: str, body: dict[str, Any] | None = None) -> Any:
    """Speak to the driver; what it refuses becomes an error with its words."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with _OPENER.open(request, timeout=120) as answer:
            return json.loads(answer.read())["value"]
    except urllib.error.HTTPError as problem:
        raise RuntimeError(f"{method} {url}: {problem.read().decode()[:2000]}") from None


def program(*names: str) -> str:
    """Return where a program is; without it nothing can be tested, which is a failure."""
    found = next(filter(None, map(shutil.which, names)), None)
    assert found, f"{' or '.join(names)} is missing; `make proof` installs Debian's packages of it"
    return found


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Start Chromium with an empty profile in a folder; it ends with the block."""
    driver = program("chromedriver")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "driver.log").open("wb") as log:
        process = subprocess.Popen([driver, f"--port={port}"], stdout=log, stderr=log)
    try:
        session = _session(f"http://127.0.0.1:{port}", folder / "profile")
        try:
            yield Browser(session)
        finally:
            ask("DELETE", session)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _session(url: str, profile: Path) -> str:
    until = time.monotonic() + 60
    while True:
        try:
            if ask("GET", f"{url}/status")["ready"]:
                break
        except OSError:
            assert time.monotonic() < until, "the driver of the browser did not start in a minute"
        time.sleep(0.05)
    options = {
        "binary": program("chromium", "chromium-browser", "google-chrome"),
        "args": [*_SWITCHES, f"--user-data-dir={profile}", "about:blank"],
    }
    wanted = {"goog:chromeOptions": options,
              "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}  # fmt: skip
    made = ask("POST", f"{url}/session", {"capabilities": {"alwaysMatch": wanted}})
    return f"{url}/session/{made['sessionId']}"
