"""The vocabulary, the shapes and the questions of Pressmark, as typed constants and packaged text.

Everything here is data with thin loaders: ``pressmark.ttl`` (what the words mean),
``shapes.ttl`` (what a record must look like), ``queries/*.rq`` (what can be asked),
``context.jsonld`` (the words in JSON-LD). `pressmark.ontology.terms` holds each IRI as a
constant, generated from the vocabulary.
"""

from functools import cache
from importlib.resources import files
from typing import Final

ONTOLOGY_VERSION: Final = "1.0.0"
"""The version of ``pressmark.ttl``, which new records name as the one they are written in."""

SHAPES_VERSION: Final = "1.0.0"
"""The version of ``shapes.ttl``, which new records are validated with."""

_SHAPE_FILES: Final = {SHAPES_VERSION: "shapes.ttl"}
"""Every version that can still be validated. A new version adds a file and keeps the old one."""


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


@cache
def query(name: str) -> str:
    """Read a packaged SPARQL query.

    Args:
        name: The file's name in ``ontology/queries`` without ``.rq``.

    Raises:
        KeyError: There is no such query.
    """
    if name not in query_names():
        raise KeyError(f"no query named {name!r}; there are: {', '.join(query_names())}")
    return _read(f"queries/{name}.rq")


@cache
def query_names() -> tuple[str, ...]:
    """List the packaged queries, sorted."""
    folder = files(__package__).joinpath("queries")
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name.removesuffix(".rq") for name in names if name.endswith(".rq")))


def shapes_versions() -> tuple[str, ...]:
    """List the versions of the shapes that records can be validated with."""
    return tuple(_SHAPE_FILES)


@cache
def shapes(version: str = SHAPES_VERSION) -> str:
    """Read the SHACL shapes, as Turtle.

    Raises:
        KeyError: This release does not carry that version.
    """
    return _read(_SHAPE_FILES[version])


@cache
def vocabulary() -> str:
    """Read the vocabulary, as Turtle."""
    return _read("pressmark.ttl")


@cache
def context() -> str:
    """Read the JSON-LD context of the vocabulary."""
    return _read("context.jsonld")
