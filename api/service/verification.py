"""Whether things are what was recorded: one artifact, the whole registry, the journal's head."""

import threading
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from pressmark.api.errors import BusyError
from pressmark.api.schemas import schema
from pressmark.api.service.dependencies import Artifact, Store
from pressmark.api.service.resources import answers, json_answer
from pressmark.registry.verification import Verification
from pressmark.registry.verify import verify, verify_all
from pressmark.registry.views import HeadView, head

KeptHead = Annotated[
    str | None,
    Query(
        alias="head",
        max_length=200,
        description="A head that was kept elsewhere; the journal must still lead to it.",
    ),
]
#: Seconds that a verification waits for another one to end.
_PATIENCE: Final = 10.0
_ALL_AT_ONCE: Final = threading.Lock()

routes = APIRouter(prefix="/v1", tags=["trust"])


@routes.get("/head", summary="How far the journal goes", responses=answers(schema(HeadView)))
def journal_head(request: Request, registry: Store) -> Response:
    """The journal's head: whoever keeps it elsewhere sees when something before it is changed."""
    return json_answer(request, head(registry))


@routes.get(
    "/verification",
    summary="Compare everything with what was recorded",
    responses=answers(schema(Verification), 422) | {503: {"description": "One is under way"}},
)
def registry_verification(
    request: Request, registry: Store, kept_head: KeptHead = None
) -> Response:
    """Reads every byte and every record; one such verification runs at a time."""
    if not _ALL_AT_ONCE.acquire(timeout=_PATIENCE):
        raise BusyError("the whole registry is being verified already", "ask again when it is done")
    try:
        return json_answer(request, verify_all(registry, kept_head=kept_head))
    finally:
        _ALL_AT_ONCE.release()


@routes.get(
    "/artifacts/{artifact}/verification",
    summary="Compare bytes, records, journal and graph",
    responses=answers(schema(Verification), 404, 409, 422),
)
def artifact_verification(
    request: Request,
    registry: Store,
    artifact: Artifact,
    deep: Annotated[bool, Query(description="Read the files of all ancestors too.")] = False,
    kept_head: KeptHead = None,
) -> Response:
    """Whether an artifact and its whole history are what was recorded."""
    return json_answer(request, verify(registry, artifact, deep=deep, kept_head=kept_head))
