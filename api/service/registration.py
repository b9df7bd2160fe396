"""Artifacts that were made elsewhere: their files arrive, and what their maker declares of them."""

import hashlib
import posixpath
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Body, Depends, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from pyoxigraph import NamedNode

from pressmark.api.errors import UnsupportedMediaTypeError
from pressmark.api.schemas import schema
from pressmark.api.service.attempts import Attempts
from pressmark.api.service.bodies import allow_body
from pressmark.api.service.dependencies import Store, UploadFolder
from pressmark.api.service.fetching import Fetches
from pressmark.api.service.resources import NAME, Integer, Name, answers, json_answer
from pressmark.api.service.security import circumstances_of, needs
from pressmark.api.service.tokens import Principal, Scope
from pressmark.api.service.uploads import Upload
from pressmark.registry import lifecycle
from pressmark.registry.errors import BlobDamagedError, InvalidInputError
from pressmark.registry.facts import summaries
from pressmark.registry.folders import safe_name
from pressmark.registry.ids import new_iri, sha256_file
from pressmark.registry.lifecycle import Registration
from pressmark.registry.search import artifact_kind
from pressmark.registry.views import ArtifactView, view

#: What a piece of an upload is sent as.
PIECE: Final = "application/offset+octet-stream"
_BYTES: Final = {"schema": {"type": "string", "format": "binary"}}
_STRICT = ConfigDict(extra="forbid")


class Announced(BaseModel):
    """A file that will be sent."""

    model_config = _STRICT

    name: str = Field(
        max_length=500,
        description="Relative, with `/` between folders.",
        examples=["model.safetensors"],
    )
    size: Integer = Field(ge=0, description="Bytes.", examples=[1024])


class Source(BaseModel):
    """A file that will be fetched from where it is."""

    model_config = _STRICT

    uri: str = Field(
        max_length=4000,
        description="Its address, without user name and password.",
        examples=["https://models.example/support-bot/model.safetensors"],
    )
    name: str | None = Field(
        default=None, max_length=500, description="Without it: the last part of the URI."
    )
    sha256: str | None = Field(
        default=None, pattern="^[0-9a-f]{64}$", description="Refused if the bytes have another."
    )


class SentFile(BaseModel):
    """A file of the artifact, sent or fetched before."""

    model_config = _STRICT

    upload: str = Field(max_length=64, description="Identifier of a complete upload.")
    sha256: str | None = Field(
        default=None, pattern="^[0-9a-f]{64}$", description="Refused if the bytes have another."
    )


class Claim(BaseModel):
    """An artifact made elsewhere, and what its maker declares."""

    model_config = _STRICT

    name: str = Field(max_length=100, examples=["support-bot"], json_schema_extra=NAME)
    files: list[SentFile] = Field(min_length=1, max_length=10_000)
    parents: list[str] = Field(
        default=[],
        max_length=1000,
        description="Artifacts here, by any name; or names of models that are not here.",
        examples=[["bf16"]],
    )
    license: str | None = Field(
        default=None,
        max_length=200,
        description="Without it: the joint licence of the parents that are known here.",
        examples=["apache-2.0"],
    )
    source: str | None = Field(default=None, max_length=2000, description="Where it can be found.")
    kind: str = Field(default="FineTunedModel", max_length=100)


routes = APIRouter(prefix="/v1", tags=["registration"])
_MAY_WRITE = Depends(needs(Scope.WRITE))


@routes.post(
    "/uploads",
    status_code=201,
    summary="Announce a file",
    dependencies=[_MAY_WRITE],
    responses=answers(None, 403, 413, 422, 502, 503)
    | {201: {"model": schema(Upload)}, 202: {"model": schema(Upload)}},
)
def begin_upload(
    request: Request, uploads: UploadFolder, file: Annotated[Announced | Source, Body()]
) -> Response:
    """Announces a file by name and size, whose bytes follow in pieces; or by its URI.

    What a URI names is fetched from now on (202): GET the upload to see how far it is.
    """
    if isinstance(file, Source):
        fetches: Fetches = request.app.state.fetches
        upload = fetches.begin(file.uri, file.name, file.sha256, _agent(request))
        return _created(json_answer(request, upload), f"/v1/uploads/{upload.id}", 202)
    upload = uploads.begin(file.name, file.size, _agent(request))
    return _created(json_answer(request, upload), f"/v1/uploads/{upload.id}")


@routes.get(
    "/uploads/{upload}",
    summary="How far it is",
    dependencies=[_MAY_WRITE],
    responses=answers(schema(Upload), 404),
)
def upload_progress(request: Request, uploads: UploadFolder, upload: Name) -> Response:
    """How many bytes of a file are here: where to go on."""
    return json_answer(request, uploads.get(upload, _agent(request)))


@routes.patch(
    "/uploads/{upload}",
    summary="Send bytes from its offset on",
    dependencies=[_MAY_WRITE],
    openapi_extra={"requestBody": {"content": {PIECE: _BYTES}, "required": True}},
    responses=answers(schema(Upload), 404, 409, 413, 415, 422),
)
async def upload_piece(
    request: Request,
    uploads: UploadFolder,
    upload: Name,
    upload_offset: Annotated[int, Header(ge=0)],
) -> Response:
    """Adds bytes to a file. Those that arrived before a connection broke stay."""
    if request.headers.get("content-type") != PIECE:
        raise UnsupportedMediaTypeError("a piece of an upload has another type", f"send {PIECE}")
    found = uploads.get(upload, _agent(request))
    allow_body(request, max((found.size or 0) - found.offset, 0))
    return json_answer(request, await uploads.append(found, upload_offset, request.stream()))


@routes.delete(
    "/uploads/{upload}",
    status_code=204,
    summary="Give it up",
    dependencies=[_MAY_WRITE],
    responses=answers(None, 404) | {204: {"description": "It is gone"}},
)
def give_up_upload(request: Request, uploads: UploadFolder, upload: Name) -> Response:
    """Removes a file that is not registered yet."""
    uploads.discard(uploads.get(upload, _agent(request)))
    return Response(status_code=204)


@routes.post(
    "/artifacts",
    status_code=201,
    summary="Register an artifact made elsewhere",
    dependencies=[_MAY_WRITE],
    responses=answers(None, 404, 409, 422) | {201: {"model": schema(ArtifactView)}},
)
def register_artifact(
    request: Request,
    registry: Store,
    uploads: UploadFolder,
    claim: Annotated[Claim, Body()],
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> Response:
    """Registers what complete uploads are, with the parents that their maker declares.

    Sent again with the same Idempotency-Key it registers nothing more, and gives the same artifact.
    """
    iri = _planned(request, claim, idempotency_key)
    if not summaries(registry, [iri]):
        sent = [uploads.complete(file.upload, _agent(request)) for file in claim.files]
        with tempfile.TemporaryDirectory(dir=uploads.folder, prefix="claim-") as folder:
            for file, upload in zip(claim.files, sent, strict=True):
                _place(uploads.path(upload.id), Path(folder), upload.name, file.sha256)
            source = claim.source or _source([each.uri for each in sent if each.uri])
            stated, by = _stated(claim, folder, source), circumstances_of(request)
            lifecycle.register(registry, stated, by, paths=False, iri=iri)
        for upload in sent:
            uploads.discard(upload)
    place = f"/v1/artifacts/{iri.value.removeprefix('urn:uuid:')}"
    return _created(json_answer(request, view(registry, iri)), place)


def _planned(request: Request, claim: Claim, key: str | None) -> NamedNode:
    if key is None:
        return new_iri()
    digest = hashlib.sha256(claim.model_dump_json().encode()).digest()
    attempts: Attempts = request.app.state.attempts
    return attempts.planned(key, _agent(request), digest, datetime.now(UTC))


def _created(response: Response, place: str, status: int = 201) -> Response:
    response.status_code = status
    response.headers["Location"] = place
    return response


def _place(source: Path, folder: Path, name: str, sha256: str | None) -> None:
    if sha256 is not None and (found := sha256_file(source)) != sha256:
        raise BlobDamagedError(
            f"{name} has the SHA-256 {found}, not {sha256}", "send it again: DELETE, then POST"
        )
    target = folder / safe_name(name)
    if target.exists():
        raise InvalidInputError(f"{name} is named twice", "give each file a name of its own")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.hardlink_to(source)


def _source(uris: list[str]) -> str | None:
    """Where all of it was fetched from, without queries, which may hold secrets."""
    plain = [urlsplit(uri)._replace(query="", fragment="").geturl() for uri in uris]
    if len(plain) < 2:
        return plain[0] if plain else None
    common = posixpath.commonprefix(plain)
    return common[: common.rfind("/") + 1] if urlsplit(common).path else None


def _stated(claim: Claim, folder: str, source: str | None) -> Registration:
    return Registration(
        path=Path(folder),
        name=claim.name,
        parents=tuple(claim.parents),
        license=claim.license,
        source=source,
        kind=artifact_kind(claim.kind),
    )


def _agent(request: Request) -> str:
    principal: Principal = request.state.principal
    return principal.agent
