"""Histories: valid records about a small world with its own clock and names.

`history` is an empty history; `History` values are also made by the session fixture `new_history`,
for property tests. Equal calls give equal bytes.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from pyoxigraph import NamedNode, Quad, Store, Triple

from pressmark.ontology.terms import PM
from pressmark.registry import descriptions
from pressmark.registry.activities import (
    Circumstances,
    ClosedRun,
    Costs,
    ExternalParent,
    FileEntry,
    Finding,
    FinishedStep,
    Measurement,
    NewArtifact,
    NewEvaluation,
    NewReport,
    Occurrence,
    OpenedRun,
    Parameter,
    Usage,
    close_run,
    evidence,
    finish_step,
    open_run,
    promotion,
    registration,
    reporting,
    retirement,
    tagging,
)
from pressmark.registry.ids import base_iri, format_time, is_ni_iri, ni_iri, sub_iri
from pressmark.registry.record import Record, canonical_nquads
from pressmark.registry.references import References
from pressmark.registry.registry import Registry

STEPS = (
    "import",
    "prune/wanda",
    "quantize/rtn",
    "evaluate/perplexity",
    "convert/gguf",
    "prune/wanda",
)
KINDS = {
    "import": (PM.Import, PM.BaseModel),
    "prune/wanda": (PM.Prune, PM.PrunedModel),
    "quantize/rtn": (PM.Quantize, PM.QuantizedModel),
    "convert/gguf": (PM.Convert, PM.ConvertedModel),
}


class History:
    """Makes valid records one after another, and keeps them.

    Attributes:
        records: All records that were made, in order.
        recipe: The recipe of all runs; its steps are `STEPS`.
        dataset: The data set of all evaluations.
    """

    def __init__(self, seed: int = 0) -> None:
        self._names = seed << 32
        self._now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=seed)
        self.records: list[Record] = []
        self.circumstances = Circumstances(
            descriptions.environment(
                python_version="3.11.9",
                platform="Linux-6.8-x86_64",
                cpu_model="Example CPU",
                cpu_flags=["avx2", "avx512f"],
                thread_count=2,
                memory_bytes=8 << 30,
                libraries=["torch 2.13.0", "safetensors 0.8.0"],
            ),
            descriptions.engine("0.1.0", "0" * 40, "0" * 64),
            descriptions.agent("agent-1"),
        )
        self.recipe = descriptions.recipe("example", "1" * 64, STEPS)
        self.dataset = descriptions.dataset("text", "2" * 64, 1000, "CC0-1.0", "made for tests")
        self.line = descriptions.model_line("example")

    def iri(self) -> NamedNode:
        """Mint the next name."""
        self._names += 1
        return NamedNode(f"urn:uuid:{uuid.UUID(int=(7 << 76) | (2 << 62) | self._names)}")

    def time(self, seconds: float = 1.0) -> str:
        """Let time pass, and read the clock."""
        self._now += timedelta(seconds=seconds)
        return format_time(self._now)

    def keep(self, record: Record) -> Record:
        self.records.append(record)
        return record

    def store(self) -> Store:
        """Give a store with all records that were made."""
        store = Store()
        for record in self.records:
            store.extend(record.quads())
        return store

    def commit(self, registry: Registry, *records: Record) -> None:
        """Commit records, all of them if none is given, although their files have no bytes."""
        for record in records or self.records:
            references = References()
            references.read(record.nquads)
            registry.commit(record, absent=references.named())

    def files(self, *names: str) -> tuple[FileEntry, ...]:
        """Invent files whose digests are new."""
        self._names += 1
        return tuple(
            FileEntry(name, f"{self._names:060x}{index:04x}", 100 + index)
            for index, name in enumerate(names or ("config.json", "model.safetensors"))
        )

    def occurrence(self, **fields: object) -> dict[str, object]:
        """Give the fields of an activity that starts now and ends a second later."""
        return {
            "iri": self.iri(),
            "started_at": self.time(),
            "ended_at": self.time(2),
            "circumstances": self.circumstances,
            **fields,
        }

    def run(self, continues: NamedNode | None = None) -> NamedNode:
        """Open a run."""
        run = OpenedRun(
            iri=self.iri(),
            started_at=self.time(),
            circumstances=self.circumstances,
            recipe=self.recipe,
            seed=0,
            continues=continues,
        )
        self.keep(open_run(run, bundle=self.iri()))
        return run.iri

    def close(self, run: NamedNode, outcome: NamedNode = PM.succeeded) -> NamedNode:
        """Close a run."""
        closed = ClosedRun(iri=self.iri(), run=run, closed_at=self.time(), outcome=outcome)
        self.keep(close_run(closed, bundle=self.iri()))
        return closed.iri

    def step(self, run: NamedNode, name: str, *parents: NamedNode) -> NamedNode:
        """Make an artifact by a step of `KINDS`."""
        kind, product = KINDS[name]
        started, middle = self.time(), self.time()
        artifact = NewArtifact(
            iri=self.iri(),
            kind=product,
            name=f"example after {name}",
            files=self.files(),
            generated_at=self.time(),
            license="Apache-2.0",
            parents=parents,
            model=self.line,
            parameter_count=1000,
            nonzero_parameter_count=500,
            imported_from="/models/example" if name == "import" else None,
            source_revision="main" if name == "import" else None,
            attributes={"pattern": "2:4"},
        )
        fields = self.occurrence(started_at=started, ended_at=self.time())
        step = FinishedStep(
            **fields,  # type: ignore[arg-type]
            usages=tuple(Usage(parent, PM.baseRole, middle) for parent in parents),
            costs=Costs(1.5, 2.5, 1 << 30),
            log="3" * 64,
            byproducts=(self.files("scores.safetensors"),),
            kind=kind,
            run=run,
            name=name,
            version="1",
            outcome=PM.succeeded,
            recipe_step=sub_iri(self.recipe.iri, f"step-{STEPS.index(name)}"),
            parameters=(Parameter("sparsity", 0.5), Parameter("layers", ["a", "b"])),
            measurements=(Measurement("sparsity", 0.5),),
            artifact=artifact,
            seed=0,
            cache_key="4" * 64,
        )
        self.keep(finish_step(step, bundle=self.iri()))
        return artifact.iri

    def imported(self, run: NamedNode) -> NamedNode:
        """Import a model."""
        return self.step(run, "import")

    def fail(self, run: NamedNode, parent: NamedNode) -> NamedNode:
        """Let a step fail."""
        fields = self.occurrence()
        step = FinishedStep(
            **fields,  # type: ignore[arg-type]
            usages=(Usage(parent, PM.baseRole, str(fields["started_at"])),),
            kind=PM.Prune,
            run=run,
            name="prune/wanda",
            version="1",
            outcome=PM.failed,
            error_message="model.safetensors: the tensor lm_head.weight is missing",
        )
        self.keep(finish_step(step, bundle=self.iri()))
        return step.iri

    def evaluate(
        self, run: NamedNode, artifact: NamedNode, compared_with: NamedNode | None = None
    ) -> NamedNode:
        """Evaluate an artifact."""
        fields = self.occurrence()
        at = str(fields["started_at"])
        usages = [
            Usage(artifact, PM.baseRole, at),
            Usage(self.dataset.iri, PM.evaluationRole, at, self.dataset),
        ]
        if compared_with and compared_with != artifact:
            usages.append(Usage(compared_with, PM.parentRole, at))
        result = NewEvaluation(
            iri=self.iri(),
            evaluates=artifact,
            dataset=self.dataset,
            measurements=(Measurement("perplexity", 12.5), Measurement("speed", 100.0, "1/s")),
            generated_at=str(fields["ended_at"]),
            compared_with=compared_with,
        )
        step = FinishedStep(
            **fields,  # type: ignore[arg-type]
            usages=tuple(usages),
            kind=PM.Evaluate,
            run=run,
            name="evaluate/perplexity",
            version="1",
            outcome=PM.succeeded,
            evaluation=result,
        )
        self.keep(finish_step(step, bundle=self.iri()))
        return result.iri

    def policy(self, run: NamedNode, parent: NamedNode) -> NamedNode:
        """Attach a KV-cache policy to a model."""
        fields = self.occurrence()
        artifact = NewArtifact(
            iri=self.iri(),
            kind=PM.KVCachePolicy,
            name="keep the newest 1024 tokens",
            files=self.files("policy.json"),
            generated_at=str(fields["ended_at"]),
            parents=(parent,),
        )
        step = FinishedStep(
            **fields,  # type: ignore[arg-type]
            usages=(Usage(parent, PM.baseRole, str(fields["started_at"])),),
            kind=PM.ApplyKVPolicy,
            run=run,
            name="kv/window",
            version="1",
            outcome=PM.succeeded,
            artifact=artifact,
        )
        self.keep(finish_step(step, bundle=self.iri()))
        return artifact.iri

    def register(self, *parents: NamedNode, external: str | None = None) -> NamedNode:
        """Register an artifact that was made elsewhere."""
        claimed = [ExternalParent(self.iri(), external)] if external else []
        activity = Occurrence(**self.occurrence())  # type: ignore[arg-type]
        artifact = NewArtifact(
            iri=self.iri(),
            kind=PM.QuantizedModel,
            name="made elsewhere",
            files=self.files("model.gguf"),
            generated_at=activity.ended_at,
            parents=(*parents, *(parent.iri for parent in claimed)),
        )
        self.keep(registration(activity, artifact, external=claimed, bundle=self.iri()))
        return artifact.iri

    def check(
        self,
        artifact: NamedNode,
        *,
        edge: str = "derivation-0",
        holds: bool | None = True,
        kind: NamedNode = PM.Check,
    ) -> NamedNode:
        """Check or reproduce an edge of an artifact."""
        fields = self.occurrence()
        used = Usage(artifact, PM.subjectRole, str(fields["started_at"]))
        activity = Occurrence(**fields, usages=(used,))  # type: ignore[arg-type]
        finding = Finding(
            iri=self.iri(),
            about=sub_iri(artifact, edge),
            holds=holds,
            claims=("every zero of the parent is zero",),
            found_at=activity.ended_at,
            detail="1000 of 1000 zeros",
        )
        self.keep(evidence(activity, kind, [finding], bundle=self.iri()))
        return finding.iri

    def promote(self, artifact: NamedNode, alias: str = "prod") -> NamedNode:
        """Give an alias to an artifact."""
        activity, node = Occurrence(**self.occurrence()), self.iri()  # type: ignore[arg-type]
        self.keep(
            promotion(activity, assignment=node, alias=alias, artifact=artifact, bundle=self.iri())
        )
        return node

    def tag(self, artifact: NamedNode, tag: str = "tested", removed: bool = False) -> NamedNode:
        """Put a tag on an artifact, or take it off."""
        activity, node = Occurrence(**self.occurrence()), self.iri()  # type: ignore[arg-type]
        record = tagging(
            activity,
            assignment=node,
            tag=tag,
            artifact=artifact,
            removed=removed,
            bundle=self.iri(),
        )
        self.keep(record)
        return node

    def report(self, artifact: NamedNode) -> NamedNode:
        """Write a report on an artifact."""
        activity = Occurrence(**self.occurrence())  # type: ignore[arg-type]
        (file,) = self.files("report.html")
        new = NewReport(
            iri=self.iri(),
            about=artifact,
            name="audit report of example",
            media_type="text/html",
            sha256=file.sha256,
            size=file.size,
            journal_head="5" * 64,
            holds=True,
            generated_at=activity.ended_at,
        )
        self.keep(reporting(activity, new, bundle=self.iri()))
        return new.iri

    def retire(self, artifact: NamedNode, reason: str = "superseded") -> NamedNode:
        """Withdraw an artifact from use."""
        activity = Occurrence(**self.occurrence())  # type: ignore[arg-type]
        self.keep(retirement(activity, artifact=artifact, reason=reason, bundle=self.iri()))
        return activity.iri


def rebuild_record(bundle: NamedNode, triples: Sequence[Triple]) -> Record:
    """Make a record of statements whose graphs and description names may be out of date.

    Shared descriptions get the name that their statements hash to, everywhere in the record.
    """
    described = {base_iri(t.subject) for t in triples if is_ni_iri(t.subject)}
    names = {old: _new_name(triples, old) for old in described}
    renamed = [[_rename(term, names) for term in triple] for triple in triples]
    return Record(bundle, canonical_nquads(Quad(*t, _graph(t[0], bundle)) for t in renamed))


def _new_name(triples: Sequence[Triple], old: NamedNode) -> NamedNode:
    about = [tuple(t) for t in triples if base_iri(t.subject) == old]
    return ni_iri(descriptions.description_digest(about, old))


def _rename(term: object, names: Mapping[NamedNode, NamedNode]) -> object:
    if not isinstance(term, NamedNode) or base_iri(term) not in names:
        return term
    fragment = term.value.partition("#")[2]
    new = names[base_iri(term)]
    return sub_iri(new, fragment) if fragment else new


def _graph(subject: NamedNode, bundle: NamedNode) -> NamedNode:
    return base_iri(subject) if is_ni_iri(subject) else bundle


@pytest.fixture(scope="session")
def rebuild() -> Callable[[NamedNode, Sequence[Triple]], Record]:
    """Makes a record of changed statements: see `rebuild_record`."""
    return rebuild_record


@pytest.fixture
def history() -> History:
    """An empty history."""
    return History()


@pytest.fixture(scope="session")
def new_history() -> Callable[..., History]:
    """Makes histories; two with the same seed are equal."""
    return History
