"""The two engines, and what surrounds them: refusals, threads, audits of damaged stores."""

import threading

import pyshacl
import pytest
import rdflib
from pyoxigraph import Literal, NamedNode, Quad, Store

from pressmark.ontology import SHAPES_VERSION, shapes
from pressmark.ontology.terms import DCAT, PM, PROV, RDF, RDFS, XSD
from pressmark.registry.descriptions import description_digest
from pressmark.registry.errors import RecordRefusedError, Violation
from pressmark.registry.ids import ni_iri
from pressmark.registry.neighbourhood import JOURNAL_GRAPH
from pressmark.registry.record import Record, canonical_nquads
from pressmark.registry.reference import reference_shapes
from pressmark.registry.shacl_compiler import compiled_shapes
from pressmark.registry.validation import Validator, audit


@pytest.fixture
def chain(history):
    """A run with an import and a pruning, and the records as they came."""
    run = history.run()
    history.base = history.imported(run)
    history.pruned = history.step(run, "prune/wanda", history.base)
    return history


def plain(store: Store) -> set[tuple[str, str]]:
    """Ask pySHACL as its manual says, and give focus and shape of each finding."""
    graph = rdflib.Graph().parse(data=shapes(), format="turtle")
    _, report, _ = pyshacl.validate(store, shacl_graph=graph)
    found = set()
    for result in report.subjects(rdflib.RDF.type, rdflib.SH.ValidationResult):
        rule = report.value(result, rdflib.SH.sourceConstraint)
        shape = rule or report.value(result, rdflib.SH.sourceShape)
        focus = report.value(result, rdflib.SH.focusNode)
        found.add((str(focus), str(shape).rpartition("#")[2]))
    return found


SPOILS = [
    lambda q: q.predicate == PROV.endedAtTime,
    lambda q: q.predicate == PM.sha256,
    lambda q: q.predicate == PROV.used,
    lambda q: q.predicate == PM.hasContent,
    lambda q: q.predicate == PROV.wasDerivedFrom,
    lambda q: q.predicate == PM.parameterName,
    lambda q: q.predicate == PM.outcome,
    lambda q: q.object == PROV.Entity,
]


@pytest.mark.parametrize("spoil", SPOILS)
def test_our_use_of_pyshacl_finds_what_plain_pyshacl_finds(chain, spoil) -> None:
    store = Store()
    store.extend(quad for quad in chain.store() if not spoil(quad))
    focus = {quad.subject for quad in store}
    expected = plain(store)
    assert expected
    found = reference_shapes(SHAPES_VERSION).check(store, focus)
    assert {(violation.focus, violation.shape) for violation in found} == expected
    found = compiled_shapes(SHAPES_VERSION).check(list(store), focus)
    assert {(violation.focus, violation.shape) for violation in found} == expected


@pytest.mark.parametrize("engine", ["compiled", "pyshacl"])
def test_an_exception_inside_the_validator_is_a_refusal(chain, engine: str) -> None:
    class BrokenGraph:
        def match(self, *_: object, **__: object) -> object:
            raise OSError("the disk is gone")

    (violation,) = Validator(engine).validate(chain.records[1], BrokenGraph())
    assert violation.shape == "validationFails"
    assert "the disk is gone" in violation.message


def test_bytes_that_are_no_rdf_are_refused() -> None:
    record = Record(NamedNode("urn:uuid:b"), b"this is not RDF")
    (violation,) = Validator().validate(record, Store())
    assert violation.shape == "validationFails"


def test_an_empty_record_is_refused() -> None:
    violations = Validator().validate(Record(NamedNode("urn:uuid:b"), b""), Store())
    assert {violation.shape for violation in violations} == {"namesItself"}


@pytest.mark.parametrize(
    ("change", "shape"),
    [
        (lambda text: b"".join(reversed(text.splitlines(keepends=True))), "isCanonical"),
        (lambda text: text + text.splitlines(keepends=True)[0], "isCanonical"),
        (lambda text: text.replace(b"> .\n", b"> . \n", 1), "isCanonical"),
        (lambda text: text.rstrip(b"\n"), "isCanonical"),
        (lambda text: text.replace(b'"1.5"^^', b'"1.50"^^'), "isCanonical"),
        (lambda text: text.replace(b"dateTime>", b"dateTimeStamp>"), "isCanonical"),
    ],
)
def test_bytes_that_are_not_canonical_are_refused(chain, change, shape: str) -> None:
    good, store = chain.records[1], chain.records[0]
    data = Store()
    data.extend(store.quads())
    record = Record(good.bundle, change(good.nquads))
    assert record.nquads != good.nquads
    assert shape in {violation.shape for violation in Validator().validate(record, data)}


def test_a_statement_in_no_graph_is_refused(chain) -> None:
    good = chain.records[0]
    quads = [*good.quads(), Quad(NamedNode("urn:uuid:x"), RDF.type, PM.Model)]
    record = Record(good.bundle, canonical_nquads(quads))
    shapes_ = {violation.shape for violation in Validator().validate(record, Store())}
    assert "inANamedGraph" in shapes_


def test_a_blank_node_is_refused(chain) -> None:
    good = chain.records[0]
    line = f'_:b <{PM.seed.value}> "0" <{good.bundle.value}> .\n'
    record = Record(good.bundle, good.nquads + line.encode())
    shapes_ = {violation.shape for violation in Validator().validate(record, Store())}
    assert "noBlankNodes" in shapes_


def test_a_second_bundle_in_one_record_is_refused(chain) -> None:
    one, two = chain.records[:2]
    record = Record(one.bundle, canonical_nquads([*one.quads(), *two.quads()]))
    shapes_ = {violation.shape for violation in Validator().validate(record, Store())}
    assert "oneBundle" in shapes_


def test_a_changed_description_is_refused(chain) -> None:
    good = chain.records[0]
    record = Record(good.bundle, good.nquads.replace(b'"Example CPU"', b'"Another CPU"'))
    (violation,) = Validator().validate(record, Store())
    assert violation.shape == "namedByItsDigest"
    assert "were changed" in violation.message


def test_a_description_speaks_of_itself_alone(chain) -> None:
    """Also where its name is the digest of all that it says, and the stranger is well described."""
    good = chain.records[0]
    own = chain.circumstances.environment.iri
    stranger = NamedNode("urn:uuid:00000000-0000-7000-8000-00000000ffff")
    said = [(RDF.type, PM.Model), (RDF.type, PROV.Entity), (RDFS.label, Literal("a stranger"))]
    quads = [*good.quads(), *(Quad(stranger, *one, own) for one in said)]
    new = ni_iri(description_digest((q.triple for q in quads if q.graph_name == own), own))
    renamed = (Quad(*(new if term == own else term for term in quad)) for quad in quads)
    record = Record(good.bundle, canonical_nquads(renamed))
    (violation,) = Validator().validate(record, Store())
    assert (violation.focus, violation.shape) == (stranger.value, "describesItself")


def test_a_record_is_refused_when_it_is_in_the_store_already(chain) -> None:
    (violation,) = Validator().validate(chain.records[1], chain.store())
    assert violation.shape == "isNew"


@pytest.mark.parametrize("engine", ["compiled", "pyshacl"])
def test_a_model_that_is_used_and_then_retired_earlier_is_found_by_an_audit(
    chain, engine: str
) -> None:
    chain.retire(chain.base)
    assert audit(chain.store(), engine) == ()
    (run,) = {q.subject for q in chain.records[0].quads() if q.object == PM.Run}
    chain.step(run, "prune/wanda", chain.base)
    shapes_ = {violation.shape for violation in audit(chain.store(), engine)}
    assert shapes_ == {"usesWhatIsNotRetired", "retiresAfterItsUses"}


@pytest.mark.parametrize("wrong", [Literal("x"), Literal(True), Literal(1.5), Literal(-1)])
@pytest.mark.parametrize("said", [PM.fileCount, DCAT.byteSize])
def test_engines_agree_on_sums_of_what_is_no_number(chain, said, wrong: Literal) -> None:
    store = chain.store()
    (content,) = (
        quad.object for quad in store.quads_for_pattern(chain.pruned, PM.hasContent, None)
    )
    (quad,) = store.quads_for_pattern(content, said, None)
    store.remove(quad)
    store.add(Quad(content, said, wrong, quad.graph_name))
    found = {v.shape for v in compiled_shapes(SHAPES_VERSION).check(list(store), [content])}
    assert found == {v.shape for v in reference_shapes(SHAPES_VERSION).check(store, [content])}
    assert "contentsAddUp" in found


def test_an_audit_names_a_changed_triple(chain) -> None:
    store = chain.store()
    (quad,) = store.quads_for_pattern(chain.pruned, PM.parameterCount, None)
    store.remove(quad)
    wrong = Literal("many")
    store.add(Quad(quad.subject, quad.predicate, wrong, quad.graph_name))
    found = {violation.path: violation for violation in audit(store)}
    assert found.keys() == {PM.parameterCount.value, PM.nonzeroParameterCount.value}
    violation = found[PM.parameterCount.value]
    assert violation.focus == chain.pruned.value
    assert "many" in violation.value
    assert "many" in str(violation)


def test_an_audit_sees_a_subject_in_two_graphs(chain) -> None:
    store = chain.store()
    label = Quad(chain.base, RDF.type, PROV.Entity, chain.records[2].bundle)
    store.add(label)
    assert "closedSubjects" in {violation.shape for violation in audit(store)}


def test_what_the_journal_adds_is_no_part_of_any_record(chain) -> None:
    store = chain.store()
    bundle = chain.records[0].bundle
    store.add(Quad(bundle, PM.sequence, Literal(1), JOURNAL_GRAPH))
    assert audit(store) == ()
    chain.check(chain.pruned)
    assert Validator().validate(chain.records[-1], store) == ()


def test_a_record_may_not_claim_its_own_place_in_the_journal(chain) -> None:
    good = chain.records[0]
    claim = Quad(good.bundle, PM.sequence, Literal(1), good.bundle)
    record = Record(good.bundle, canonical_nquads([*good.quads(), claim]))
    (violation,) = Validator().validate(record, Store())
    assert (violation.shape, violation.path) == ("Record", PM.sequence.value)


@pytest.mark.parametrize("engine", ["compiled", "pyshacl"])
def test_threads_share_nothing_that_changes(new_history, engine: str) -> None:
    validator, found, gate = Validator(engine), [], threading.Barrier(4)

    def work(seed: int) -> None:
        history = new_history(seed)
        run = history.run()
        history.imported(run)
        gate.wait()
        for record in history.records:
            found.append((seed, validator.validate(record, store_before(history, record))))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [violations for _, violations in found] == [()] * 8


def store_before(history, record: Record) -> Store:
    store = Store()
    for earlier in history.records[: history.records.index(record)]:
        store.extend(earlier.quads())
    return store


def test_an_unknown_construct_is_refused_when_shapes_are_compiled(monkeypatch) -> None:
    text = shapes() + "\n:Record sh:not :Run .\n"
    monkeypatch.setattr("pressmark.registry.shacl_compiler.shapes", lambda _version: text)
    with pytest.raises(ValueError, match=r"shacl#not.*does not know"):
        compiled_shapes.__wrapped__("test")


def test_a_refusal_tells_every_reason() -> None:
    one = Violation("urn:uuid:a", PM.seed.value, "runSeed", "A run has one seed.", '"x"')
    two = Violation("urn:uuid:b", "", "noBlankNodes", "Name every node.")
    error = RecordRefusedError([one, two], "Correct the record.")
    assert error.violations == (one, two)
    text = str(error)
    assert "2 reasons" in text
    assert f'urn:uuid:a {PM.seed.value}: A run has one seed. (found: "x") [runSeed]' in text
    assert text.endswith("Correct the record.")
    assert str(two) == "urn:uuid:b: Name every node. [noBlankNodes]"


@pytest.mark.parametrize("engine", ["compiled", "pyshacl"])
def test_times_are_compared_as_times_and_not_as_text(chain, engine: str) -> None:
    """As text "...:09.5Z" comes before "...:09Z"; as a time it is later."""
    good, store = chain.records[1], Store()
    (end,) = {q.object.value for q in good.quads() if q.predicate == PROV.endedAtTime}
    start = Literal(end.replace("Z", ".5Z"), datatype=XSD.dateTime)
    assert start.value < end
    quads = (
        Quad(q.subject, q.predicate, start, q.graph_name)
        if q.predicate == PROV.startedAtTime
        else q
        for q in good.quads()
    )
    store.extend(chain.records[0].quads())
    record = Record(good.bundle, canonical_nquads(quads))
    shapes_ = {violation.shape for violation in Validator(engine).validate(record, store)}
    assert shapes_ == {"startsBeforeItEnds", "generatedAfterTheStart"}


def test_an_engine_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match="compiled, pyshacl"):
        Validator("fastest")
