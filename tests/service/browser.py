"""Real Chromium for the tests of the page: every test gets a fresh profile, and no page may reach another server."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[test]'")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--mute-audio"]
PATIENCE_MS = 60_000  # on a machine that is busy


@contextmanager
def chromium() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def visiting(browser: Any, address: str, *, allowed: tuple[str, ...] = (), **kind: Any) -> Iterator[Any]:
    """Open a page; at the end there must have been no error in it, and no request to anyone else."""
    wrong: list[str] = []
    context = browser.new_context(**{"viewport": {"width": 1_280, "height": 900}, **kind})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("console", lambda told: wrong.append(told.text) if told.type == "error" else None)
    page.on("request", lambda request: _check(request.url, address, wrong))
    page.goto(address)
    yield page
    context.close()
    assert [each for each in wrong if not any(word in each for word in allowed)] == []


def _check(url: str, address: str, wrong: list[str]) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"blob", "data"} and parts.netloc != urlsplit(address).netloc:
        wrong.append(f"a request to {url}")
