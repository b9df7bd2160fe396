"""Webhooks: real receivers on loopback, whose signatures are checked by a formula of their own."""

import base64
import hashlib
import hmac
import json
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from pressmark.api.outbound.guard import Policy
from pressmark.api.service.app import create_app
from pressmark.api.service.database import FILE_NAME, Database
from pressmark.api.service.settings import Settings
from pressmark.api.service.tokens import Scope
from pressmark.api.webhooks.dispatcher import WebhookLimits
from pressmark.api.webhooks.events import EventType, event, events
from pressmark.api.webhooks.outbox import DeliveryState, Outbox
from pressmark.registry.descriptions import agent
from pressmark.registry.environment import circumstances
from pressmark.registry.journal import Journal
from pressmark.registry.lifecycle import set_alias
from pressmark.registry.registry import Registry
from pressmark.registry.search import resolve

from .conftest import MakeToken
from .loopback import Serve, send, until

SETTINGS = Settings(
    outbound=Policy(http=True, allowed=("127.0.0.1",)),
    webhooks=WebhookLimits(attempts=4, pause=0.02, longest_pause=0.1, interval=0.02),
)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Receiver:
    """Answers with the statuses that it is given, then with 204; keeps what it is sent."""

    def __init__(self, serve: Serve, *statuses: int, **headers: str) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self._statuses = list(statuses)
        self._headers = headers
        self.url = serve(self._answer) + "/hook"

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"] or 0))
        if handler.command == "GET":
            return send(handler, b"fetched")
        self.got.append(({k.lower(): v for k, v in handler.headers.items()}, body))
        send(handler, b"", self._statuses.pop(0) if self._statuses else 204, **self._headers)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]

    @property
    def types(self) -> list[str]:
        return [body["type"] for body in self.bodies]


@pytest.fixture
def app(chain: Path, tmp_path: Path) -> FastAPI:
    return create_app(Path(shutil.copytree(chain, tmp_path / "registry", symlinks=True)), SETTINGS)


@pytest.fixture
def admin(app: FastAPI, token: MakeToken) -> Iterator[TestClient]:
    with TestClient(app, headers={"Authorization": f"Bearer {token(Scope.ADMIN)}"}) as client:
        yield client


def subscribe(client: TestClient, url: str, *types: str) -> tuple[str, str]:
    answer = client.post("/v1/webhooks", json={"url": url} | ({"events": types} if types else {}))
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()
    assert answer.headers["location"] == f"/v1/webhooks/{made['webhook']['id']}"
    return made["webhook"]["id"], made["secret"]


def promote(client: TestClient, alias: str) -> None:
    assert client.put(f"/v1/aliases/{alias}", json={"artifact": "int8"}).status_code == 200


def deliveries(client: TestClient, webhook: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/v1/webhooks/{webhook}/deliveries").json()[
        "deliveries"
    ]
    return found


def is_genuine(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Standard Webhooks 1.0.0, "Verifying signatures", written as a receiver would."""
    assert secret.startswith("whsec_")
    key = base64.b64decode(secret[len("whsec_") :])
    assert len(key) >= 24
    signed = headers["webhook-id"] + "." + headers["webhook-timestamp"] + "." + body.decode()
    expected = base64.b64encode(hmac.digest(key, signed.encode(), hashlib.sha256)).decode()
    fresh = abs(time.time() - int(headers["webhook-timestamp"])) < 300
    return fresh and f"v1,{expected}" in headers["webhook-signature"].split(" ")


def test_a_receiver_that_fails_twice_is_told_until_it_accepts(
    admin: TestClient, serve: Serve
) -> None:
    receiver = Receiver(serve, 500, 503)
    webhook, secret = subscribe(admin, receiver.url)
    promote(admin, "prod")
    until(lambda: [each["state"] for each in deliveries(admin, webhook)] == ["delivered"])
    assert len(receiver.got) == 3
    assert all(is_genuine(secret, *each) for each in receiver.got)
    assert not is_genuine(secret, receiver.got[0][0], receiver.got[0][1] + b" ")
    assert len({body for _, body in receiver.got}) == 1
    (identifier,) = {headers["webhook-id"] for headers, _ in receiver.got}
    assert "." not in identifier
    body = receiver.bodies[0]
    assert (body["id"], body["type"], body["data"]["alias"]) == (identifier, "alias.moved", "prod")
    int8 = admin.get("/v1/artifacts/int8").json()["summary"]["iri"]
    assert body["data"]["artifacts"] == [int8]
    assert datetime.fromisoformat(body["timestamp"]).tzinfo is not None
    (kept,) = deliveries(admin, webhook)
    assert (kept["attempts"], kept["status"], kept["problem"]) == (3, 204, None)
    assert kept["event"] == identifier


def test_a_webhook_is_told_what_it_asked_for_from_then_on(admin: TestClient, serve: Serve) -> None:
    promote(admin, "before")
    every, some = Receiver(serve), Receiver(serve)
    subscribe(admin, every.url)
    subscribe(admin, some.url, "artifact.retired", "artifact.tagged")
    promote(admin, "prod")
    admin.put("/v1/artifacts/pruned/tags/edge")
    admin.delete("/v1/artifacts/pruned/tags/edge")
    admin.post("/v1/artifacts/pruned/retirement", json={"reason": "old"})
    until(lambda: len(every.got) == 4 and len(some.got) == 2)
    assert sorted(every.types) == [
        "alias.moved",
        "artifact.retired",
        "artifact.tagged",
        "artifact.untagged",
    ]
    assert sorted(some.types) == ["artifact.retired", "artifact.tagged"]
    assert "before" not in str(every.bodies)


def test_a_receiver_that_fails_for_long_is_told_no_more_until_it_is_resumed(
    admin: TestClient, serve: Serve
) -> None:
    receiver = Receiver(serve, *[500] * 4)
    webhook, _ = subscribe(admin, receiver.url)
    promote(admin, "one")
    until(lambda: admin.get(f"/v1/webhooks/{webhook}").json()["disabled"])
    found = admin.get(f"/v1/webhooks/{webhook}").json()
    assert "failed 4 times: it answered 500" in found["reason"]
    (kept,) = deliveries(admin, webhook)
    assert (kept["state"], kept["attempts"], kept["status"]) == ("failed", 4, 500)
    promote(admin, "two")
    time.sleep(0.2)
    assert len(receiver.got) == 4
    assert admin.post(f"/v1/webhooks/{webhook}/resumption").json()["disabled"] is None
    until(lambda: len(receiver.got) == 6)
    assert {body["data"]["alias"] for body in receiver.bodies[4:]} == {"one", "two"}
    until(lambda: {each["state"] for each in deliveries(admin, webhook)} == {"delivered"})
    pending = admin.get(f"/v1/webhooks/{webhook}/deliveries?state=pending").json()
    assert pending == {"deliveries": []}


def test_a_receiver_that_is_gone_is_told_no_more_at_once(admin: TestClient, serve: Serve) -> None:
    receiver = Receiver(serve, 410)
    webhook, _ = subscribe(admin, receiver.url)
    promote(admin, "one")
    until(lambda: admin.get(f"/v1/webhooks/{webhook}").json()["disabled"])
    assert len(receiver.got) == 1


def test_redirects_are_not_followed(admin: TestClient, serve: Serve) -> None:
    elsewhere = Receiver(serve)
    receiver = Receiver(serve, *[307] * 4, Location=elsewhere.url)
    webhook, _ = subscribe(admin, receiver.url)
    promote(admin, "one")
    until(lambda: admin.get(f"/v1/webhooks/{webhook}").json()["disabled"])
    assert (len(receiver.got), len(elsewhere.got)) == (4, 0)


def test_a_slow_receiver_holds_no_other_up(admin: TestClient, serve: Serve) -> None:
    def never(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(3)

    subscribe(admin, serve(never))
    receiver = Receiver(serve)
    subscribe(admin, receiver.url)
    began = time.monotonic()
    for number in range(5):
        promote(admin, f"a{number}")
    until(lambda: len(receiver.got) == 5)
    assert time.monotonic() - began < 3


def test_it_can_be_tried_out(admin: TestClient, serve: Serve) -> None:
    receiver = Receiver(serve)
    webhook, secret = subscribe(admin, receiver.url, "artifact.retired")
    answer = admin.post(f"/v1/webhooks/{webhook}/test")
    assert (answer.status_code, answer.json()["state"]) == (202, "pending")
    until(lambda: receiver.types == ["webhook.test"])
    assert is_genuine(secret, *receiver.got[0])
    assert receiver.got[0][0]["webhook-id"] == answer.json()["event"]


def test_what_is_deleted_is_told_nothing(admin: TestClient, serve: Serve) -> None:
    receiver = Receiver(serve)
    webhook, _ = subscribe(admin, receiver.url)
    assert admin.delete(f"/v1/webhooks/{webhook}").status_code == 204
    promote(admin, "one")
    time.sleep(0.2)
    assert not receiver.got
    for path in ("", "/deliveries"):
        assert admin.get(f"/v1/webhooks/{webhook}{path}").status_code == 404
    assert admin.delete(f"/v1/webhooks/{webhook}").status_code == 404


def test_the_secret_is_shown_once_and_kept_for_the_owner_alone(
    admin: TestClient, serve: Serve, tmp_path: Path
) -> None:
    webhook, secret = subscribe(admin, Receiver(serve).url)
    assert admin.get("/v1/webhooks").json()["webhooks"][0]["id"] == webhook
    for path in ("", f"/{webhook}", f"/{webhook}/deliveries"):
        assert secret[6:] not in admin.get(f"/v1/webhooks{path}").text
    for file in (tmp_path / "registry").glob("service.db*"):
        assert file.stat().st_mode & 0o077 == 0, file


def test_addresses_that_may_not_be_called_are_refused(
    app: FastAPI, tmp_path: Path, token: MakeToken, serve: Serve
) -> None:
    receiver = Receiver(serve)
    plain = create_app(tmp_path / "registry", Settings(outbound=Policy(http=True)))
    bearer = {"Authorization": f"Bearer {token(Scope.ADMIN)}"}
    with TestClient(plain, headers=bearer) as client:
        for url in (receiver.url, "http://169.254.169.254/", "ftp://x.example/", "x"):
            answer = client.post("/v1/webhooks", json={"url": url})
            assert answer.status_code == 403, answer.text
        for body in ({}, {"url": "https://x.example", "events": ["nonsense"]}):
            assert client.post("/v1/webhooks", json=body).status_code == 422


def test_an_address_that_may_no_longer_be_called_is_not_called(
    app: FastAPI, tmp_path: Path, token: MakeToken, serve: Serve
) -> None:
    receiver = Receiver(serve)
    bearer = {"Authorization": f"Bearer {token(Scope.ADMIN)}"}
    with TestClient(app, headers=bearer) as client:
        webhook, _ = subscribe(client, receiver.url)
    closed = SETTINGS.changed(outbound=Policy(http=True))
    with TestClient(create_app(tmp_path / "registry", closed), headers=bearer) as client:
        promote(client, "one")
        until(lambda: client.get(f"/v1/webhooks/{webhook}").json()["disabled"])
        assert "not on the public internet" in deliveries(client, webhook)[0]["problem"]
    assert not receiver.got


def test_an_application_can_be_started_again(app: FastAPI, token: MakeToken, serve: Serve) -> None:
    receiver = Receiver(serve)
    bearer = {"Authorization": f"Bearer {token(Scope.ADMIN)}"}
    with TestClient(app, headers=bearer) as client:
        subscribe(client, receiver.url)
    with TestClient(app, headers=bearer) as client:
        promote(client, "one")
        upload = client.post("/v1/uploads", json={"uri": receiver.url}).json()["id"]
        until(lambda: receiver.types == ["alias.moved"])
        until(lambda: client.get(f"/v1/uploads/{upload}").json()["state"] != "fetching")


def test_only_administrators_see_webhooks(app: FastAPI, token: MakeToken) -> None:
    with TestClient(app, headers={"Authorization": f"Bearer {token(Scope.WRITE)}"}) as client:
        assert client.get("/v1/webhooks").status_code == 403
        assert client.post("/v1/webhooks", json={"url": "https://x.example"}).status_code == 403


def test_what_was_recorded_while_no_server_ran_is_told(
    app: FastAPI, tmp_path: Path, token: MakeToken, serve: Serve
) -> None:
    receiver = Receiver(serve)
    bearer = {"Authorization": f"Bearer {token(Scope.ADMIN)}"}
    with TestClient(app, headers=bearer) as client:
        subscribe(client, receiver.url)
    with Registry.open(tmp_path / "registry") as registry:
        for number in range(3):
            by = circumstances(agent=agent("a1"))
            set_alias(registry, f"a{number}", resolve(registry, "int8"), by)
    with TestClient(create_app(tmp_path / "registry", SETTINGS), headers=bearer):
        until(lambda: len(receiver.got) == 3)
    assert [body["data"]["alias"] for body in receiver.bodies] == ["a0", "a1", "a2"]


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    database = Database(tmp_path / FILE_NAME)
    yield Outbox(database)
    database.close()


def some_event(number: int) -> Any:
    return event(f"evt_{number}", EventType.ALIAS_MOVED, number, "2026-01-02T03:04:05Z", {})


def test_events_are_put_in_once_whoever_puts_them_again(outbox: Outbox) -> None:
    webhook, _ = outbox.create("https://x.example", list(EventType), "a1", 5, NOW)
    found = [some_event(number) for number in range(4, 9)]
    for _ in range(2):
        outbox.put(found, 4, 8, NOW)
    told = [each.sequence for each in outbox.deliveries(webhook.id, 100)]
    assert (told, outbox.lowest()) == ([8, 7, 6], 8)
    outbox.put([], 5, 6, NOW)
    assert outbox.lowest() == 8


def test_whoever_is_resumed_while_others_are_told_misses_nothing(outbox: Outbox) -> None:
    behind, _ = outbox.create("https://x.example", list(EventType), "a1", 5, NOW)
    outbox.create("https://y.example", list(EventType), "a1", 9, NOW)
    outbox.put([some_event(10)], 10, 10, NOW)  # was looked for before it was resumed
    assert (outbox.lowest(), outbox.deliveries(behind.id, 100)) == (5, [])
    outbox.put([some_event(number) for number in range(6, 11)], 6, 10, NOW)
    assert [each.sequence for each in outbox.deliveries(behind.id, 100)] == [10, 9, 8, 7, 6]


def test_what_is_due_is_sent_in_the_journal_s_order(outbox: Outbox) -> None:
    one, other = (
        outbox.create(f"https://{name}.example", list(EventType), "a1", 0, NOW)[0].id
        for name in ("one", "other")
    )
    outbox.put([some_event(number) for number in (1, 2, 3)], 1, 3, NOW)
    later = NOW + timedelta(seconds=2)
    assert sorted(outbox.waiting(later, [], 10)) == sorted([one, other])
    assert outbox.waiting(later, [one], 10) == [other]
    assert outbox.waiting(NOW - timedelta(seconds=1), [], 10) == []
    first = outbox.next(one, later)
    assert first is not None
    assert first.event == "evt_1"
    outbox.failed(first, 500, "it answered 500", later + timedelta(seconds=60), later)
    second = outbox.next(one, later)
    assert second is not None
    assert second.event == "evt_2"
    outbox.failed(second, 410, "it answered 410", None, later)
    assert outbox.waiting(later, [], 10) == [other]
    assert outbox.next(one, later) is None
    outbox.resume(one, later)
    again = outbox.next(one, later)
    assert again is not None
    assert (again.event, again.attempts) == ("evt_1", 0)


def test_what_arrived_is_forgotten_after_a_month(outbox: Outbox) -> None:
    webhook, _ = outbox.create("https://x.example", list(EventType), "a1", 0, NOW)
    outbox.put([some_event(1), some_event(2)], 1, 2, NOW)
    due = outbox.next(webhook.id, NOW)
    assert due is not None
    outbox.delivered(due, 204, NOW)
    outbox.put([], 3, 3, NOW + timedelta(days=31))
    (kept,) = outbox.deliveries(webhook.id, 100)
    assert (kept.event, kept.state) == ("evt_2", DeliveryState.PENDING)


def test_pauses_grow_to_a_day_and_differ_by_chance() -> None:
    limits = WebhookLimits()
    for attempts, expected in ((1, 5.0), (2, 25.0), (4, 625.0), (7, 78_125.0), (9, 86_400.0)):
        delays = [limits.delay(attempts) for _ in range(50)]
        assert all(0.8 * expected <= each <= 1.2 * expected for each in delays)
        assert len(set(delays)) > 1
    days = sum(limits.delay(each) for each in range(1, limits.attempts)) / 86_400
    assert 2 < days < 4


def test_an_entry_that_the_graph_does_not_have_yet_is_told_later(
    chain: Path, tmp_path: Path
) -> None:
    """An entry is acknowledged when it is in the journal, a moment before the graph has it."""
    with Registry.open(shutil.copytree(chain, tmp_path / "registry", symlinks=True)) as registry:
        end = registry.journal.refresh()
        found, last = events(registry, 1, end + 3)
    assert last == end == len(Journal(tmp_path / "registry" / "journal"))
    assert [each.type for each in found] == [
        "run.started",
        "artifact.registered",
        "check.held",
        "run.finished",
        "run.started",
        "artifact.registered",
        "check.held",
        "artifact.registered",
        "check.held",
        "run.finished",
    ]
    assert len({each.id for each in found}) == len(found)
