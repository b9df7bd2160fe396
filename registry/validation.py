"""Decides whether a record conforms: before it is stored, and again in an audit.

One function hides the engine. `pressmark.registry.shacl` serves the hot path, pySHACL is the
reference and the auditor (`pressmark.registry.reference`); a property test holds their findings
equal. An exception inside the validator is a refusal, never a pass.

Law, held by a property test on random histories: a record that was accepted one at a time leaves a
store that a full `audit` accepts, and a record that is refused would make the audit fail.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, TypeAlias

from pyoxigraph import Literal, NamedNode, Quad, Store

from pressmark.ontology import SHAPES_VERSION, shapes_versions
from pressmark.ontology.terms import PM
from pressmark.registry.errors import Violation
from pressmark.registry.ids import base_iri, is_ni_iri
from pressmark.registry.neighbourhood import (
    JOURNAL_GRAPH,
    GraphReader,
    Statement,
    StoreReader,
    name_of,
    neighbours,
)
from pressmark.registry.record import Record, Terms
from pressmark.registry.structure import (
    Graphs,
    by_graph,
    check_bundle,
    check_bytes,
    check_description,
    check_graph_names,
    check_statements,
    check_structure,
)

__all__ = ["GraphReader", "StoreReader", "Validator", "Violation", "audit"]

Data: TypeAlias = Sequence[Quad | Terms]
Engine: TypeAlias = Callable[[Data, Collection[NamedNode], str], Iterable[Violation]]
"""Judges nodes: the data, the nodes to judge, the version of the shapes."""


def _compiled(quads: Data, focus: Collection[NamedNode], version: str) -> Iterable[Violation]:
    from pressmark.registry.shacl_compiler import compiled_shapes

    return compiled_shapes(version).check(quads, focus)


def _pyshacl(quads: Data, focus: Collection[NamedNode], version: str) -> Iterable[Violation]:
    from pressmark.registry.reference import reference_shapes

    data = Store()
    data.bulk_extend(Quad(*terms) for terms in quads)
    return reference_shapes(version).check(data, focus)


ENGINES: Final[dict[str, Engine]] = {"compiled": _compiled, "pyshacl": _pyshacl}
"""The engines by name. They give the same findings."""


def _engine(name: str) -> Engine:
    if name not in ENGINES:
        raise ValueError(f"no SHACL engine named {name!r}; there are: {', '.join(ENGINES)}")
    return ENGINES[name]


_MOST_SEEN: Final = 1000


class Validator:
    """Judges records.

    Args:
        engine: "compiled" (the default) or "pyshacl", the reference.
        shapes_version: The version of the shapes to judge by; by default the one that each record
            declares, so that history is judged as it was when it was made.
    """

    def __init__(self, engine: str | None = None, shapes_version: str | None = None) -> None:
        self._engine = _engine(engine or "compiled")
        self._version = shapes_version
        self._seen: dict[tuple[NamedNode, str], list[Statement]] = {}

    def validate(self, record: Record, graph: GraphReader | Store) -> tuple[Violation, ...]:
        """Judge one record against the store that it would be added to.

        Args:
            record: The record.
            graph: The store without it.

        Returns:
            Everything that is wrong, sorted; empty where the record conforms.
        """
        reader = StoreReader(graph) if isinstance(graph, Store) else graph
        try:
            return tuple(sorted(set(self._violations(record, reader))))
        except Exception as error:
            return (_failure(record.bundle, error),)

    def _violations(self, record: Record, graph: GraphReader) -> list[Violation]:
        graphs = by_graph(record.terms)
        version = self._version or _declared_version(record.bundle, graphs)
        fresh = self._unseen(graphs, version)
        structural = list(check_bytes(record))
        structural += check_structure(record.bundle, fresh, graph, version)
        if structural:
            return structural
        around = neighbours(chain.from_iterable(graphs.values()), graph)
        found = list(self._engine([*record.terms, *around], _subjects(fresh), version))
        if not found:
            self._remember(fresh, version)
        return found

    def _unseen(self, graphs: Graphs, version: str) -> Graphs:
        """Leave out the shared descriptions that were found good.

        Whether one is good depends on nothing but its own statements, and the same environment,
        engine and agent come with every record.
        """
        return {
            name: content
            for name, content in graphs.items()
            if self._seen.get((name, version)) != content
        }

    def _remember(self, graphs: Graphs, version: str) -> None:
        if len(self._seen) > _MOST_SEEN:
            self._seen.clear()
        for name, content in graphs.items():
            if is_ni_iri(name):
                self._seen[name, version] = content


def audit(
    store: Store, engine: str = "pyshacl", shapes_version: str | None = None
) -> tuple[Violation, ...]:
    """Validate a whole store at once, without trusting anything that was validated before.

    Args:
        store: The store; what the journal adds to it is left out.
        engine: "pyshacl", the reference, or "compiled".
        shapes_version: The version of the shapes to judge by; by default each bundle is judged by
            the one that it declares, and a description by those of the bundles that name it.

    Returns:
        Everything that is wrong, sorted; empty where the store conforms.
    """
    quads = [quad for quad in store if quad.graph_name != JOURNAL_GRAPH]
    graphs = by_graph(quads)
    parts = {shapes_version: graphs} if shapes_version else _by_version(graphs)
    found = [*check_graph_names(quads), *_check_closed_subjects(graphs)]
    for version, content in parts.items():
        found += _check_all_graphs(content, version)
    for version, content in parts.items() if not found else ():
        found += _engine(engine)(quads, _subjects(content), version)
    return tuple(sorted(set(found)))


def _declared_version(bundle: NamedNode, graphs: Graphs) -> str:
    """Give the version that a bundle declares; what is unknown, `check_bundle` finds."""
    for subject, predicate, value in graphs.get(bundle, ()):
        if subject == bundle and predicate == PM.shapesVersion and isinstance(value, Literal):
            return value.value if value.value in shapes_versions() else SHAPES_VERSION
    return SHAPES_VERSION


def _by_version(graphs: Graphs) -> dict[str, Graphs]:
    """Sort graphs by the version that judges them; a description may be judged by several."""
    parts: defaultdict[str, dict[NamedNode, list[Statement]]] = defaultdict(dict)
    rest = set(graphs)
    for bundle in (name for name in graphs if not is_ni_iri(name)):
        part = parts[_declared_version(bundle, graphs)]
        named = {base_iri(value) for _, _, value in graphs[bundle] if isinstance(value, NamedNode)}
        for name in {bundle, *filter(is_ni_iri, named)} & graphs.keys():
            part[name] = graphs[name]
        rest -= part.keys()
    parts[SHAPES_VERSION].update((name, graphs[name]) for name in rest)
    return dict(parts)


def _check_all_graphs(graphs: Graphs, version: str) -> Iterator[Violation]:
    for name, content in graphs.items():
        yield from check_statements(content, version)
        check = check_bundle if name.value.startswith("urn:uuid:") else check_description
        yield from check(name, content, version)


def _check_closed_subjects(graphs: Graphs) -> Iterator[Violation]:
    home: dict[object, NamedNode] = {}
    for name, content in graphs.items():
        for subject in {subject for subject, _, _ in content}:
            if home.setdefault(subject, name) != name:
                message = f"The graphs {home[subject].value} and {name.value} both speak of it."
                yield Violation(name_of(subject), "", "closedSubjects", message)


def _subjects(graphs: Graphs) -> list[NamedNode]:
    subjects = {subject for content in graphs.values() for subject, _, _ in content}
    return [node for node in subjects if isinstance(node, NamedNode)]


def _failure(bundle: NamedNode, error: Exception) -> Violation:
    return Violation(
        bundle.value,
        "",
        "validationFails",
        f"The validator failed, so the record is refused: {type(error).__name__}: {error}",
    )
