"""The pages in a real browser, against a real server: with and without scripts, large and small."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from playwright.sync_api import expect

from pressmark.registry.registry import Registry

from ...bench.filling import fill  # noqa: TID252 - three hundred commits would take a minute
from .browsing import BROWSING, Watched, launched, log_in, watch
from .conftest import History, small_world, uuid

DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
EVIL = '"><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>{{ 7*7 }}'

pytestmark = BROWSING


@dataclass
class Site:
    """A running server.

    Attributes:
        address: Where it answers.
        token: One that may write.
        world: What is in its registry, by name.
    """

    address: str
    token: str
    world: dict[str, Any]

    def artifact(self, name: str) -> str:
        return f"{self.address}/artifacts/{uuid(self.world[name])}"


Open = Callable[..., Any]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[str]:
    """A server process over a registry; gives its address."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("pressmark")), "-R", str(folder)]
    log = folder.parent / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "serve", "--port", str(port), *options], stderr=output, stdout=output
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(address, process)
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
    assert "Traceback" not in log.read_text()


def wait_until_ready(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "the server ended"
        try:
            if httpx2.get(f"{address}/readyz").status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.1)
    raise TimeoutError("the server does not answer")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    history = History()
    world = small_world(history)
    world["evil"] = history.register(world["pruned"], external=EVIL)
    history.promote(world["evil"], EVIL)
    history.tag(world["evil"], EVIL)
    history.retire(world["evil"], EVIL)
    run = history.run()
    world["big"] = history.imported(run)
    for _ in range(100):
        made = world["big"]
        for step in ("prune/wanda", "quantize/rtn", "convert/gguf"):
            made = history.step(run, step, made)
    folder = tmp_path_factory.mktemp("site") / "registry"
    with Registry.create(folder) as registry:
        fill(registry, history.records)
    command = [str(Path(sys.executable).with_name("pressmark")), "-R", str(folder)]
    made = subprocess.run(
        [*command, "token", "create", "--for", "Ada <b>L.</b>", "--scope", "write"],
        capture_output=True,
        text=True,
        check=True,
    )
    with serving(folder) as address:
        yield Site(address, made.stdout.strip(), world)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture
def look(chromium: Any, site: Site) -> Iterator[Open]:
    """Opens a page as somebody who is logged in, and checks at the end that nothing went wrong."""
    opened: list[tuple[Any, Watched]] = []

    def look(path: str = "/", *, logged_in: bool = True, **options: Any) -> Any:
        context = chromium.new_context(**({"viewport": DESKTOP} | options))
        context.set_default_timeout(15_000)
        watched = Watched(context.new_page())
        opened.append((context, watched))
        watch(watched, site.address)
        if logged_in:
            log_in(watched.page, site.address, site.token)
        watched.page.goto(site.address + path)
        return watched.page

    yield look
    for context, watched in opened:
        context.close()
        assert not watched.wrong, watched.wrong


def assert_fits(page: Any) -> None:
    """The page itself never scrolls sideways."""
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width, page.url


# ------------------------------------------------------------------------------- the whole way


@pytest.mark.parametrize(
    "options",
    [
        {"viewport": DESKTOP},
        {"viewport": DESKTOP, "java_script_enabled": False},
        {"viewport": PHONE, "has_touch": True, "color_scheme": "dark"},
        {"viewport": PHONE, "java_script_enabled": False},
    ],
    ids=["desktop", "desktop without scripts", "phone", "phone without scripts"],
)
def test_from_the_catalogue_to_the_console(look: Open, site: Site, options: dict[str, Any]) -> None:
    page = look(**options)
    scripted = options.get("java_script_enabled", True)

    def here(title: str) -> None:
        expect(page).to_have_title(re.compile(f"^{title}"), timeout=15_000)
        if scripted:
            assert_fits(page)

    here("Catalogue")
    page.get_by_label("Kind", exact=True).select_option("QuantizedModel")
    page.get_by_label("Tag", exact=True).fill("edge")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="example after quantize/rtn").click()
    here("example after quantize/rtn")
    assert page.get_by_role("heading", name="Lineage").is_visible()
    if scripted:
        page.get_by_role("button", name="Show everything").click()
    page.locator("svg#graph").get_by_role("link", name=re.compile("^example after import")).click()
    here("example after import")
    assert page.url == site.artifact("base")
    report = page.get_by_role("link", name="Audit report", exact=True).get_attribute("href")
    answer = page.context.request.get(site.address + report)
    assert answer.status == 200
    assert "Audit report: example after import" in answer.text()
    page.get_by_role("link", name="Audit report", exact=True).click()
    assert page.get_by_role("heading", name="Every step").is_visible()
    page.go_back()
    page.get_by_role("link", name="Ask about it").click()
    here("Console")
    assert page.get_by_role("heading", name="Answer").is_visible()
    page.get_by_role("link", name="Write a query instead").click()
    page.get_by_role("textbox", name="SPARQL query").fill(
        "SELECT (COUNT(*) AS ?n) { ?a a <https://w3id.org/pressmark/ns#PrunedModel> }"
    )
    page.get_by_role("button", name="Ask", exact=True).click()
    here("Console")
    assert page.locator("table.results td").inner_text() == "101"
    page.get_by_role("button", name="Log out").click()
    here("Log in")
    page.goto(f"{site.address}/runs")
    here("Log in")


def test_two_that_are_ticked_are_compared(look: Open) -> None:
    page = look()
    button = page.get_by_role("button", name="Compare the two")
    assert button.is_disabled()
    boxes = page.get_by_role("checkbox")
    boxes.nth(2).check()
    assert page.get_by_role("status").inner_text() == "1 of 2 ticked"
    boxes.nth(3).check()
    button.click()
    expect(page).to_have_title(re.compile("^Compare"))
    assert page.get_by_role("heading", name="History").is_visible()


# ------------------------------------------------------------------------ the drawing of a lineage


def shown(page: Any) -> list[float]:
    return [float(part) for part in page.locator("#graph").get_attribute("viewBox").split()]


def test_the_drawing_is_zoomed_and_moved(look: Open, site: Site) -> None:
    page = look(f"/artifacts/{uuid(site.world['base'])}")
    whole = shown(page)
    page.get_by_role("button", name="Zoom in").click()
    assert shown(page)[2] == pytest.approx(whole[2] / 1.3, rel=1e-3)
    canvas = page.get_by_role("region", name="Drawing of the lineage")
    box = canvas.bounding_box()
    assert box
    page.mouse.move(box["x"] + 40, box["y"] + 20)
    page.mouse.wheel(0, 300)  # it was not clicked: the page scrolls
    assert shown(page)[2] == pytest.approx(whole[2] / 1.3, rel=1e-3)
    page.evaluate("scrollTo(0, 0)")
    canvas.click(position={"x": 40, "y": 20})
    page.mouse.wheel(0, -300)
    assert shown(page)[2] < whole[2] / 1.5
    before = shown(page)
    page.mouse.move(box["x"] + 200, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 150, box["y"] + 25, steps=3)
    page.mouse.up()
    assert shown(page)[0] > before[0]
    page.get_by_role("button", name="Show everything").click()
    assert shown(page) == pytest.approx(whole, rel=1e-3)


def test_the_drawing_is_walked_with_the_keyboard(look: Open, site: Site) -> None:
    page = look(f"/artifacts/{uuid(site.world['base'])}")
    page.get_by_role("region", name="Drawing of the lineage").focus()
    whole = shown(page)
    page.keyboard.press("+")
    assert shown(page)[2] < whole[2]
    page.keyboard.press("0")
    page.keyboard.press("Tab")
    focused = "document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(focused).startswith("example after import")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused).startswith("example after prune/wanda")
    traced = page.locator(".node.traced").count()
    assert traced == page.locator(".node[data-node]").count()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.locator(".node.traced").count() < traced
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: not url.endswith(uuid(site.world["base"])))
    assert "/artifacts/" in page.url


def test_three_hundred_artifacts_can_be_read(look: Open, site: Site) -> None:
    page = look(f"/artifacts/{uuid(site.world['big'])}")
    told = page.locator(".stage-top p")
    assert told.inner_text().startswith("40 of 301 artifacts")
    page.get_by_role("button", name="Show everything").click()
    page.get_by_role("link", name=re.compile("61 more made from it: show more")).click()
    assert told.inner_text().startswith("150 of 301 artifacts")
    page.get_by_role("link", name="Show more", exact=True).click()
    assert told.inner_text().startswith("301 artifacts, the oldest at the left")
    assert page.locator("a.node").count() == 301
    names = page.locator("a.node .name").first
    assert names.evaluate("name => name.getScreenCTM().a") > 0.7  # scale: letters of 9 px at least
    assert boxes_overlap(page) == 0
    page.get_by_text("The same as a table").click()
    assert page.get_by_role("region", name="Lineage as a table").get_by_role("row").count() == 302


def boxes_overlap(page: Any) -> int:
    """How many artifacts are drawn over others."""
    return int(
        page.evaluate(
            """() => {
              const boxes = [...document.querySelectorAll("a.node rect")].map((r) => r.getBBox());
              let found = 0;
              boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => {
                const apart = a.x + a.width <= b.x || b.x + b.width <= a.x
                  || a.y + a.height <= b.y || b.y + b.height <= a.y;
                found += apart ? 0 : 1;
              }));
              return found;
            }"""
        )
    )


def test_two_fingers_zoom(look: Open, site: Site) -> None:
    page = look(f"/artifacts/{uuid(site.world['int8'])}", viewport=PHONE, has_touch=True)
    before = shown(page)
    box = page.locator("#canvas").bounding_box()
    assert box
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    fingers = page.context.new_cdp_session(page)
    for kind, apart in (("Start", 20), ("Move", 40), ("Move", 60), ("End", 0)):
        points = [
            {"x": middle[0] + side * apart, "y": middle[1], "id": side + 1} for side in (-1, 1)
        ]
        fingers.send(
            "Input.dispatchTouchEvent",
            {"type": f"touch{kind}", "touchPoints": points if apart else []},
        )
    assert shown(page)[2] < before[2] / 1.5


# --------------------------------------------------------------------------------- keyboard, safety


def test_everything_is_reached_with_the_tab_key(look: Open, site: Site) -> None:
    page = look(logged_in=False)
    assert page.title().startswith("Log in")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type(site.token)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site.address}/")
    wanted = page.locator("main a[href], main button:not([disabled]), main input, main select")
    seen = set()
    page.locator("main").focus()
    for _ in range(wanted.count()):
        page.keyboard.press("Tab")
        seen.add(page.evaluate(POSITION))
        assert page.evaluate("document.activeElement.closest('main') !== null")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert len(seen) == wanted.count()


#: Where the focused element stands in the document.
POSITION = "[...document.querySelectorAll('*')].indexOf(document.activeElement)"


@pytest.mark.parametrize("name", ["evil", "pruned"])
def test_names_are_text_and_nothing_else(look: Open, site: Site, name: str) -> None:
    page = look(f"/artifacts/{uuid(site.world[name])}")
    assert page.evaluate("window.hacked") is None
    assert page.locator("img").count() == 0
    if name == "evil":
        assert EVIL in page.locator("main").inner_text()
    for address in ("/", "/runs", f"/compare?artifact=prod&artifact={uuid(site.world['evil'])}"):
        page.goto(site.address + address)
        assert page.evaluate("window.hacked") is None
    query = "SELECT ?name { ?a <http://www.w3.org/2000/01/rdf-schema#label> ?name }"
    page.goto(f"{site.address}/console?draft={quote(query)}")
    page.get_by_role("button", name="Ask", exact=True).click()
    assert page.get_by_role("cell", name=EVIL).is_visible()
    assert page.evaluate("window.hacked") is None


def test_a_form_without_its_secret_changes_nothing(look: Open) -> None:
    page = look()
    page.get_by_role("button", name="Log out").evaluate(
        "button => button.form.elements[0].remove()"
    )
    page.get_by_role("button", name="Log out").click()
    assert page.get_by_role("heading", name="Not allowed").is_visible()
    page.goto(page.url.replace("/logout", "/"))
    assert page.get_by_role("button", name="Log out").is_visible()


def test_answers_are_downloaded(look: Open) -> None:
    page = look("/console?question=aliases&ask=1")
    with page.expect_download() as started:
        page.get_by_role("link", name="CSV").click()
    text = Path(started.value.path()).read_text()
    assert text.startswith("alias,artifact")
    assert "prod" in text
