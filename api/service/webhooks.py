"""``/v1/webhooks``: who is told of what was recorded, for administrators."""

from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_hex
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from pressmark.api.outbound.client import Outbound
from pressmark.api.schemas import schema
from pressmark.api.service.dependencies import Store
from pressmark.api.service.resources import Name, answers, json_answer
from pressmark.api.service.security import needs
from pressmark.api.service.tokens import Principal, Scope
from pressmark.api.webhooks.events import TEST, EventType, event
from pressmark.api.webhooks.outbox import Delivery, DeliveryState, Outbox, Webhook
from pressmark.registry.ids import format_time

routes = APIRouter(
    prefix="/v1/webhooks", tags=["administration"], dependencies=[Depends(needs(Scope.ADMIN))]
)


class Subscription(BaseModel):
    """Who is to be told of what."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(
        max_length=4000,
        description="Where events are sent by POST; redirects are not followed.",
        examples=["https://hooks.example/pressmark"],
    )
    events: list[EventType] = Field(
        default=list(EventType), min_length=1, max_length=100, description="All by default."
    )


@dataclass(frozen=True)
class NewWebhook:
    """A webhook that was just made.

    Attributes:
        webhook: The webhook.
        secret: What signs its events (Standard Webhooks 1.0.0); it is not told again.
    """

    webhook: Webhook
    secret: str


@dataclass(frozen=True)
class WebhookList:
    """All webhooks."""

    webhooks: tuple[Webhook, ...]


@dataclass(frozen=True)
class DeliveryList:
    """Deliveries to one webhook, the newest first."""

    deliveries: tuple[Delivery, ...]


def _outbox(request: Request) -> Outbox:
    return request.app.state.outbox  # type: ignore[no-any-return]


Hooks = Annotated[Outbox, Depends(_outbox)]


@routes.post(
    "",
    status_code=201,
    summary="Tell somebody of what is recorded",
    responses=answers(None, 422, 502) | {201: {"model": schema(NewWebhook)}},
)
def create_webhook(
    request: Request, registry: Store, outbox: Hooks, wanted: Annotated[Subscription, Body()]
) -> Response:
    """Sends events to an address, from the next record on. The secret is shown this once."""
    outbound: Outbound = request.app.state.outbound
    outbound.check(wanted.url)
    principal: Principal = request.state.principal
    types = tuple(dict.fromkeys(wanted.events))
    now, told = datetime.now(UTC), registry.journal.refresh()
    made = NewWebhook(*outbox.create(wanted.url, types, principal.agent, told, now))
    answer = json_answer(request, made)
    answer.status_code = 201
    answer.headers["Location"] = f"/v1/webhooks/{made.webhook.id}"
    answer.headers["Cache-Control"] = "no-store"
    return answer


@routes.get("", summary="Who is told", responses=answers(schema(WebhookList)))
def list_webhooks(request: Request, outbox: Hooks) -> Response:
    """Every webhook, without its secret."""
    return json_answer(request, WebhookList(tuple(outbox.all())))


@routes.get("/{webhook}", summary="One webhook", responses=answers(schema(Webhook), 404))
def one_webhook(request: Request, outbox: Hooks, webhook: Name) -> Response:
    """One webhook; if nothing is sent to it any more, since when and why."""
    return json_answer(request, outbox.get(webhook))


@routes.delete(
    "/{webhook}",
    status_code=204,
    summary="Tell them no more",
    responses=answers(None, 404) | {204: {"description": "It is gone"}},
)
def delete_webhook(outbox: Hooks, webhook: Name) -> Response:
    """Forgets a webhook and what was still to be sent."""
    outbox.delete(webhook)
    return Response(status_code=204)


@routes.post(
    "/{webhook}/test",
    status_code=202,
    summary="Try it out",
    responses=answers(None, 404) | {202: {"model": schema(Delivery)}},
)
def try_webhook(request: Request, outbox: Hooks, webhook: Name) -> Response:
    """Sends an event of the type `webhook.test`; its deliveries tell what became of it."""
    now = datetime.now(UTC)
    trial = event(f"evt_{token_hex(16)}", TEST, 0, format_time(now), {})
    answer = json_answer(request, outbox.add(webhook, trial, now))
    answer.status_code = 202
    answer.headers["Location"] = f"/v1/webhooks/{webhook}/deliveries"
    return answer


@routes.post(
    "/{webhook}/resumption",
    summary="Send again to one that was disabled",
    responses=answers(schema(Webhook), 404),
)
def resume_webhook(request: Request, outbox: Hooks, webhook: Name) -> Response:
    """Sends again, also what was recorded meanwhile and what was not taken before."""
    return json_answer(request, outbox.resume(webhook, datetime.now(UTC)))


@routes.get(
    "/{webhook}/deliveries",
    summary="What was sent, and what became of it",
    responses=answers(schema(DeliveryList), 404, 422),
)
def webhook_deliveries(
    request: Request,
    outbox: Hooks,
    webhook: Name,
    state: DeliveryState | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """The newest deliveries: attempts, the last answer's status, when it is sent again."""
    return json_answer(request, DeliveryList(tuple(outbox.deliveries(webhook, limit, state))))
