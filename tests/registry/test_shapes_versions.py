"""Each record is judged by the version of the shapes that it declares: all of it."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from pyoxigraph import Literal, NamedNode, Quad, Store

from pressmark import ontology
from pressmark.ontology.terms import PM
from pressmark.registry.record import Record, canonical_nquads
from pressmark.registry.validation import Validator, audit

NUMBERS = itertools.count()


@pytest.fixture
def add_version(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """Makes an old version of the shapes by changing a text in those of today."""

    def add(new: str, old: str) -> str:
        version = f"0.9.{next(NUMBERS)}"
        text, read = ontology.shapes(), ontology._read
        assert text.count(new) == 1
        known = {**ontology._SHAPE_FILES, version: version}
        monkeypatch.setattr(ontology, "_SHAPE_FILES", known)
        changed = text.replace(new, old)
        monkeypatch.setattr(ontology, "_read", lambda n: changed if n == version else read(n))
        return version

    return add


@pytest.fixture
def chain(history: Any) -> Any:
    """A run with an import and a check of it."""
    base = history.imported(history.run())
    history.check(base, edge="generation")
    return history


def declaring(record: Record, version: str, *others: tuple[object, object]) -> Record:
    """The record, as one of another version; other terms are replaced likewise."""
    terms = dict([(Literal(ontology.SHAPES_VERSION), Literal(version)), *others])
    quads = (
        Quad(q.subject, q.predicate, terms.get(q.object, q.object), q.graph_name)  # type: ignore[arg-type]
        if q.predicate in (PM.shapesVersion, PM.verdict)
        else q
        for q in record.quads()
    )
    return Record(record.bundle, canonical_nquads(quads))


def with_record(store: Store, record: Record) -> Store:
    result = Store()
    result.extend([*store, *record.quads()])
    return result


@pytest.mark.parametrize("engine", ["compiled", "pyshacl"])
@pytest.mark.parametrize(
    ("new", "old", "shape"),
    [
        ("    sh:targetClass pm:Evidence ;", "    sh:targetClass pm:Proof ;", "hasAKnownKind"),
        ("sh:path pm:detail ; sh:maxCount 1 ; sh:datatype xsd:string ;",
         "sh:path pm:detail ; sh:maxCount 1 ; sh:datatype xsd:dateTime ;", "tellsATime"),
        ("sh:path pm:claim ; sh:minCount 1 ; sh:datatype xsd:string ; sh:minLength 1 ;",
         "sh:path pm:claim ; sh:minCount 1 ; sh:class pm:Content ;", "linksToANode"),
        ("sh:path pm:claim ; sh:minCount 1 ;", "sh:path pm:claim ; sh:minCount 2 ;", "claim"),
    ],
)  # fmt: skip
def test_what_was_required_once_is_required_of_old_records(
    chain: Any, add_version: Any, new: str, old: str, shape: str, engine: str
) -> None:
    version = add_version(new, old)
    *past, last = chain.records
    store = Store()
    for record in past:
        store.extend(record.quads())
    assert Validator(engine).validate(last, store) == ()
    aged = declaring(last, version)
    assert {v.shape for v in Validator(engine).validate(aged, store)} == {shape}
    assert {v.shape for v in audit(with_record(store, aged), engine)} == {shape}
    assert audit(with_record(store, aged), engine, ontology.SHAPES_VERSION) == ()


@pytest.mark.parametrize("engine", ["compiled", "pyshacl"])
def test_what_was_allowed_once_is_allowed_in_old_records(
    chain: Any, add_version: Any, engine: str
) -> None:
    verdict = "sh:path pm:verdict ; sh:minCount 1 ; sh:maxCount 1 ;"
    allowed = "sh:in (pm:holds pm:refuted pm:inconclusive)"
    version = add_version(f"{verdict} {allowed}", f"{verdict} sh:nodeKind sh:IRI")
    *past, last = chain.records
    store = Store()
    for record in past:
        store.extend(record.quads())
    perhaps = (PM.holds, NamedNode(PM.NAMESPACE + "perhaps"))
    aged = declaring(last, version, perhaps)
    assert Validator(engine).validate(aged, store) == ()
    assert audit(with_record(store, aged), engine) == ()
    today = declaring(last, ontology.SHAPES_VERSION, perhaps)
    assert {v.shape for v in Validator(engine).validate(today, store)} == {"verdict"}
    assert {v.shape for v in audit(with_record(store, today), engine)} == {"verdict"}


def test_a_version_that_is_not_known_is_refused(chain: Any) -> None:
    *past, last = chain.records
    store = Store()
    for record in past:
        store.extend(record.quads())
    unknown = declaring(last, "99.0.0")
    for found in (Validator().validate(unknown, store), audit(with_record(store, unknown))):
        (violation,) = found
        assert violation.shape == "knownShapesVersion"
        assert "this release validates 1.0.0" in violation.message
