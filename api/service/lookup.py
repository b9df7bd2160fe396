"""``/v1/resources``: whatever has an IRI in the records."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from pressmark.api.schemas import schema
from pressmark.api.service.dependencies import Store, iri_of
from pressmark.api.service.representations import Answer, Kind, Resource, represented
from pressmark.registry.documents import document_about
from pressmark.registry.known import Known, known

routes = APIRouter(prefix="/v1/resources", tags=["records"])


@routes.get("", summary="Whatever an IRI names", responses=represented(schema(Known), 404, 422))
def resource(
    registry: Store,
    answer: Answer,
    iri: Annotated[
        str,
        Query(
            max_length=2000,
            description="An artifact, content, run, activity, agent, engine, environment, ...",
            json_schema_extra={"pattern": "^(urn:uuid:|ni:///sha-256;)[A-Za-z0-9_#-]+$"},
            examples=["ni:///sha-256;AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
        ),
    ],
) -> Response:
    """What the records say of it. As RDF: the records that tell of it, or its description."""
    named = iri_of(iri)
    return answer(
        Resource(
            Kind.ANY,
            lambda: known(registry, named),
            lambda: document_about(registry, [named]),
            named,
        )
    )
