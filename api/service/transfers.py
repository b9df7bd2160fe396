"""Histories that travel between registries: bundles and blobs, both named by their digests.

Neither side trusts the other: blobs are hashed as they arrive, and each bundle is validated and
committed like a record made here (`pressmark.registry.transfer`).
"""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Body, Depends, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pyoxigraph import RdfFormat

from pressmark.api.schemas import schema
from pressmark.api.service.bodies import limited_body
from pressmark.api.service.dependencies import Artifact, Store, UploadFolder
from pressmark.api.service.files import file_answer
from pressmark.api.service.resources import answers, json_answer
from pressmark.api.service.security import needs
from pressmark.api.service.tokens import Principal, Scope
from pressmark.registry.descriptions import FileEntry
from pressmark.registry.errors import BlobDamagedError
from pressmark.registry.ids import sha256_file
from pressmark.registry.record import record_from_rdf
from pressmark.registry.references import References
from pressmark.registry.registry import Registry
from pressmark.registry.transfer import LocalPeer, history

#: A history has some kilobytes for each step.
_LONGEST: Final = 64 << 20
_MANY: Final = 10_000
_STRICT = ConfigDict(extra="forbid")

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Digests(BaseModel):
    """Digests that are asked about."""

    model_config = _STRICT

    digests: list[Digest] = Field(max_length=_MANY, examples=[["0" * 64]])


class StoredUpload(BaseModel):
    """A complete upload that is to be kept as a blob."""

    model_config = _STRICT

    upload: str = Field(max_length=64, description="Its identifier.")
    sha256: Digest = Field(description="Refused if the bytes have another.")


class SentHistory(BaseModel):
    """Bundles in the order of the sender's journal."""

    model_config = _STRICT

    bundles: list[str] = Field(min_length=1, max_length=_MANY, description="Canonical N-Quads.")


@dataclass(frozen=True)
class HistoryView:
    """What an artifact's history consists of.

    Attributes:
        bundles: The digests of its bundles, in the order of the journal.
    """

    bundles: tuple[str, ...]


@dataclass(frozen=True)
class SizeList:
    """The sizes of those blobs that are here, by digest."""

    sizes: dict[str, int]


@dataclass(frozen=True)
class UnknownList:
    """Those bundles that are not in the journal."""

    unknown: tuple[str, ...]


@dataclass(frozen=True)
class Stored:
    """A blob that is kept.

    Attributes:
        sha256: Its digest.
        size: Its bytes.
    """

    sha256: str
    size: int


@dataclass(frozen=True)
class Committed:
    """How many bundles were committed or known, and the journal's head after them."""

    bundles: int
    head: str


routes = APIRouter(prefix="/v1", tags=["transfer"])
_MAY_WRITE = Depends(needs(Scope.WRITE))


@routes.get(
    "/artifacts/{artifact}/history",
    summary="The bundles that its history needs",
    responses=answers(schema(HistoryView), 404, 409),
)
def artifact_history(request: Request, registry: Store, artifact: Artifact) -> Response:
    """The bundles of an artifact, its ancestors, and what was found about them; each is a blob."""
    bundles = tuple(entry.bundle_digest for entry in history(registry, artifact))
    return json_answer(request, HistoryView(bundles))


@routes.post(
    "/transfers/bundles",
    summary="Which bundles are new",
    responses=answers(schema(UnknownList), 422),
)
def unknown_bundles(
    request: Request, registry: Store, asked: Annotated[Digests, Body()]
) -> Response:
    """Those of some bundles that are not in the journal."""
    unknown = LocalPeer(registry).unknown(asked.digests)
    return json_answer(request, UnknownList(tuple(sorted(unknown))))


@routes.post(
    "/transfers/blobs", summary="Which blobs are here", responses=answers(schema(SizeList), 422)
)
def blob_sizes(request: Request, registry: Store, asked: Annotated[Digests, Body()]) -> Response:
    """The sizes of those of some blobs that are here: nobody needs to send them again."""
    return json_answer(request, SizeList(LocalPeer(registry).sizes(asked.digests)))


@routes.get(
    "/blobs/{sha256}",
    summary="The bytes of a blob",
    response_class=Response,
    responses=answers(None, 404, 416, 422)
    | {200: {"content": {"application/octet-stream": {}}}, 206: {"description": "A range"}},
)
def blob_bytes(
    request: Request, registry: Store, sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
) -> Response:
    """A blob, whole or the one range that is asked for: a file, a bundle, a log, a recipe."""
    entry = FileEntry(sha256, sha256, registry.blobs.size(sha256))
    return file_answer(request, registry.blobs, entry)


@routes.post(
    "/blobs",
    summary="Keep an upload as a blob",
    dependencies=[_MAY_WRITE],
    responses=answers(schema(Stored), 404, 422),
)
def keep_blob(
    request: Request, registry: Store, uploads: UploadFolder, sent: Annotated[StoredUpload, Body()]
) -> Response:
    """Keeps the bytes of a complete upload; what no record names within an hour, gc may free."""
    principal: Principal = request.state.principal
    upload = uploads.complete(sent.upload, principal.agent)
    found = sha256_file(uploads.path(upload.id))
    if found != sent.sha256:
        raise BlobDamagedError(
            f"the upload {upload.id} has the SHA-256 {found}, not {sent.sha256}",
            "send it again: DELETE, then POST",
        )
    registry.blobs.put_file(uploads.path(upload.id), found)
    uploads.discard(upload)
    return json_answer(request, Stored(found, registry.blobs.size(found)))


@routes.post(
    "/transfers",
    summary="Commit a history",
    dependencies=[_MAY_WRITE],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": SentHistory.model_json_schema()}},
        }
    },
    responses=answers(schema(Committed), 413, 422),
)
async def commit_history(request: Request, registry: Store) -> Response:
    """Commits bundles in their order; those that are known change nothing.

    The blobs that they name are here already, but for files of artifacts that the same history
    retires, and texts of data sets.
    """
    body = await limited_body(request, _LONGEST)
    try:
        sent = SentHistory.model_validate_json(body)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False)) from None
    return json_answer(request, await run_in_threadpool(_committed, registry, sent))


def _committed(registry: Registry, sent: SentHistory) -> Committed:
    records = [record_from_rdf(text.encode(), RdfFormat.N_QUADS) for text in sent.bundles]
    references = References()
    for record in records:
        references.read(record.nquads)
    absent = references.named() - references.required()
    LocalPeer(registry).commit(((one.digest, one.nquads) for one in records), absent)
    return Committed(len(records), registry.journal.head())
