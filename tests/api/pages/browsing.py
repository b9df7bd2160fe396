"""A real browser, and what must not happen in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]

BROWSING = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt: chromium)"),
]
"""The marks of tests that need the browser."""


@contextmanager
def launched() -> Iterator[Any]:
    """A running browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page, and what went wrong while it was looked at.

    Attributes:
        page: The page.
        wrong: Messages of the console, failed policies and requests to other hosts.
    """

    page: Any
    wrong: list[str] = field(default_factory=list)


def watch(watched: Watched, address: str) -> None:
    """Notes whatever goes wrong on a page of the service at an address."""

    def asked(request: Any) -> None:
        if not request.url.startswith(f"{address}/"):
            watched.wrong.append(f"asked {request.url}")

    def told(message: Any) -> None:
        if "status of 403" not in message.text:  # that is what a test is about
            watched.wrong.append(f"{message.type}: {message.text}")

    watched.page.on("request", asked)
    watched.page.on("console", told)
    watched.page.on("pageerror", lambda error: watched.wrong.append(str(error)))
    watched.page.on("dialog", lambda dialog: watched.wrong.append(f"dialog {dialog.message}"))


def log_in(page: Any, address: str, token: str) -> None:
    """Logs a browser in, by the form."""
    page.goto(f"{address}/login")
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{address}/")
