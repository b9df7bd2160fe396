"""``/v1/queries``: the packaged questions, ready to be asked about anything by its name."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.concurrency import run_in_threadpool

from pressmark.api.schemas import schema
from pressmark.api.service.dependencies import Queries, Store
from pressmark.api.service.resources import answers, json_answer
from pressmark.api.service.security import spend_query
from pressmark.api.sparql.endpoint import ANSWERS, answer_query
from pressmark.ontology import questions
from pressmark.ontology.questions import INTERNAL
from pressmark.registry import asking

routes = APIRouter(prefix="/v1/queries", tags=["queries"])
_NAMES = [asked.name for asked in questions.questions() if asked.group != INTERNAL]


@dataclass(frozen=True)
class Asked:
    """A question that can be asked.

    Attributes:
        name: Its name.
        group: What it is about.
        question: What it answers, in words.
        parameters: Each parameter's meaning, by name.
    """

    name: str
    group: str
    question: str
    parameters: dict[str, str]


@dataclass(frozen=True)
class AskedList:
    """The questions that can be asked."""

    questions: tuple[Asked, ...]


@routes.get("", summary="The questions", responses=answers(schema(AskedList)))
def list_questions(request: Request) -> Response:
    """Every question for people, with its parameters."""
    found = (q for q in questions.questions() if q.group != INTERNAL)
    listed = tuple(Asked(q.name, q.group, q.question, dict(q.parameters)) for q in found)
    return json_answer(request, AskedList(listed))


@routes.get(
    "/{name}",
    summary="Ask one",
    dependencies=[Depends(spend_query)],
    responses=answers(None, 404, 409) | ANSWERS,
)
async def ask_question(
    request: Request,
    registry: Store,
    queries: Queries,
    name: Annotated[
        str, Path(max_length=100, examples=["ancestors"], json_schema_extra={"enum": _NAMES})
    ],
) -> Response:
    """Answers a question; its parameters are given as ``?artifact=prod``."""
    asked = asking.question(name)
    values = dict(request.query_params)
    text = await run_in_threadpool(asking.bound, registry, asked, values, paths=False)
    return await answer_query(queries, text, request.headers.get("accept", ""))
