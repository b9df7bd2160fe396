"""Style sheet, scripts and icon: files of the package, named by their digest, so kept for ever."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Response

from pressmark.registry.errors import NotFoundError

routes = APIRouter(prefix="/assets")
_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_FOR_EVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Asset:
    """A file that pages refer to.

    Attributes:
        data: Its bytes.
        digest: The beginning of their SHA-256.
    """

    data: bytes
    digest: str


@cache
def asset(name: str) -> Asset:
    """Reads a file.

    Raises:
        NotFoundError: There is none.
    """
    folder = files("pressmark.api.pages").joinpath("static")
    if name not in {entry.name for entry in folder.iterdir()}:
        raise NotFoundError(f"there is no file {name!r} here", "the pages name what there is")
    data = folder.joinpath(name).read_bytes()
    return Asset(data, hashlib.sha256(data).hexdigest()[:16])


def address(name: str) -> str:
    """Where a page finds a file."""
    return f"/assets/{asset(name).digest}/{name}"


@routes.get("/{digest}/{name}")
def read(digest: str, name: str) -> Response:
    """A file; under another digest than its own it is another release's."""
    found = asset(name)
    if digest != found.digest:
        raise NotFoundError(f"{name} of {digest} is from another release", "load the page again")
    kind = _TYPES[name.rpartition(".")[2]]
    return Response(found.data, media_type=kind, headers={"Cache-Control": _FOR_EVER})
