"""What is known of artifacts themselves, read from the answers of packaged queries."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from pyoxigraph import Literal, NamedNode

from pressmark.ontology.questions import Value
from pressmark.registry.descriptions import FileEntry
from pressmark.registry.graph import Row
from pressmark.registry.occurrences import Scalar

_VALUES: Final[Mapping[str, Callable[[str], Scalar]]] = {
    "integer": int,
    "double": float,
    "decimal": float,  # what SPARQL's AVG gives
    "boolean": lambda text: text == "true",
}
_SHORT_DIGITS: Final = 8


class Reader(Protocol):
    """What answers packaged queries: a registry."""

    def rows(self, query_name: str, **parameters: Value) -> list[Row]:
        """Runs a packaged query; see `pressmark.registry.registry.Registry.rows`."""


@dataclass(frozen=True)
class ArtifactSummary:
    """An artifact, as lists show it.

    Attributes:
        iri: The occurrence.
        kind: Its class, such as ``PM.PrunedModel``.
        name: For a person.
        sequence: Its place in the journal; None if it is known only by claim.
        activity: What made it, or registered it; None if it is known only by claim.
        license: SPDX identifier or name.
        content: The content-addressed IRI of its files.
        size: Bytes of all its files.
        generated_at: When it was complete, ``xsd:dateTime`` in UTC.
        parameter_count: How many parameters its model has.
        nonzero_parameter_count: How many of them are not zero.
        imported_from: Where it was taken from, for an import.
        source_revision: The commit or revision there.
        line: The name of the model line that it belongs to.
        retired: Whether it was withdrawn from use.
        aliases: Those that mean it now, sorted.
        tags: Those that it has now, sorted.
    """

    iri: NamedNode
    kind: NamedNode
    name: str
    sequence: int | None = None
    activity: NamedNode | None = None
    license: str | None = None
    content: NamedNode | None = None
    size: int | None = None
    generated_at: str | None = None
    parameter_count: int | None = None
    nonzero_parameter_count: int | None = None
    imported_from: str | None = None
    source_revision: str | None = None
    line: str | None = None
    retired: bool = False
    aliases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """``live``, ``retired``, or ``external`` where its bytes were never here."""
        if self.content is None:
            return "external"
        return "retired" if self.retired else "live"

    @property
    def kind_name(self) -> str:
        """The class without its namespace, such as "PrunedModel"."""
        return local_name(self.kind)


def summaries(reader: Reader, artifacts: Iterable[NamedNode]) -> dict[NamedNode, ArtifactSummary]:
    """Reads what is known of artifacts, in one query for each kind of fact.

    Args:
        reader: The registry.
        artifacts: Their IRIs; those that are no artifacts are left out of the answer.

    Returns:
        The summaries by IRI, in the order given.
    """
    wanted = list(dict.fromkeys(artifacts))
    if not wanted:
        return {}
    aliases = grouped(reader.rows("aliases", artifact=wanted), "artifact", "alias")
    tags = grouped(reader.rows("tags", artifact=wanted), "artifact", "tag")
    found = {
        node(row, "artifact"): _summary(row, aliases, tags)
        for row in reader.rows("artifact_facts", artifact=wanted)
    }
    return {iri: found[iri] for iri in wanted if iri in found}


def artifact_files(reader: Reader, artifact: NamedNode) -> tuple[FileEntry, ...]:
    """The files of an artifact, by name; none where only its name is known."""
    return tuple(
        FileEntry(row["fileName"].value, row["sha256"].value, int(row["size"].value))
        for row in reader.rows("artifact_files", artifact=artifact)
    )


def _summary(
    row: Row,
    aliases: Mapping[NamedNode, Sequence[str]],
    tags: Mapping[NamedNode, Sequence[str]],
) -> ArtifactSummary:
    iri = node(row, "artifact")
    return ArtifactSummary(
        iri=iri,
        kind=node(row, "kind"),
        name=text(row, "name") or "",
        sequence=integer(row, "sequence"),
        activity=optional_node(row, "activity"),
        license=text(row, "license"),
        content=optional_node(row, "content"),
        size=integer(row, "size"),
        generated_at=text(row, "generatedAt"),
        parameter_count=integer(row, "parameterCount"),
        nonzero_parameter_count=integer(row, "nonzeroParameterCount"),
        imported_from=text(row, "importedFrom"),
        source_revision=text(row, "sourceRevision"),
        line=text(row, "line"),
        retired="retirement" in row,
        aliases=tuple(sorted(aliases.get(iri, ()))),
        tags=tuple(sorted(tags.get(iri, ()))),
    )


def grouped(rows: Iterable[Row], key: str, value: str) -> dict[NamedNode, list[str]]:
    """Collects the texts of one column by the IRIs of another."""
    found: dict[NamedNode, list[str]] = {}
    for row in rows:
        found.setdefault(node(row, key), []).append(row[value].value)
    return found


def node(row: Row, name: str) -> NamedNode:
    """The IRI in a column that always has one."""
    term = row[name]
    assert isinstance(term, NamedNode), f"{name} is {term}"
    return term


def optional_node(row: Row, name: str) -> NamedNode | None:
    """The IRI in a column, if there is one."""
    term = row.get(name)
    return term if isinstance(term, NamedNode) else None


def text(row: Row, name: str) -> str | None:
    """The text of a column, if there is one."""
    term = row.get(name)
    return None if term is None else term.value


def integer(row: Row, name: str) -> int | None:
    """The whole number in a column, if there is one."""
    term = row.get(name)
    return None if term is None else int(term.value)


def number(row: Row, name: str) -> float | None:
    """The number in a column, if there is one."""
    term = row.get(name)
    return None if term is None else float(term.value)


def scalar(term: NamedNode | Literal) -> Scalar:
    """A literal as a Python value; an IRI as its text."""
    if isinstance(term, NamedNode):
        return term.value
    return _VALUES.get(local_name(term.datatype), str)(term.value)


def local_name(iri: NamedNode) -> str:
    """An IRI without its namespace: what comes after the last "#" or "/"."""
    return iri.value.replace("#", "/").rpartition("/")[2]


def short_id(iri: NamedNode) -> str:
    """The last digits of an artifact's UUID, which tell artifacts apart and can be typed.

    UUIDs of version 7 begin with the time, so that the first digits of neighbours are the same.
    """
    return iri.value[-_SHORT_DIGITS:]
