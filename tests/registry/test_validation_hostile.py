"""Each shape is broken by a record that breaks just it.

``tests/hostile/records`` holds one SPARQL update for each defect, named after it. Its first two
lines tell which good record it spoils, and which shapes that must break, and no others.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from pyoxigraph import Literal, NamedNode, Quad, RdfFormat, Store, Triple

from pressmark.ontology import shapes
from pressmark.ontology.terms import PM, PREFIXES, PROV, RDF, SH
from pressmark.registry import descriptions
from pressmark.registry.errors import RecordRefusedError
from pressmark.registry.fsck import fsck
from pressmark.registry.record import Record
from pressmark.registry.registry import Registry
from pressmark.registry.shacl_compiler import compiled_shapes
from pressmark.registry.validation import Validator

Rebuild: TypeAlias = Callable[[NamedNode, list[Triple]], Record]

FOLDER = Path(__file__).parents[1] / "hostile" / "records"
FILES = sorted(FOLDER.glob("*.ru"))
PROLOGUE = "".join(f"PREFIX {name}: <{base}>\n" for name, base in PREFIXES.items())
BREAK_TOGETHER = {
    # The short and the qualified form say the same, so what spoils one disagrees with the other.
    "associatedWith",
    "used",
    "derivedFrom",
    "derivationEntity",
    "generatedBy",
    "generatedAt",
    "generationActivity",
    "generationAgrees",
    "generationTime",
    # What is made or derived from is judged by its types as well.
    "externalTypes",
    "policyTypes",
}


class World:
    """A store with a past, and one good record of each kind that could come next."""

    def __init__(self, history) -> None:
        self.history = history
        run = history.run()
        base = history.imported(run)
        pruned = history.step(run, "prune/wanda", base)
        other = history.step(run, "quantize/rtn", base)
        retired = history.imported(run)
        history.close(run)
        history.retire(retired)
        other_run, self.open_run = history.run(), history.run()
        later = history.step(self.open_run, "prune/wanda", base)
        other_recipe = descriptions.recipe("another", "9" * 64, ["x", "prune/wanda"])
        self.past = {record.digest for record in history.records}
        self.store = history.store()
        self.store.extend(other_recipe.quads)
        (step,) = self._objects(base, PROV.wasGeneratedBy)
        (made,) = self._objects(base, PROV.generatedAtTime)
        self.known = {
            "<known:base": base,
            "<known:pruned": pruned,
            "<known:other-recipe": other_recipe.iri,
            "<known:recipe": history.recipe.iri,
            "<known:other-run": other_run,
            "<known:other": other,
            "<known:retired": retired,
            "<known:closed-run": run,
            "<known:old-step": step,
            "<known:later": later,
        }
        (opened,) = self._objects(self.open_run, PROV.startedAtTime)
        self.times = {"<time:base-made>": made.value, "<time:run-opened>": opened.value}
        self.base, self.later, self.run = base, later, run

    def _objects(self, subject: NamedNode, predicate: NamedNode) -> list[NamedNode]:
        return [quad.object for quad in self.store.quads_for_pattern(subject, predicate, None)]

    def record(self, kind: str) -> Record:
        """Make a good record."""
        history, run, base = self.history, self.open_run, self.base
        make = {
            "run": lambda: history.run(),
            "continued-run": lambda: history.run(continues=self.run),
            "closing": lambda: history.close(run),
            "import": lambda: history.imported(run),
            "prune": lambda: history.step(run, "prune/wanda", base),
            "failed-step": lambda: history.fail(run, base),
            "evaluation": lambda: history.evaluate(run, base, compared_with=base),
            "registration": lambda: history.register(base, external="elsewhere"),
            "check": lambda: history.check(self.later),
            "generation-check": lambda: history.check(base, edge="generation"),
            "promotion": lambda: history.promote(base),
            "tagging": lambda: history.tag(base),
            "reporting": lambda: history.report(base),
            "retirement": lambda: history.retire(self.later),
            "file": lambda: history.register(base),
            "policy": lambda: history.policy(run, base),
        }
        make[kind]()
        return history.records[-1]


def spoil(record: Record, update: str, rebuild: Rebuild) -> Record:
    """Apply an update to a record whose statements stand in no graph meanwhile."""
    store = Store()
    store.extend(Quad(q.subject, q.predicate, q.object) for q in record.quads())
    store.update(PROLOGUE + update)
    return rebuild(record.bundle, [quad.triple for quad in store])


def read(path: Path, world: World, rebuild: Rebuild) -> tuple[Record, set[str]]:
    text = path.read_text(encoding="utf-8")
    kind, shape = re.match(r"# record: (.*)\n# breaks: (.*)\n", text).groups()
    for name, iri in world.known.items():
        text = re.sub(re.escape(name) + r"(?=[#>])", "<" + iri.value, text)
    for name, time in world.times.items():
        text = text.replace(name, time)
    return spoil(world.record(kind), text, rebuild), set(shape.split())


def all_constraints() -> set[str]:
    """List the names of all property shapes, rules and closed node shapes."""
    store = Store()
    store.load(shapes(), format=RdfFormat.TURTLE)
    found = (
        store.quads_for_pattern(None, RDF.type, SH.PropertyShape),
        store.quads_for_pattern(None, RDF.type, SH.SPARQLConstraint),
        store.quads_for_pattern(None, SH.closed, None),
    )
    return {quad.subject.value.rpartition("#")[2] for quads in found for quad in quads}


def broken_by_files() -> list[set[str]]:
    lines = (path.read_text(encoding="utf-8").splitlines()[1] for path in FILES)
    return [set(line.removeprefix("# breaks: ").split()) for line in lines]


@pytest.fixture(scope="module")
def world(new_history) -> World:
    return World(new_history())


@pytest.mark.parametrize("engine", ["compiled", "pyshacl"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_hostile_record_breaks_just_its_shapes(world, rebuild, path: Path, engine: str) -> None:
    record, expected = read(path, world, rebuild)
    violations = Validator(engine).validate(record, world.store)
    assert {violation.shape for violation in violations} == expected
    assert all(violation.message and violation.focus for violation in violations)


@pytest.mark.parametrize(
    "kind",
    sorted({path.read_text(encoding="utf-8").splitlines()[0][10:] for path in FILES}),
)
def test_the_records_that_are_spoilt_are_good(world, rebuild, kind: str) -> None:
    record = world.record(kind)
    assert Validator().validate(record, world.store) == ()
    assert spoil(record, "INSERT DATA { }", rebuild) == Record(record.bundle, record.nquads)


GOOD = (
    *("run", "continued-run", "closing", "import", "prune", "failed-step", "evaluation", "policy"),
    *(
        "registration",
        "check",
        "generation-check",
        "promotion",
        "tagging",
        "reporting",
        "retirement",
        "file",
    ),
)


@pytest.mark.parametrize("engine", ["compiled", "pyshacl"])
@pytest.mark.parametrize("kind", GOOD)
def test_no_type_can_be_left_out_or_misspelt(world, rebuild, kind: str, engine: str) -> None:
    record, validator = world.record(kind), Validator(engine)
    assert validator.validate(record, world.store) == ()
    triples = [quad.triple for quad in record.quads()]
    for place, (subject, predicate, value) in enumerate(triples):
        if predicate == RDF.type:
            misspelt = Triple(subject, predicate, NamedNode(value.value + "s"))
            for instead in ([], [misspelt]):
                spoilt = [*triples[:place], *instead, *triples[place + 1 :]]
                refused = validator.validate(rebuild(record.bundle, spoilt), world.store)
                assert refused, (subject, value, instead)


@pytest.mark.parametrize("engine", ["compiled", "pyshacl"])
@pytest.mark.parametrize("kind", GOOD)
def test_nothing_unknown_can_be_said_of_any_node(world, rebuild, kind: str, engine: str) -> None:
    record, validator = world.record(kind), Validator(engine)
    triples = [quad.triple for quad in record.quads()]
    unknown = NamedNode(PM.NAMESPACE + "anythingAtAll")
    for node in {triple.subject for triple in triples}:
        spoilt = rebuild(record.bundle, [*triples, Triple(node, unknown, Literal("x"))])
        assert validator.validate(spoilt, world.store), node


@pytest.mark.parametrize("engine", ["compiled", "pyshacl"])
@pytest.mark.parametrize("kind", ["import", "prune", "failed-step", "evaluation", "policy"])
def test_a_step_of_which_nothing_is_told_is_refused(world, rebuild, kind: str, engine: str) -> None:
    """Without pm:Step, and without times, outcome, agent, environment, run and name."""
    gutted = """DELETE { ?step ?said ?value } WHERE { ?step a pm:Step ; ?said ?value .
        FILTER(?value = pm:Step || ?said IN (prov:startedAtTime, prov:endedAtTime,
            pm:outcome, pm:inEnvironment, pm:isStepOf, pm:stepName)) }"""
    record = spoil(world.record(kind), gutted, rebuild)
    broken = {found.shape for found in Validator(engine).validate(record, world.store)}
    assert {
        "stepTypes",
        "started",
        "ended",
        "outcome",
        "environment",
        "isStepOf",
        "stepName",
    } <= broken


def test_a_kind_that_no_closed_shape_is_for_is_unknown(world, monkeypatch) -> None:
    """An open shape asks something of a node, but does not say all that may be said of it."""
    text = shapes() + "\n:Open a sh:NodeShape ; sh:targetClass pm:Unheard ; sh:property :label .\n"
    monkeypatch.setattr("pressmark.registry.shacl_compiler.shapes", lambda _version: text)
    known = compiled_shapes.__wrapped__("open").kinds
    assert PM.Prune in known
    assert NamedNode(PM.NAMESPACE + "Unheard") not in known


@pytest.fixture(scope="module")
def stored(world, tmp_path_factory) -> Iterator[Registry]:
    """The world's past in a real registry; the files that it names have no bytes."""
    past = [*world.history.records]
    with Registry.create(tmp_path_factory.mktemp("hostile") / "registry") as registry:
        with registry.writing():
            for record in past:
                if record.digest in world.past:
                    world.history.commit(registry, record)
        yield registry


def test_a_refused_record_leaves_nothing_behind(world, stored, rebuild) -> None:
    """Two generations of one artifact, a cycle of derivations, and whatever else is wrong."""
    before = contents(stored)
    for path in FILES:
        record, expected = read(path, world, rebuild)
        with pytest.raises(RecordRefusedError) as refused:
            stored.commit(record)
        assert expected <= {violation.shape for violation in refused.value.violations}, path.stem
        assert all(str(violation) in str(refused.value) for violation in refused.value.violations)
        assert (stored.root / "journal").read_bytes() == before[0], path.stem
    assert contents(stored) == before


def contents(registry: Registry) -> tuple[object, ...]:
    """All bytes and statements of a registry, and what is wrong with them."""
    graph = registry.graph()
    quads = {quad for name in graph.graphs() for quad in graph.quads(name)}
    journal = (registry.root / "journal").read_bytes()
    return journal, set(registry.blobs.digests()), quads, fsck(registry)


def test_no_constraint_is_without_a_record_that_breaks_it() -> None:
    assert all_constraints() - set().union(*broken_by_files()) == set()


def test_no_constraint_is_without_a_record_that_breaks_just_it() -> None:
    alone = set().union(*(shapes for shapes in broken_by_files() if len(shapes) == 1))
    assert all_constraints() - alone == BREAK_TOGETHER
