"""What routes are given: the registry, the uploads under way, the pool of query workers."""

from typing import Annotated, Final, overload

from fastapi import Depends, Path, Query, Request
from pydantic import JsonValue
from pyoxigraph import NamedNode

from pressmark.api.jobs.runs import Runs
from pressmark.api.service.uploads import Uploads
from pressmark.api.sparql.pool import QueryPool
from pressmark.registry.errors import InvalidInputError
from pressmark.registry.registry import Registry
from pressmark.registry.search import resolve


# Dependencies that are no coroutines run in another thread, and the way there and back takes longer
# than these do.
async def _registry(request: Request) -> Registry:
    return request.app.state.registry  # type: ignore[no-any-return]


async def _uploads(request: Request) -> Uploads:
    return request.app.state.uploads  # type: ignore[no-any-return]


async def _queries(request: Request) -> QueryPool:
    return request.app.state.queries  # type: ignore[no-any-return]


def _runs(request: Request) -> Runs:
    return request.app.state.runs  # type: ignore[no-any-return]


Store = Annotated[Registry, Depends(_registry)]
"""The registry that is served."""

UploadFolder = Annotated[Uploads, Depends(_uploads)]
"""The uploads under way."""

RunList = Annotated[Runs, Depends(_runs)]
"""The runs: those that were asked for here, and those that others recorded."""

Queries = Annotated[QueryPool, Depends(_queries)]
"""The workers that answer untrusted queries."""


def _meant(
    registry: Store,
    artifact: Annotated[
        str,
        Path(
            description="UUID, IRI, alias, name or digest; 4+ first digits are enough.",
            examples=["prod"],
            max_length=200,
        ),
    ],
) -> NamedNode:
    """The artifact that a path names. What lies on the server's disk is no name."""
    return resolve(registry, artifact, paths=False)


ARTIFACT_IRI: Final[dict[str, JsonValue]] = {"pattern": "^urn:uuid:[0-9a-f-]{36}$"}
"""Of a JSON schema: how an artifact's IRI is written."""

After = Annotated[
    str | None,
    Query(description="`next` of the page before.", json_schema_extra=ARTIFACT_IRI),
]
"""The last artifact of the page before."""


@overload
def iri_of(text: str) -> NamedNode: ...
@overload
def iri_of(text: None) -> None: ...
def iri_of(text: str | None) -> NamedNode | None:
    """The IRI that a parameter holds; None where it is not given.

    Raises:
        InvalidInputError: It is no IRI.
    """
    try:
        return None if text is None else NamedNode(text)
    except ValueError as error:
        raise InvalidInputError(
            f"{text!r} is not an IRI: {error}", "give an IRI as an answer names it, and `next` so"
        ) from None


Artifact = Annotated[NamedNode, Depends(_meant)]
"""The artifact that the path parameter ``artifact`` names."""
