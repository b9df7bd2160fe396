"""``/v1/runs``: recipes that are run here, checks and re-runs, and how far each of them is."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pyoxigraph import NamedNode

from pressmark.api.errors import UnsupportedMediaTypeError
from pressmark.api.jobs.checker import Checker, Plan, Question, require_compression
from pressmark.api.jobs.folders import files_folder, job_folder
from pressmark.api.jobs.jobs import Kind, Order
from pressmark.api.jobs.runs import RunPage, RunView
from pressmark.api.schemas import schema
from pressmark.api.service import representations
from pressmark.api.service.attempts import Attempts
from pressmark.api.service.bodies import limited_body
from pressmark.api.service.dependencies import Artifact, RunList, Store, UploadFolder
from pressmark.api.service.events import MEDIA_TYPE, event_stream
from pressmark.api.service.representations import Answer, Resource
from pressmark.api.service.resources import answers, json_answer
from pressmark.api.service.security import needs
from pressmark.api.service.tokens import Principal, Scope
from pressmark.api.service.uploads import Uploads
from pressmark.registry.documents import document_about
from pressmark.registry.facts import summaries
from pressmark.registry.folders import safe_name
from pressmark.registry.ids import new_iri

_LONGEST: Final = 2 << 20
_MANY: Final = 200
_JSON: Final = "application/json"
#: RFC 9512; the others are older names of it.
_YAML: Final = ("application/yaml", "application/x-yaml", "text/yaml")

_Key = Annotated[str | None, Header(min_length=1, max_length=200)]
_Seed = Annotated[int, Field(ge=0, lt=2**32)]


class RunOrder(BaseModel):
    """A recipe to run."""

    model_config = ConfigDict(extra="forbid")

    recipe: str | dict[str, Any] = Field(
        description="The recipe, as YAML text or as an object; see the README, Recipes.",
        examples=[
            {
                "name": "half",
                "inputs": {"base": None},
                "steps": [{"step": "prune/magnitude", "parameters": {"sparsity": 0.5}}],
            }
        ],
    )
    inputs: dict[str, str] = Field(
        default={},
        max_length=100,
        description="Recipe input -> UUID, IRI, alias, name or digest of an artifact.",
        examples=[{"base": "prod"}],
    )
    seed: _Seed | None = Field(default=None, description="Instead of the recipe's.")
    cache: bool = Field(default=True, description="Whether earlier results may stand in for steps.")
    dry_run: bool = Field(default=False, description="Tell steps, time and size; do nothing.")
    uploads: list[str] = Field(
        default=[],
        max_length=100,
        description="Complete uploads of the texts that the recipe names by relative paths.",
    )

    @property
    def text(self) -> str:
        """The recipe as the text that is recorded; JSON is YAML."""
        if isinstance(self.recipe, str):
            return self.recipe
        return json.dumps(self.recipe, ensure_ascii=False, indent=2)


@dataclass(frozen=True)
class _Caller:
    """Who asks for a run, and which one it becomes."""

    agent: str
    identifier: str


routes = APIRouter(prefix="/v1", tags=["runs"])
_WRITER = Depends(needs(Scope.WRITE))
_ACCEPTED: Final[dict[int | str, dict[str, Any]]] = {
    202: {
        "model": schema(RunView),
        "description": "It will be done; Location tells how far it is",
        "headers": {"Location": {"schema": {"type": "string"}}},
    }
}


def _named(
    run: Annotated[
        str,
        Path(
            description="UUID or IRI; of a recorded run 4+ first or last digits are enough.",
            max_length=200,
        ),
    ],
) -> str:
    return run


Run = Annotated[str, Depends(_named)]


@routes.post(
    "/runs",
    status_code=202,
    summary="Run a recipe",
    dependencies=[_WRITER],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                _JSON: {"schema": RunOrder.model_json_schema()},
                _YAML[0]: {"schema": {"type": "string"}},
            },
        }
    },
    responses=answers(schema(Plan), 404, 409, 413, 415, 422, 501, 503) | _ACCEPTED,
)
async def post_run(
    request: Request,
    store: Store,
    runs: RunList,
    uploads: UploadFolder,
    given: Annotated[
        list[str] | None,
        Query(alias="input", description="With a YAML body: NAME=ARTIFACT.", max_length=100),
    ] = None,
    seed: Annotated[int | None, Query(ge=0, lt=2**32, description="With a YAML body.")] = None,
    dry_run: Annotated[bool, Query(description="With a YAML body.")] = False,
    idempotency_key: _Key = None,
) -> Response:
    """Checks a recipe completely, then runs it in another process. With dry_run: tells its cost.

    Sent again with the same Idempotency-Key it is run once.
    """
    order = await _order(request, given or [], seed, dry_run=dry_run)
    checker: Checker = request.app.state.checker
    async with checker.turns:
        return await run_in_threadpool(_post, request, store, runs, uploads, order, idempotency_key)


@routes.get("/runs", summary="List runs", responses=answers(schema(RunPage), 422))
def list_runs(
    request: Request,
    runs: RunList,
    limit: Annotated[int, Query(ge=1, le=_MANY)] = 50,
    after: Annotated[
        str | None, Query(max_length=200, description="`next` of the page before.")
    ] = None,
) -> Response:
    """Runs that are queued, running or over, also those made without this service; newest first."""
    page = runs.page(limit, after)
    following = request.url.include_query_params(after=page.next)
    return json_answer(request, page, (f'<{following}>; rel="next"',) if page.next else ())


@routes.get(
    "/runs/{run}",
    summary="How far it is",
    responses=representations.represented(schema(RunView), 404, 409),
)
def run_facts(registry: Store, runs: RunList, run: Run, answer: Answer) -> Response:
    """State, steps, progress, error and artifacts of a run.

    As RDF: the records of its beginning, its steps and its end; of what was not recorded, nothing.
    """
    found = runs.get(run)
    iri = NamedNode(found.run) if found.run else None
    return answer(
        Resource(
            representations.Kind.RUN,
            lambda: found,
            lambda: document_about(registry, [iri] if iri else []),
            iri,
        )
    )


@routes.get(
    "/runs/{run}/events",
    summary="What happens, as it happens",
    response_class=Response,
    responses=answers(None, 404, 409, 422)
    | {
        200: {"content": {MEDIA_TYPE: {}}, "description": "Server-sent events, until it has ended"},
        204: {"description": "It has ended, and the client has seen all of it"},
    },
)
def run_events(
    request: Request,
    runs: RunList,
    run: Run,
    last_event_id: Annotated[int, Header(ge=0, le=1 << 62)] = 0,
) -> Response:
    """Server-sent events: "state", "step", "progress" and "log", each with JSON data.

    Last-Event-ID goes on after an event. Runs that were not asked for here have no events.
    """
    job = runs.jobs.get(runs.identifier(run))
    if job.ended and not runs.jobs.events(job.id, last_event_id):
        return Response(status_code=204)
    return event_stream(request, runs.jobs, job.id, last_event_id)


@routes.post(
    "/runs/{run}/cancel",
    status_code=202,
    summary="Stop it at the next safe point",
    dependencies=[_WRITER],
    responses=answers(None, 404, 409) | _ACCEPTED,
)
def cancel_run(request: Request, runs: RunList, run: Run) -> Response:
    """Stops a run where that is safe; it is recorded as aborted, finished steps are kept."""
    return _accepted(json_answer(request, runs.cancel(run)), runs.identifier(run))


@routes.post(
    "/runs/{run}/resume",
    status_code=202,
    summary="Go on with it",
    dependencies=[_WRITER],
    responses=answers(None, 404, 409, 422, 501) | _ACCEPTED,
)
def resume_run(request: Request, runs: RunList, run: Run, idempotency_key: _Key = None) -> Response:
    """Goes on with a run that failed, was stopped or interrupted, as a new run."""
    require_compression()
    caller = _caller(request, f"resume {run}", idempotency_key)
    view = runs.known(caller.identifier) or runs.resume(run, caller.identifier, caller.agent)
    return _accepted(json_answer(request, view), view.id)


@routes.post(
    "/artifacts/{artifact}/checks",
    status_code=202,
    summary="Check its lineage again",
    dependencies=[_WRITER],
    responses=answers(None, 404, 409, 422, 501) | _ACCEPTED,
)
def check_artifact(
    request: Request,
    store: Store,
    runs: RunList,
    artifact: Artifact,
    idempotency_key: _Key = None,
) -> Response:
    """Checks every step between an artifact and its base models against the stored bytes again."""
    return _evidence(request, store, runs, artifact, Kind.CHECK, idempotency_key)


@routes.post(
    "/artifacts/{artifact}/reproductions",
    status_code=202,
    summary="Make it again and compare",
    dependencies=[_WRITER],
    responses=answers(None, 404, 409, 422, 501) | _ACCEPTED,
)
def reproduce_artifact(
    request: Request,
    store: Store,
    runs: RunList,
    artifact: Artifact,
    idempotency_key: _Key = None,
) -> Response:
    """Executes the step that made an artifact again, and records whether the bytes are equal."""
    return _evidence(request, store, runs, artifact, Kind.REPRODUCTION, idempotency_key)


# ---------------------------------------------------------------------- reading what was sent


async def _order(
    request: Request, given: list[str], seed: int | None, *, dry_run: bool
) -> RunOrder:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (_JSON, *_YAML):
        raise UnsupportedMediaTypeError(
            f"a recipe cannot be sent as {kind or 'nothing'}", f"send {_JSON} or {_YAML[0]}"
        )
    body = await limited_body(request, _LONGEST)
    try:
        if kind == _JSON:
            return RunOrder.model_validate_json(body)
        pairs = (each.rpartition("=") for each in given)
        inputs = {name or "base": artifact for name, _, artifact in pairs}
        values = {"recipe": body.decode(), "inputs": inputs, "seed": seed, "dry_run": dry_run}
        return RunOrder.model_validate(values)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False)) from None
    except UnicodeDecodeError:
        raise UnsupportedMediaTypeError("the recipe is not UTF-8", "write it in UTF-8") from None


def _caller(request: Request, asked: str, key: str | None) -> _Caller:
    principal: Principal = request.state.principal
    attempts: Attempts = request.app.state.attempts
    digest = hashlib.sha256(asked.encode()).digest()
    now = datetime.now(UTC)
    iri = attempts.planned(key, principal.agent, digest, now) if key else new_iri()
    return _Caller(principal.agent, iri.value.removeprefix("urn:uuid:"))


# ---------------------------------------------------------------------- taking orders


def _post(
    request: Request,
    registry: Store,
    runs: RunList,
    uploads: Uploads,
    order: RunOrder,
    key: str | None,
) -> Response:
    require_compression()
    caller = _caller(request, order.model_dump_json(), key)
    if view := runs.known(caller.identifier):
        return _accepted(json_answer(request, view), view.id)
    try:
        _place(registry, uploads, order, caller)
        plan = _planned(request, registry, order, caller)
        if order.dry_run:
            return json_answer(request, plan)
        view = runs.post(caller.identifier, caller.agent, _checked(registry, order, plan))
    finally:
        if not runs.known(caller.identifier):
            shutil.rmtree(job_folder(registry.root, caller.identifier), ignore_errors=True)
    for identifier in order.uploads:
        uploads.discard(uploads.get(identifier, caller.agent))
    return _accepted(json_answer(request, view), view.id)


def _planned(request: Request, registry: Store, order: RunOrder, caller: _Caller) -> Plan:
    checker: Checker = request.app.state.checker
    question = Question(
        recipe=order.text,
        folder=str(files_folder(registry.root, caller.identifier)),
        inputs=order.inputs,
        seed=order.seed,
        cache=order.cache,
        sequence=registry.journal.refresh(),
        dry_run=order.dry_run,
    )
    return checker.plan(question)


def _checked(registry: Store, order: RunOrder, plan: Plan) -> Order:
    return Order(
        kind=Kind.RECIPE,
        name=plan.name,
        recipe=order.text,
        inputs=plan.inputs,
        seed=plan.seed,
        cache=order.cache,
        steps=plan.steps,
        sequence=registry.journal.refresh(),
    )


def _place(registry: Store, uploads: Uploads, order: RunOrder, caller: _Caller) -> None:
    """Puts uploaded texts where the recipe's relative paths begin."""
    folder = files_folder(registry.root, caller.identifier)
    for identifier in order.uploads:
        upload = uploads.complete(identifier, caller.agent)
        target = folder / safe_name(upload.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.hardlink_to(uploads.path(upload.id))


def _evidence(
    request: Request,
    registry: Store,
    runs: RunList,
    artifact: Artifact,
    kind: Kind,
    key: str | None,
) -> Response:
    require_compression()
    caller = _caller(request, f"{kind} {artifact.value}", key)
    name = summaries(registry, [artifact])[artifact].name
    sequence = registry.journal.refresh()
    order = Order(kind=kind, name=name, subject=artifact.value, sequence=sequence)
    view = runs.post(caller.identifier, caller.agent, order)
    return _accepted(json_answer(request, view), view.id)


def _accepted(response: Response, identifier: str) -> Response:
    response.status_code = 202
    response.headers["Location"] = f"/v1/runs/{identifier}"
    return response
