"""The page of a run in a real browser, while a real worker does it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from ..pages.browsing import BROWSING, Watched, launched, log_in, watch  # noqa: TID252
from .conftest import Gate, Served, wait_for

pytestmark = BROWSING
SECONDS = 60_000


@pytest.fixture
def watched(served: Served) -> Iterator[Watched]:
    """A page of somebody who may write and is logged in."""
    address = str(served.client.base_url).rstrip("/")
    token = served.client.headers["authorization"].removeprefix("Bearer ")
    with launched() as browser:
        context = browser.new_context()
        context.set_default_timeout(SECONDS)
        watched = Watched(context.new_page())
        watch(watched, address)
        log_in(watched.page, address, token)
        yield watched
    assert not watched.wrong, watched.wrong


def states(page: Any) -> Any:
    return page.locator("table td[data-label=State]")


def test_a_run_is_followed_without_loading_its_page_again(
    served: Served, gate: Gate, watched: Watched
) -> None:
    page = watched.page
    view = served.post(gate.recipe)
    wait_for(gate.started.exists)
    page.goto(f"{served.client.base_url}/runs/{view['id']}")
    expect(states(page)).to_have_text(["succeeded", "running", "waiting"], timeout=SECONDS)
    page.evaluate("window.kept = true")
    gate.until.touch()
    expect(states(page)).to_have_text(["succeeded"] * 3, timeout=SECONDS)
    expect(page.locator(".standing")).to_have_text("succeeded")
    expect(page.locator("#progress")).to_have_count(0)
    assert page.evaluate("window.kept")
    page.get_by_role("link", name="third").click()
    expect(page).to_have_title(re.compile("^third"))


def test_a_run_is_stopped_and_gone_on_with(served: Served, gate: Gate, watched: Watched) -> None:
    page = watched.page
    view = served.post(gate.recipe)
    wait_for(gate.started.exists)
    page.goto(f"{served.client.base_url}/runs")
    page.get_by_role("link", name="three").first.click()
    page.get_by_role("button", name="Stop it").click()
    expect(page.locator(".standing")).to_contain_text("will be stopped")
    gate.until.touch()
    expect(page.locator(".standing")).to_have_text("aborted", timeout=SECONDS)
    page.get_by_role("button", name="Go on with it").click()
    expect(page.locator(".standing")).to_have_text("succeeded", timeout=SECONDS)
    assert page.url.rpartition("/")[2] != view["id"]
    page.get_by_role("row", name=re.compile("Goes on with")).get_by_role("link").click()
    expect(page.locator(".standing")).to_have_text("aborted")
