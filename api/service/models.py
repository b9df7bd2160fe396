"""``/v1/models``: the named lines under which artifacts of one model follow each other."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from pressmark.api.schemas import schema
from pressmark.api.service.dependencies import After, Store, iri_of
from pressmark.api.service.prov_aq import link
from pressmark.api.service.representations import Answer, Kind, Resource, represented
from pressmark.api.service.resources import Name, answers, json_answer
from pressmark.registry.documents import document_about
from pressmark.registry.lines import Line, LinePage, line, lines

routes = APIRouter(prefix="/v1/models", tags=["artifacts"])
_MANY = 500


@dataclass(frozen=True)
class LineList:
    """All model lines."""

    models: tuple[Line, ...]


@routes.get("", summary="The model lines", responses=answers(schema(LineList)))
def model_lines(request: Request, registry: Store) -> Response:
    """Every model line, and how many artifacts it has."""
    return json_answer(request, LineList(tuple(lines(registry))))


@routes.get(
    "/{model}",
    summary="The artifacts of a model line",
    responses=represented(schema(LinePage), 404, 422),
)
def model_line(
    request: Request,
    registry: Store,
    model: Name,
    answer: Answer,
    limit: Annotated[int, Query(ge=1, le=_MANY)] = 50,
    after: After = None,
) -> Response:
    """A model line and its artifacts, newest first. As RDF: the records of those listed."""
    page = line(registry, model, limit, iri_of(after))
    listed = [page.line.iri, *(one.iri for one in page.artifacts)]
    following = request.url.include_query_params(after=page.next.value) if page.next else None
    return answer(
        Resource(
            Kind.LINE,
            lambda: page,
            lambda: document_about(registry, listed),
            page.line.iri,
            (link(str(following), "next"),) if following else (),
        )
    )
