"""Laws of validation, on random histories in which some records are spoilt at random.

- Incremental = full: a record is accepted exactly if the store with it in it passes a full audit.
- The compiled engine and pySHACL find the same.
- A record that changes nothing which a judgement has read does not change the judgement.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyoxigraph import Literal, Store, Triple

from pressmark.ontology.terms import PM, PROV, XSD
from pressmark.registry.group_commit import Reads
from pressmark.registry.ids import format_time
from pressmark.registry.neighbourhood import StoreReader
from pressmark.registry.record import Record
from pressmark.registry.validation import Validator, audit

SLOW = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
PREDICATES = (
    PROV.used,
    PROV.invalidated,
    PROV.wasDerivedFrom,
    PROV.wasGeneratedBy,
    PROV.entity,
    PM.closes,
    PM.isStepOf,
    PM.continues,
    PM.aboutDerivation,
    PM.assigns,
)


def extend(history, draw: Callable) -> Record:
    """Make one more good record, about things that the history has."""
    runs, closed, artifacts = history.runs, history.closed, history.artifacts
    run = draw(st.sampled_from(runs))
    artifact = draw(st.sampled_from(artifacts)) if artifacts else None
    choices = ["import", "run", "close"]
    if artifact:
        choices += [
            "prune",
            "fail",
            "evaluate",
            "register",
            "check",
            "promote",
            "tag",
            "report",
            "retire",
        ]
    match draw(st.sampled_from(choices)):
        case "run":
            runs.append(history.run(continues=run))
        case "close":
            history.close(run)
            closed.append(run)
        case "import":
            artifacts.append(history.imported(run))
        case "prune":
            artifacts.append(history.step(run, "prune/wanda", artifact))
        case "fail":
            history.fail(run, artifact)
        case "evaluate":
            history.evaluate(run, artifact, draw(st.sampled_from(artifacts)))
        case "register":
            artifacts.append(history.register(artifact, external="elsewhere"))
        case "check":
            history.check(artifact, edge=draw(st.sampled_from(["derivation-0", "generation"])))
        case "promote":
            history.promote(artifact)
        case "report":
            history.report(artifact)
        case "tag":
            history.tag(artifact, removed=draw(st.booleans()))
        case "retire":
            history.retire(artifact)
    return history.records[-1]


def start(new_history):
    history = new_history()
    history.runs, history.closed, history.artifacts = [history.run()], [], []
    return history


def spoil(record: Record, history, rebuild: Callable, draw: Callable) -> Record:
    """Change one or two statements of a record."""
    triples = [quad.triple for quad in record.quads()]
    for _ in range(draw(st.integers(1, 2))):
        triples = change(triples, history, draw)
    return rebuild(record.bundle, triples)


def change(triples: Sequence[Triple], history, draw: Callable) -> list[Triple]:
    index = draw(st.integers(0, len(triples) - 1))
    subject, predicate, value = triples[index]
    nodes = [t.subject for t in triples] + history.artifacts + history.runs
    match draw(
        st.sampled_from(["drop", "value", "predicate", "subject", "time", "add", "literal"])
    ):
        case "drop":
            new = []
        case "value":
            new = [Triple(subject, predicate, draw(st.sampled_from(nodes)))]
        case "predicate":
            other = draw(st.sampled_from([t.predicate for t in triples] + list(PREDICATES)))
            new = [Triple(subject, other, value)]
        case "subject":
            new = [Triple(draw(st.sampled_from(nodes)), predicate, value)]
        case "time":
            return [shift(t, draw) if t is triples[index] else t for t in triples]
        case "add":
            added = Triple(subject, draw(st.sampled_from(PREDICATES)), draw(st.sampled_from(nodes)))
            new = [triples[index], added]
        case "literal":
            new = [Triple(subject, predicate, draw(st.sampled_from(LITERALS)))]
    return [*triples[:index], *new, *triples[index + 1 :]]


LITERALS = (
    Literal(""),
    Literal("x"),
    Literal(-1),
    Literal(0),
    Literal(1.5),
    Literal(True),
    Literal("2026-01-01T00:00:05Z", datatype=XSD.dateTime),
    Literal("NaN", datatype=XSD.double),
    Literal("0" * 64),
)


def shift(triple: Triple, draw: Callable) -> Triple:
    """Move a time by up to a minute; leave anything else."""
    value = triple.object
    if not isinstance(value, Literal) or value.datatype != XSD.dateTime:
        return triple
    moved = datetime.fromisoformat(value.value) + timedelta(seconds=draw(st.integers(-60, 60)))
    return Triple(
        triple.subject, triple.predicate, Literal(format_time(moved), datatype=XSD.dateTime)
    )


@SLOW
@given(data=st.data())
def test_incremental_validation_is_full_validation(new_history, rebuild, data) -> None:
    history, store, validator = start(new_history), Store(), Validator()
    store.extend(history.records[0].quads())
    for _ in range(data.draw(st.integers(1, 10))):
        record = extend(history, data.draw)
        if data.draw(st.booleans()):
            record = spoil(record, history, rebuild, data.draw)
        accepted = not validator.validate(record, store)
        after = Store()
        after.extend(store)
        after.extend(record.quads())
        assert accepted == (not audit(after, "compiled"))
        if accepted:
            store = after


@SLOW
@given(data=st.data())
def test_a_verdict_stands_if_nothing_that_it_read_was_changed(new_history, rebuild, data) -> None:
    history, validator = start(new_history), Validator()
    for _ in range(data.draw(st.integers(0, 8))):
        extend(history, data.draw)
    before = history.store()
    other, record = extend(history, data.draw), extend(history, data.draw)
    if data.draw(st.booleans()):
        record = spoil(record, history, rebuild, data.draw)
    reads, after = Reads(StoreReader(before)), Store()
    found = validator.validate(record, reads)
    after.extend([*before, *other.quads()])
    assert reads.could_see(other) or found == validator.validate(record, after)


def test_what_a_verdict_read_is_noted(new_history) -> None:
    history = start(new_history)
    first, second = (history.imported(history.runs[0]) for _ in range(2))
    store = history.store()
    history.retire(first)
    retirement = history.records[-1]
    for artifact, sees in (first, True), (second, False):
        history.step(history.runs[0], "prune/wanda", artifact)
        reads = Reads(StoreReader(store))
        assert not Validator().validate(history.records[-1], reads)
        assert reads.could_see(retirement) == sees


@SLOW
@given(data=st.data())
def test_both_engines_find_the_same(new_history, rebuild, data) -> None:
    history, store = start(new_history), Store()
    compiled, reference = Validator("compiled"), Validator("pyshacl")
    store.extend(history.records[0].quads())
    for _ in range(data.draw(st.integers(1, 6))):
        record = extend(history, data.draw)
        if data.draw(st.booleans()):
            record = spoil(record, history, rebuild, data.draw)
        found = compiled.validate(record, store)
        assert where(found) == where(reference.validate(record, store))
        if not found:
            store.extend(record.quads())
    assert audit(store, "pyshacl") == ()


def where(violations) -> set[tuple[str, str]]:
    return {(violation.focus, violation.shape) for violation in violations}
