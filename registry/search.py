"""Finding artifacts: by any name that people use, by what is known of them, by their bytes.

`resolve` takes whatever a person has at hand. In this order: a full IRI, an alias, a path on disk
(whose bytes are hashed), an artifact's name, the beginning or end of its UUID, a digest or the
beginning of one. A name that fits several artifacts is refused with the list of them.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from pyoxigraph import Literal, NamedNode

from pressmark.ontology.terms import PM
from pressmark.registry.descriptions import FileEntry, content
from pressmark.registry.errors import (
    AmbiguousNameError,
    InvalidInputError,
    NotFoundError,
    PressmarkError,
)
from pressmark.registry.facts import (
    ArtifactSummary,
    Reader,
    local_name,
    node,
    short_id,
    summaries,
    text,
)
from pressmark.registry.folders import entries, is_unicode, list_files
from pressmark.registry.graph import Row
from pressmark.registry.ids import ni_iri, sha256_file
from pressmark.registry.occurrences import Scalar
from pressmark.registry.record import literal
from pressmark.registry.registry import Registry

__all__ = [
    "PAGE",
    "SHORTEST",
    "ArtifactSummary",
    "find",
    "resolve",
    "resolve_description",
    "resolve_run",
    "summaries",
    "with_file",
]

SHORTEST: Final = 4
"""The fewest digits of a UUID or digest that are looked for."""

PAGE: Final = 50
"""How many artifacts `find` gives, if it is not told."""

_WINDOW: Final = 200
_UUID_LENGTH: Final = 36
_SHA256_LENGTH: Final = 64
_LISTED: Final = 8
_DIGITS: Final = re.compile(r"[0-9a-f][0-9a-f-]*")
_SHA256: Final = re.compile(r"(?:sha256:)?([0-9a-f]{4,64})")
_IRI: Final = re.compile(r"urn:uuid:[0-9a-fA-F-]+|ni:///sha-256;[\w-]+", re.ASCII)
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PATTERN: Final = re.compile(r"[*?\[]")


# ---------------------------------------------------------------------------------- one artifact


def resolve(registry: Reader, name: str, *, paths: bool = True) -> NamedNode:
    """Finds the one artifact that a person means.

    Args:
        registry: The registry.
        name: An IRI, an alias, a path of a file or folder, an artifact's name, at least four digits
            of the beginning or end of its UUID, or of the beginning of the digest of its content or
            of a file that it alone has.
        paths: Whether a path on this machine's disk is a name; not for those who are elsewhere.

    Raises:
        NotFoundError: Nothing fits; the message says what was tried and what is close.
        AmbiguousNameError: Several artifacts fit; the message lists them.
    """
    given = name.strip()
    if not is_unicode(given):
        raise NotFoundError(
            f"{given!a} is not UTF-8, and every name here is",
            "pressmark where FILE looks up a file of any name",
        )
    for look in (_by_iri, _by_alias, _by_path, _by_name, _by_identifier, _by_digest):
        if look is _by_path and not paths:
            continue
        if found := list(dict.fromkeys(look(registry, given))):
            return _only(registry, given, found)
    raise _not_found(registry, given)


def resolve_run(registry: Reader, name: str) -> NamedNode:
    """Finds the one run that a person means, by its IRI or at least four digits of its UUID.

    Raises:
        NotFoundError: There is no such run.
        AmbiguousNameError: Several runs fit.
    """
    digits = name.strip().lower().removeprefix("urn:uuid:")
    runs = dict.fromkeys(node(row, "run") for row in registry.rows("run_status"))
    if len(digits) < SHORTEST:
        raise NotFoundError(f"{name!r} is too short for a run: give at least four digits")
    uuids = {run: run.value.removeprefix("urn:uuid:") for run in runs}
    found = [r for r, uuid in uuids.items() if uuid.startswith(digits) or uuid.endswith(digits)]
    if not found:
        raise NotFoundError(
            f"there is no run {name!r}", f"known are: {_listed(r.value for r in runs)}"
        )
    if len(found) > 1:
        raise AmbiguousNameError(
            f"{name!r} fits several runs: {_listed(run.value for run in found)}",
            "give more digits",
        )
    return found[0]


def resolve_description(
    registry: Reader, name: str, *kinds: NamedNode, paths: bool = True
) -> NamedNode:
    """Finds the one data set, recipe, engine or agent that a person means.

    Args:
        registry: The registry.
        name: Its name or opaque identifier, its IRI or the beginning of it, the path of a file with
            its bytes, or at least four digits of the beginning of its digest.
        kinds: The classes that it may be of, such as ``PM.DataSet``; any by default.
        paths: Whether a path on this machine's disk is a name.

    Raises:
        NotFoundError: There is none.
        AmbiguousNameError: Several fit.
    """
    given = name.strip()
    rows = registry.rows("descriptions", kind=kinds) if kinds else registry.rows("descriptions")
    digest = _digest_of(given, paths)
    found = dict.fromkeys(node(row, "thing") for row in rows if _is_meant(row, given, digest))
    if not found:
        what = " or ".join(local_name(kind) for kind in kinds) or "data set, recipe or agent"
        known = [row["name"].value for row in rows if "name" in row]
        raise NotFoundError(
            f"there is no {what} {given!r} here",
            alike(given, known) or "pressmark query descriptions lists what there is",
        )
    if len(found) > 1:
        fits = _listed(one.value for one in found)
        raise AmbiguousNameError(f"{given!r} fits several: {fits}", "give the whole IRI")
    return next(iter(found))


def _digest_of(name: str, paths: bool) -> str:
    """The beginning of a digest: of the file that a name is the path of, else what was given."""
    path = path_on_disk(name) if paths else None
    if path is not None and path.is_file():
        return sha256_file(path)
    return name.lower().removeprefix("sha256:")


def _is_meant(row: Row, name: str, digest: str) -> bool:
    if name.startswith("ni:///"):
        return node(row, "thing").value.startswith(name.rstrip("…"))
    has_digest = "sha256" in row and row["sha256"].value.startswith(digest)
    return text(row, "name") == name or (len(digest) >= SHORTEST and has_digest)


def _by_iri(registry: Reader, name: str) -> Iterable[NamedNode]:
    if _UUID.fullmatch(name.lower()):
        return summaries(registry, [NamedNode(f"urn:uuid:{name.lower()}")])
    if not _IRI.fullmatch(name):
        return ()
    iri = NamedNode(name)
    return summaries(registry, [iri]) or _having(registry, "artifacts_with_content", content=iri)


def _by_alias(registry: Reader, name: str) -> Iterable[NamedNode]:
    return [node(row, "artifact") for row in registry.rows("aliases", alias=Literal(name))]


def _by_path(registry: Reader, name: str) -> Iterable[NamedNode]:
    path = path_on_disk(name)
    if path is None:
        return ()
    files = entries(list_files(path))
    iri = content(files).iri
    if found := _having(registry, "artifacts_with_content", content=iri):
        return found
    if path.is_dir():
        raise NotFoundError(
            f"no artifact here consists of exactly the files of {path}",
            _known_files(registry, files),
        )
    known = _having(registry, "artifacts_with_file", sha256=Literal(files[0].sha256))
    if not known:  # an artifact that merely has this file's name must not answer for it
        raise NotFoundError(
            f"no artifact here has a file with the bytes of {path}",
            "it was changed, or never registered; give the UUID of an artifact of this name",
        )
    return known


def path_on_disk(name: str) -> Path | None:
    """The file or folder on disk that a name is the path of; None if it is no path of anything."""
    try:
        path = Path(name).expanduser()
        return path if name and path.exists() else None
    except (OSError, RuntimeError):  # longer than a path can be, or the home of nobody
        return None


def _known_files(registry: Reader, files: Sequence[FileEntry]) -> str:
    digests = [Literal(file.sha256) for file in files]
    known = {row["sha256"].value for row in registry.rows("artifacts_with_file", sha256=digests)}
    names = [file.name for file in files if file.sha256 in known]
    if not names:
        return f"none of its {len(files)} files is known here"
    return (
        f"known here, of its {len(files)} files: {_listed(names)}; "
        "`pressmark where FILE` tells of which artifacts"
    )


def _by_name(registry: Reader, name: str) -> Iterable[NamedNode]:
    rows = registry.rows("artifacts_named", name=Literal(name))
    made = [row for row in rows if "generatedAt" in row]
    return [node(row, "artifact") for row in made or rows]  # what is here, else what is claimed


def _by_identifier(registry: Reader, name: str) -> Iterable[NamedNode]:
    digits = name.lower().removeprefix("urn:uuid:")
    if not SHORTEST <= len(digits) <= _UUID_LENGTH or not _DIGITS.fullmatch(digits):
        return ()
    return _having(registry, "artifacts_by_identifier", fragment=Literal(digits))


def _by_digest(registry: Reader, name: str) -> Iterable[NamedNode]:
    digest = _SHA256.fullmatch(name.lower())
    if digest is None:
        return ()
    if len(digest[1]) == _SHA256_LENGTH:
        found = _having(registry, "artifacts_with_content", content=ni_iri(digest[1]))
        return found or with_file(registry, digest[1])
    rows = registry.rows("known_digests", prefix=Literal(digest[1]))
    known = [row["sha256"] for row in rows]
    return _having(registry, "artifacts_with_file", sha256=known) if known else ()


def _having(
    registry: Reader,
    query: str,
    **parameters: NamedNode | Literal | Sequence[NamedNode | Literal],
) -> list[NamedNode]:
    return [node(row, "artifact") for row in registry.rows(query, **parameters)]


def _only(registry: Reader, name: str, found: Sequence[NamedNode]) -> NamedNode:
    if len(found) == 1:
        return found[0]
    known = summaries(registry, found[:_LISTED])
    lines = "\n".join(f"  {_described(one)}" for one in known.values())
    more = f"\n  and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    raise AmbiguousNameError(
        f"{name!r} fits {len(found)} artifacts:\n{lines}{more}",
        "give the digits at the beginning of the line, or the whole IRI",
    )


def _described(one: ArtifactSummary) -> str:
    aliases = f" ({', '.join(one.aliases)})" if one.aliases else ""
    return f"{short_id(one.iri)}  {one.name}{aliases}, {one.kind_name}, {one.generated_at or '-'}"


def _not_found(registry: Reader, name: str) -> PressmarkError:
    names = [row["name"].value for row in registry.rows("artifact_names")]
    if names:
        others = "pressmark ls lists what there is; pressmark where FILE looks up a file"
        hint = alike(name, names) or others
    else:
        hint = "the registry is empty: pressmark import MODEL begins a history"
    return NotFoundError(
        f"nothing here is called {name!r}: no alias, file, artifact name, UUID or digest fits", hint
    )


def alike(name: str, known: Iterable[str]) -> str:
    """A question whether a name that is spelt alike was meant; "" where none is."""
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(map(repr, close))}?" if close else ""


def _listed(texts: Iterable[str]) -> str:
    shown = list(islice(texts, _LISTED + 1))
    return ", ".join(shown[:_LISTED]) + (", ..." if len(shown) > _LISTED else "") or "none"


# -------------------------------------------------------------------------------- many artifacts


def with_file(registry: Reader, sha256: str) -> list[NamedNode]:
    """The artifacts that have a file with these bytes, first recorded first.

    Args:
        registry: The registry.
        sha256: 64 hexadecimal digits.
    """
    found = _having(registry, "artifacts_with_file", sha256=Literal(sha256))
    return list(dict.fromkeys(found))


def find(
    registry: Registry,
    *,
    name: str | None = None,
    kind: str | NamedNode | None = None,
    tag: str | None = None,
    digest: str | None = None,
    parameter: tuple[str, Scalar] | None = None,
    license: str | None = None,  # noqa: A002
    limit: int = PAGE,
    after: NamedNode | None = None,
) -> list[ArtifactSummary]:
    """Lists artifacts that fit all that is given, newest first.

    The journal's order is the key: a page costs the same at the beginning and at the end.

    Args:
        registry: The registry.
        name: The artifact's name; ``*`` and ``?`` stand for any letters.
        kind: Its class, such as "PrunedModel".
        tag: A tag that it has now.
        digest: SHA-256 of one of its files, or at least four digits of its beginning.
        parameter: Name and value of a parameter that it was made with.
        license: Its licence, as it was recorded.
        limit: How many at most.
        after: The last artifact of the page before.

    Raises:
        InvalidInputError: There is no such kind, the digest is none, or the limit is not positive.
        NotFoundError: `after` is no artifact here.
    """
    if limit < 1:
        raise InvalidInputError(f"the limit is {limit}, but a page has at least one artifact")
    criteria = _Criteria(
        name,
        artifact_kind(kind) if kind is not None else None,
        _chosen(registry, tag, digest, parameter, license, name),
    )
    start = _start(registry, after)
    found = islice(_matching(registry, criteria, start), limit)
    return list(summaries(registry, found).values())


class _Criteria:
    """What artifacts must have: a name pattern, a class, and to be among those looked up."""

    def __init__(
        self, name: str | None, kind: NamedNode | None, among: set[NamedNode] | None
    ) -> None:
        self._kind = kind
        self.among = among
        self._name = re.compile(_expression(name)) if name is not None else None

    def fit(self, name: str, kind: NamedNode) -> bool:
        if self._kind is not None and kind != self._kind:
            return False
        return self._name is None or self._name.fullmatch(name) is not None


def _expression(pattern: str) -> str:
    marks = {"*": ".*", "?": "."}
    return "(?s)" + "".join(marks.get(letter, re.escape(letter)) for letter in pattern)


def artifact_kind(kind: str | NamedNode) -> NamedNode:
    """Finds the class of artifact that is meant by a name such as "PrunedModel".

    Raises:
        InvalidInputError: There is none; the hint names one that is spelt alike.
    """
    if isinstance(kind, NamedNode):
        return kind
    term = getattr(PM, kind, None)
    if not isinstance(term, NamedNode):
        kinds = [name for name in vars(PM) if name[:1].isupper()]
        close = difflib.get_close_matches(kind, kinds, n=1)
        hint = f"did you mean {close[0]}?" if close else "such as BaseModel, PrunedModel"
        raise InvalidInputError(f"there is no kind of artifact {kind!r}", hint)
    return term


def _chosen(
    registry: Reader,
    tag: str | None,
    digest: str | None,
    parameter: tuple[str, Scalar] | None,
    license: str | None,  # noqa: A002
    name: str | None,
) -> set[NamedNode] | None:
    """The artifacts that fit what an index leads to at once; None if nothing of that is given."""
    sets: list[set[NamedNode]] = []
    if tag is not None:
        sets.append(set(_having(registry, "tags", tag=Literal(tag))))
    if digest is not None:
        sets.append(set(_with_digest(registry, digest)))
    if parameter is not None:
        key, value = Literal(parameter[0]), literal(parameter[1])
        sets.append(set(_having(registry, "artifacts_by_parameter", name=key, value=value)))
    if license is not None:
        sets.append(set(_having(registry, "artifacts_by_license", license=Literal(license))))
    if name is not None and not _PATTERN.search(name):
        sets.append(set(_by_name(registry, name)))
    return set.intersection(*sets) if sets else None


def _with_digest(registry: Reader, digest: str) -> Iterable[NamedNode]:
    if not _SHA256.fullmatch(digest.lower()):
        raise InvalidInputError(
            f"{digest!r} is no SHA-256", "give 4 to 64 hexadecimal digits, from the beginning"
        )
    return _by_digest(registry, digest)


def _start(registry: Registry, after: NamedNode | None) -> tuple[int, str]:
    """The place after which a page begins: journal sequence, then IRI within it."""
    if after is None:
        return len(registry.journal) + 1, ""
    known = summaries(registry, [after]).get(after)
    if known is None or known.sequence is None:
        raise NotFoundError(f"the page cannot go on after {after.value}: it is no artifact here")
    return known.sequence, after.value


def _matching(registry: Reader, criteria: _Criteria, start: tuple[int, str]) -> Iterator[NamedNode]:
    places = _descending(registry, criteria, start[0])
    for window in places:
        for row in registry.rows("artifacts_page", sequence=[literal(n) for n in window]):
            artifact, sequence = node(row, "artifact"), int(row["sequence"].value)
            if sequence == start[0] and artifact.value <= start[1]:
                continue
            if criteria.among is not None and artifact not in criteria.among:
                continue
            if criteria.fit(row["name"].value, node(row, "kind")):
                yield artifact


def _descending(registry: Reader, criteria: _Criteria, start: int) -> Iterator[Sequence[int]]:
    """Journal sequences in windows, newest first: all of them, or only those looked up."""
    if criteria.among is None:
        for top in range(start, 0, -_WINDOW):
            yield range(top, max(0, top - _WINDOW), -1)
        return
    known = summaries(registry, criteria.among).values()
    places = sorted({s.sequence for s in known if s.sequence and s.sequence <= start}, reverse=True)
    for first in range(0, len(places), _WINDOW):
        yield places[first : first + _WINDOW]
