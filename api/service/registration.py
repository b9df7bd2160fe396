"""Artifacts that were made elsewhere: their files arrive, and what their maker declares of them."""

import hashlib
import posixpath
import shutil
from collections.abc import MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Body, Depends, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pyoxigraph import NamedNode
from starlette.datastructures import Headers
from starlette.routing import Match

from pressmark.api.errors import UnsupportedMediaTypeError
from pressmark.api.schemas import schema
from pressmark.api.service import forms
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
from pressmark.registry.folders import new_file
from pressmark.registry.ids import new_iri, sha256_file
from pressmark.registry.lifecycle import Registration
from pressmark.registry.registry import Registry
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


class Declared(BaseModel):
    """What the maker of an artifact declares of it."""

    model_config = _STRICT

    name: str = Field(max_length=100, examples=["support-bot"], json_schema_extra=NAME)
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


class Claim(Declared):
    """An artifact made elsewhere, whose files were sent before."""

    files: list[SentFile] = Field(min_length=1, max_length=10_000)


class FormClaim(Declared):
    """An artifact made elsewhere, whose files come in the same form."""

    sha256: dict[str, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]] = Field(
        default={},
        max_length=10_000,
        description="Digests by file name; the form is refused if a file has another.",
    )


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


class _FormRoute(APIRoute):
    """A route for forms alone: the JSON form of the same address is another one's."""

    def matches(self, scope: MutableMapping[str, Any]) -> tuple[Match, MutableMapping[str, Any]]:
        kind = Headers(scope=scope).get("content-type", "")
        if kind.partition(";")[0].strip().lower() != forms.MEDIA_TYPE:
            return Match.NONE, {}
        return super().matches(scope)


async def register_form(
    request: Request,
    registry: Store,
    uploads: UploadFolder,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> Response:
    """Registers the files of a form, with what its part ``claim`` declares of them."""
    kind = request.headers["content-type"]
    with uploads.scratch() as folder:
        allow_body(request, shutil.disk_usage(folder).free)
        form = await forms.receive(kind, request.stream(), folder, uploads.longest)
        claim = _declared(form)
        asked = [claim.model_dump_json(), *sorted(form.files.items())]
        iri = _planned(request, repr(asked), idempotency_key)
        return await run_in_threadpool(_registered, request, registry, claim, folder, iri)


_FORM_SCHEMA: Final = {
    "type": "object",
    "required": ["claim"],
    "properties": {
        "claim": FormClaim.model_json_schema(),
        "file": {
            "type": "array",
            "items": {"type": "string", "format": "binary"},
            "description": "The files; each one's filename is its name in the artifact.",
        },
    },
    "additionalProperties": False,
}
_FORM_BODY: Final = {
    "requestBody": {
        "content": {
            forms.MEDIA_TYPE: {
                "schema": _FORM_SCHEMA,
                "encoding": {"claim": {"contentType": "application/json"}},
            }
        }
    }
}
routes.add_api_route(
    "/artifacts",
    register_form,
    methods=["POST"],
    status_code=201,
    dependencies=[_MAY_WRITE],
    route_class_override=_FormRoute,
    include_in_schema=False,
)


@routes.post(
    "/artifacts",
    status_code=201,
    summary="Register an artifact made elsewhere",
    dependencies=[_MAY_WRITE],
    openapi_extra=_FORM_BODY,
    responses=answers(None, 404, 409, 413, 422) | {201: {"model": schema(ArtifactView)}},
)
def register_artifact(
    request: Request,
    registry: Store,
    uploads: UploadFolder,
    claim: Annotated[Claim, Body()],
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> Response:
    """Registers what complete uploads are, with the parents that their maker declares.

    Or the files of a form, whose part `claim` then declares the rest. Sent again with the same
    Idempotency-Key it registers nothing more, and gives the same artifact.
    """
    iri = _planned(request, claim.model_dump_json(), idempotency_key)
    if registry.knows(iri):
        return _answer(request, registry, iri)
    sent = [uploads.complete(file.upload, _agent(request)) for file in claim.files]
    with uploads.scratch() as folder:
        for file, upload in zip(claim.files, sent, strict=True):
            _place(uploads.path(upload.id), folder, upload.name, file.sha256)
        source = _source([each.uri for each in sent if each.uri])
        response = _registered(request, registry, claim, folder, iri, source)
    for upload in sent:
        uploads.discard(upload)
    return response


def _registered(
    request: Request,
    registry: Registry,
    claim: Declared,
    folder: Path,
    iri: NamedNode,
    source: str | None = None,
) -> Response:
    """Registers the files in a folder, if they are not registered yet."""
    if not registry.knows(iri):
        stated = _stated(claim, folder, claim.source or source)
        by = circumstances_of(request)
        lifecycle.register(registry, stated, by, paths=False, iri=iri)
    return _answer(request, registry, iri)


def _answer(request: Request, registry: Registry, iri: NamedNode) -> Response:
    place = f"/v1/artifacts/{iri.value.removeprefix('urn:uuid:')}"
    return _created(json_answer(request, view(registry, iri)), place)


def _declared(form: forms.Form) -> FormClaim:
    """What a form declares, if its files are as it says."""
    if form.fields.keys() != {"claim"} or not form.files:
        raise InvalidInputError(
            f"a form has one field, claim, and files; here are {len(form.files)} files and the "
            f"fields {', '.join(form.fields) or 'none'}",
            "curl -F 'claim={\"name\": ...}' -F 'file=@weights.safetensors'",
        )
    try:
        claim = FormClaim.model_validate_json(form.fields["claim"])
    except ValidationError as error:
        raise RequestValidationError(
            [{**each, "loc": ("claim", *each["loc"])} for each in error.errors()]
        ) from None
    for name, sha256 in claim.sha256.items():
        if form.files.get(name) != sha256:
            found = form.files.get(name, "none: it was not sent")
            raise BlobDamagedError(f"{name} has the SHA-256 {found}, not {sha256}", "send it again")
    return claim


def _planned(request: Request, asked: str, key: str | None) -> NamedNode:
    if key is None:
        return new_iri()
    digest = hashlib.sha256(asked.encode()).digest()
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
    new_file(folder, name).hardlink_to(source)


def _source(uris: list[str]) -> str | None:
    """Where all of it was fetched from, without queries, which may hold secrets."""
    plain = [urlsplit(uri)._replace(query="", fragment="").geturl() for uri in uris]
    if len(plain) < 2:
        return plain[0] if plain else None
    common = posixpath.commonprefix(plain)
    return common[: common.rfind("/") + 1] if urlsplit(common).path else None


def _stated(claim: Declared, folder: Path, source: str | None) -> Registration:
    return Registration(
        path=folder,
        name=claim.name,
        parents=tuple(claim.parents),
        license=claim.license,
        source=source,
        kind=artifact_kind(claim.kind),
    )


def _agent(request: Request) -> str:
    principal: Principal = request.state.principal
    return principal.agent
