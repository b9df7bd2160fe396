"""Reports as a browser shows them: on a phone and a desk, and when a stranger wrote one."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from playwright.sync_api import sync_playwright
from pyoxigraph import NamedNode
from starlette.testclient import TestClient

from pressmark.registry import activities, environment
from pressmark.registry.ids import new_iri, utc_now
from pressmark.registry.occurrences import NewReport, Occurrence
from pressmark.registry.registry import Registry

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
ADDRESS = "http://registry.test"
EVIL = """<!doctype html><title>quiet</title><p id="here">A report</p>
<script>document.title = "ran"; fetch("/v1/artifacts")</script>
<img src="http://elsewhere.test/pixel.png" onerror="document.title = 'ran'">
<form action="http://elsewhere.test/"><button>Send</button></form>
<iframe src="/v1/artifacts"></iframe>"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt: chromium)"),
]


class Window:
    """A browser's page that the service answers without a network; every request is noted."""

    def __init__(self, browser: Any, client: TestClient, width: int) -> None:
        self._client = client
        self.asked: list[str] = []
        self.page = browser.new_page(viewport={"width": width, "height": 900})
        self.page.route("**/*", self._answer)

    def _answer(self, route: Any) -> None:
        url = route.request.url
        self.asked.append(url)
        if not url.startswith(ADDRESS):
            route.abort()
            return
        answer = self._client.get(url.removeprefix(ADDRESS), headers={"Accept": "text/html"})
        route.fulfill(status=answer.status_code, headers=dict(answer.headers), body=answer.content)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def kept(registry: Registry, artifact: NamedNode, body: bytes) -> NamedNode:
    """A record of a report that another program wrote."""
    now = utc_now()
    new = NewReport(
        iri=new_iri(), about=artifact, name="audit report", media_type="text/html",
        sha256=registry.blobs.put_bytes(body), size=len(body), journal_head="0" * 64, holds=True,
        generated_at=now,
    )  # fmt: skip
    by = environment.circumstances()
    activity = Occurrence(iri=new_iri(), started_at=now, ended_at=now, circumstances=by)
    registry.commit(activities.reporting(activity, new))
    return new.iri


def test_a_report_that_a_stranger_wrote_does_nothing(
    app: FastAPI, client: TestClient, browser: Any
) -> None:
    registry = app.state.registry
    (row, *_) = registry.rows("artifacts_named")
    report = kept(registry, row["artifact"], EVIL.encode())
    window = Window(browser, client, 1280)
    window.page.goto(f"{ADDRESS}/v1/reports/{report.value.removeprefix('urn:uuid:')}")
    assert window.page.locator("#here").inner_text() == "A report"
    window.page.get_by_role("button").click()
    window.page.wait_for_timeout(300)
    assert window.page.title() == "quiet"
    assert len(window.asked) == 1, window.asked


@pytest.mark.parametrize("width", [390, 1280])
def test_a_report_fits_its_window_and_asks_for_nothing(
    client: TestClient, browser: Any, width: int
) -> None:
    window = Window(browser, client, width)
    told: list[str] = []
    window.page.on("console", lambda message: told.append(message.text))
    window.page.goto(f"{ADDRESS}/v1/artifacts/int8/report")
    assert window.page.evaluate("document.documentElement.scrollWidth") == width
    smallest = window.page.evaluate(
        "Math.min(...[...document.querySelectorAll('p, td, th, li, caption')]"
        ".map(one => parseFloat(getComputedStyle(one).fontSize)))"
    )
    assert smallest >= 11
    window.page.get_by_role("link", name="EU AI Act, Annex IV").click()
    assert window.page.url.endswith("#annex")
    assert window.page.locator("svg.lineage").is_visible()
    assert len(window.asked) == 1, window.asked
    assert told == []
