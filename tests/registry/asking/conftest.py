"""A small world with one of everything, and a reader that asks it without a registry around it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from pyoxigraph import Literal, NamedNode, Quad, Store

from pressmark import ontology
from pressmark.ontology.questions import Value, bind
from pressmark.ontology.terms import PM, PROV
from pressmark.registry import descriptions
from pressmark.registry.activities import (
    FinishedStep,
    Measurement,
    NewArtifact,
    NewEvaluation,
    Occurrence,
    Parameter,
    Usage,
    finish_step,
    registration,
)
from pressmark.registry.facts import scalar
from pressmark.registry.folders import entries, list_files
from pressmark.registry.graph import Row
from pressmark.registry.registry import Registry
from pressmark.registry.report.gather import gather
from pressmark.registry.report.model import Report

JOURNAL = NamedNode("urn:pressmark:journal")

#: How things are called that hang on named things; "^" where the named thing is the subject.
RELATED = {
    PM.evaluates: "evaluation of {}",
    PM.hasContent: "^content of {}",
    PROV.wasGeneratedBy: "^making {}",
    PROV.invalidated: "retiring {}",
    PM.reportsOn: "report on {}",
}


class MemoryReader:
    """Answers packaged queries from a history, in the order of whose records they are numbered."""

    def __init__(self, history: Any) -> None:
        self.store = Store()
        self.journal: list[NamedNode] = []
        for record in history.records:
            self.store.extend(record.quads())
            self.journal.append(record.bundle)
            number = Literal(len(self.journal))
            self.store.add(Quad(record.bundle, PM.sequence, number, JOURNAL))
            digest = Literal(record.digest)
            self.store.add(Quad(record.bundle, PM.bundleDigest, digest, JOURNAL))

    def rows(self, query_name: str, **parameters: Value) -> list[Row]:
        return self.ask(bind(ontology.query(query_name), **parameters))

    def ask(self, sparql: str) -> list[Row]:
        answer: Any = self.store.query(sparql, use_default_graph_as_union=True)
        names = [variable.value for variable in answer.variables]
        return [{n: row[n] for n in names if row[n] is not None} for row in answer]


@dataclass(frozen=True)
class World:
    """One of everything::

        base --prune--> pruned --quantize--> int8    checked, reproduced; prod, tagged "edge"
                          \\----quantize--> int4      refuted, retired
                             pruned + vendor (claimed) --registered--> elsewhere   inconclusive

    Two runs: the first closed, the second left open after a failed step.
    """

    history: Any
    reader: MemoryReader
    run: NamedNode
    open_run: NamedNode
    base: NamedNode
    pruned: NamedNode
    int8: NamedNode
    int4: NamedNode
    elsewhere: NamedNode
    failed: NamedNode

    @cached_property
    def names(self) -> dict[str, str]:
        """What the tests call things, by IRI: "int8", "making int8", "evaluation of int8", ..."""
        shown = ("run", "open_run", "base", "pruned", "int8", "int4", "elsewhere", "failed")
        names = {getattr(self, name).value: name for name in shown}
        own = self.history
        shared = {"engine": own.circumstances.engine, "agent": own.circumstances.agent}
        shared |= {"recipe": own.recipe, "dataset": own.dataset}
        names |= {description.iri.value: name for name, description in shared.items()}
        names |= {b.value: f"record {n}" for n, b in enumerate(self.reader.journal, start=1)}
        for predicate, pattern in RELATED.items():
            for quad in self.reader.store.quads_for_pattern(None, predicate, None):
                subject, thing = quad.subject.value, quad.object.value
                if pattern.startswith("^") and subject in names:
                    names[thing] = pattern[1:].format(names[subject])
                elif not pattern.startswith("^") and thing in names:
                    names[subject] = pattern.format(names[thing])
        for quad in self.reader.store.quads_for_pattern(None, PM.records, None):
            kept = names[quad.subject.value].removeprefix("record ")
            for made in self.reader.store.quads_for_pattern(None, PROV.wasGeneratedBy, quad.object):
                names.setdefault(made.subject.value, f"evidence {kept}")
        return {k: v.replace("making evaluation of", "evaluating") for k, v in names.items()}

    def name(self, iri: object) -> str:
        """The name of a thing, or its text."""
        text = str(getattr(iri, "value", iri))
        thing, _, part = text.partition("#")
        if text in self.names:
            return self.names[text]
        if part and thing in self.names:
            return f"{self.names[thing]}#{part}"
        return text if text.startswith("urn:") else text.replace("#", "/").rpartition("/")[2]

    def value(self, term: Any) -> Any:
        """A term as tests write it: a name for an IRI, a Python value for a literal."""
        if isinstance(term, NamedNode):
            return self.name(term)
        value = None if term is None else scalar(term)
        return None if value == "" else value

    def terms(self, value: Any) -> Any:
        """The term of a name; the other way round."""
        if isinstance(value, list):
            return [self.terms(one) for one in value]
        if isinstance(value, str):
            return NamedNode(next(iri for iri, name in self.names.items() if name == value))
        return value


@pytest.fixture(scope="session")
def world(new_history: Callable[..., Any]) -> World:
    history = new_history(3)
    run = history.run()
    base = history.imported(run)
    pruned = history.step(run, "prune/wanda", base)
    int8 = history.step(run, "quantize/rtn", pruned)
    history.evaluate(run, base)
    history.evaluate(run, int8, compared_with=base)
    history.close(run)
    history.check(base, edge="generation")
    history.check(pruned)
    history.check(int8)
    history.check(int8, kind=PM.Reproduce)
    history.promote(base)
    history.promote(int8)
    history.promote(pruned, "staging")
    history.tag(int8, "edge")
    history.tag(pruned, "edge")
    history.tag(pruned, "edge", removed=True)
    open_run = history.run()
    int4 = history.step(open_run, "quantize/rtn", pruned)
    failed = history.fail(open_run, base)
    history.check(int4)
    history.check(int4, holds=False)
    history.retire(int4, "wrong scales")
    elsewhere = history.register(pruned, external="vendor/original")
    history.check(elsewhere, holds=None)
    history.check(elsewhere, edge="derivation-1", kind=PM.Reproduce, holds=None)
    history.report(int8)
    reader = MemoryReader(history)
    return World(history, reader, run, open_run, base, pruned, int8, int4, elsewhere, failed)


@pytest.fixture(scope="session")
def reading() -> Callable[[Any], MemoryReader]:
    """Gives a reader of a history."""
    return MemoryReader


@pytest.fixture(scope="session")
def registered() -> Callable[[Any, Path], NamedNode]:
    """Registers a file or folder on disk in a history."""

    def register(history: Any, path: Path) -> NamedNode:
        activity = Occurrence(**history.occurrence())
        artifact = NewArtifact(
            iri=history.iri(),
            kind=PM.BaseModel,
            name=f"from {path.name}",
            files=entries(list_files(path)),
            generated_at=activity.ended_at,
        )
        history.keep(registration(activity, artifact, bundle=history.iri()))
        return artifact.iri

    return register


@pytest.fixture(scope="session")
def believing() -> Callable[[Path], Registry]:
    """Makes an empty registry that accepts every record; the shapes have their own tests."""

    class Believing:
        def validate(self, record: object, graph: object) -> tuple[()]:
            return ()

    return lambda folder: Registry.create(folder, validator=Believing())


@pytest.fixture
def world_registry(world: World, tmp_path: Path, believing: Callable[[Path], Registry]) -> Registry:
    """The world in a real registry; its files have no bytes."""
    registry = believing(tmp_path / "registry")
    with registry.writing():
        world.history.commit(registry)
    return registry


def hostile_history(history: Any, evil: str) -> Any:
    """A history in which a stranger chose every text."""
    run = history.run()
    data = descriptions.dataset(evil, "2" * 64, 1000, evil, evil)
    started, middle = history.time(), history.time()
    artifact = NewArtifact(
        iri=history.iri(), kind=PM.BaseModel, name=evil, files=history.files("model.safetensors"),
        generated_at=history.time(), license=evil, imported_from=evil, source_revision=evil,
        attributes={"a": evil}, model=descriptions.model_line(evil),
    )  # fmt: skip
    fields = history.occurrence(started_at=started, ended_at=history.time())
    common = {"run": run, "name": evil, "version": evil, "outcome": PM.succeeded}
    usage = Usage(data.iri, PM.calibrationRole, middle, data)
    step = FinishedStep(
        **fields, **common, kind=PM.Import, usages=(usage,), artifact=artifact,
        parameters=(Parameter("p", evil), Parameter(evil, [evil])),
        measurements=(Measurement(evil, 1.0, evil),),
    )  # fmt: skip
    history.keep(finish_step(step, bundle=history.iri()))
    fields = history.occurrence()
    at = str(fields["started_at"])
    result = NewEvaluation(
        iri=history.iri(), evaluates=artifact.iri, dataset=data, generated_at=fields["ended_at"],
        measurements=(Measurement("perplexity", 2.0, evil),),
    )  # fmt: skip
    usages = (Usage(artifact.iri, PM.baseRole, at), Usage(data.iri, PM.evaluationRole, at, data))
    step = FinishedStep(**fields, **common, kind=PM.Evaluate, usages=usages, evaluation=result)
    history.keep(finish_step(step, bundle=history.iri()))
    history.retire(artifact.iri, evil)
    return artifact.iri


@pytest.fixture
def hostile_report(new_history: Callable[..., Any], reading: Any) -> Callable[[str], Any]:
    """A report on an artifact of which a stranger chose every text, and what was asked for it."""

    def make(evil: str) -> tuple[Report, MemoryReader]:
        history = new_history(6)
        artifact = hostile_history(history, evil)
        reader = reading(history)
        return gather(reader, artifact, None), reader

    return make
