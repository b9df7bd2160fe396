"""A small true history: runs with imports, prunings and evaluations, checks and retirements."""

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from pyoxigraph import NamedNode

from pressmark.ontology.terms import PM
from pressmark.registry import activities as a
from pressmark.registry import descriptions as d
from pressmark.registry.ids import new_iri, sub_iri, utc_now
from pressmark.registry.record import Record
from pressmark.registry.registry import Registry

CIRCUMSTANCES = a.Circumstances(
    d.environment(
        python_version="3.11.9",
        platform="Linux",
        cpu_model="Test CPU",
        cpu_flags=["avx2"],
        thread_count=2,
        memory_bytes=1 << 30,
        libraries=["pyoxigraph 0.5.13"],
    ),
    d.engine("0.1.0", "unknown", "0" * 64),
    d.agent("agent-1"),
)
TEXT = d.dataset("text", hashlib.sha256(b"text").hexdigest(), 4, "CC0-1.0", "made up")


class Workshop:
    """Does compression in name only, and records it as the real one is recorded."""

    def __init__(self, registry: Registry, folder: Path) -> None:
        self.registry = registry
        self.folder = folder
        self.noise = random.Random(0)

    def model(self, **changed: bytes) -> dict[str, bytes]:
        """The files of a model; tensors that are not given are always the same."""
        noise = random.Random(7)
        tensors = {"embedding": noise.randbytes(400_000), "head": noise.randbytes(100_000)}
        tensors |= changed
        entries, position = {}, 0
        for name, data in tensors.items():
            offsets = [position, position + len(data)]
            entries[name] = {"dtype": "U8", "shape": [len(data)], "data_offsets": offsets}
            position += len(data)
        header = json.dumps(entries).encode()
        body = b"".join(tensors.values())
        weights = len(header).to_bytes(8, "little") + header + body
        return {"model.safetensors": weights, "config.json": b"{}"}

    def write(self, files: Mapping[str, bytes]) -> tuple[tuple[a.FileEntry, ...], dict[str, Path]]:
        entries, brought = [], {}
        for name, data in files.items():
            digest = hashlib.sha256(data).hexdigest()
            path = self.folder / digest
            path.write_bytes(data)
            entries.append(a.FileEntry(name, digest, len(data)))
            brought[digest] = path
        return tuple(entries), brought

    def records(
        self,
        kind: NamedNode,
        makes: NamedNode,
        files: Mapping[str, bytes],
        parent: NamedNode | None,
    ) -> tuple[NamedNode, list[Record]]:
        """A run of one step: opened, finished, closed."""
        run, step, artifact = new_iri(), new_iri(), new_iri()
        recipe_file, brings_recipe = self.write({"recipe": f"step: {self.noise.random()}".encode()})
        log, brings_log = self.write({"log": f"worked {self.noise.random()}".encode()})
        recipe = d.recipe("recipe", recipe_file[0].sha256, ["step"])
        begin = utc_now()
        opened = a.OpenedRun(
            iri=run, started_at=begin, circumstances=CIRCUMSTANCES, recipe=recipe, seed=0
        )
        start = utc_now()
        used = (a.Usage(parent, PM.baseRole, start),) if parent else ()
        entries, brought = self.write(files)
        end = utc_now()
        new = a.NewArtifact(
            iri=artifact,
            kind=makes,
            name="model",
            files=entries,
            generated_at=end,
            license="Apache-2.0",
            parents=(parent,) if parent else (),
            imported_from=None if parent else "somewhere",
        )
        finished = a.FinishedStep(
            iri=step,
            started_at=start,
            ended_at=end,
            circumstances=CIRCUMSTANCES,
            usages=used,
            log=log[0].sha256,
            costs=a.Costs(0.1, 0.1, 1000),
            kind=kind,
            run=run,
            name="step",
            version="1",
            outcome=PM.succeeded,
            recipe_step=sub_iri(recipe.iri, "step-0"),
            artifact=new,
        )
        closed = a.ClosedRun(iri=new_iri(), run=run, closed_at=utc_now(), outcome=PM.succeeded)
        return artifact, [
            a.open_run(opened, files=brings_recipe),
            a.finish_step(finished, files=brought | brings_log),
            a.close_run(closed),
        ]

    def commit(self, *records: Record) -> None:
        with self.registry.writing():
            for record in records:
                self.registry.commit(record)

    def base(self, files: Mapping[str, bytes] | None = None) -> NamedNode:
        artifact, records = self.records(PM.Import, PM.BaseModel, files or self.model(), None)
        self.commit(*records)
        return artifact

    def prune(self, parent: NamedNode, files: Mapping[str, bytes] | None = None) -> NamedNode:
        files = files or self.model(head=self.noise.randbytes(100_000))
        artifact, records = self.records(PM.Prune, PM.PrunedModel, files, parent)
        self.commit(*records)
        return artifact

    def occurrence(self, *used: tuple[NamedNode, NamedNode]) -> a.Occurrence:
        start = utc_now()
        usages = tuple(a.Usage(entity, role, start) for entity, role in used)
        return a.Occurrence(
            iri=new_iri(),
            started_at=start,
            ended_at=utc_now(),
            circumstances=CIRCUMSTANCES,
            usages=usages,
        )

    def check(self, artifact: NamedNode, *, holds: bool = True) -> None:
        activity = self.occurrence((artifact, PM.subjectRole))
        finding = a.Finding(
            iri=new_iri(),
            about=sub_iri(artifact, "derivation-0"),
            holds=holds,
            claims=("zeros stay zero",),
            found_at=activity.ended_at,
        )
        self.commit(a.evidence(activity, PM.Check, [finding]))

    def evaluate(self, artifact: NamedNode, compared: NamedNode) -> None:
        """A run of one evaluation."""
        run, step = new_iri(), new_iri()
        begin = utc_now()
        opened = a.OpenedRun(
            iri=run,
            started_at=begin,
            circumstances=CIRCUMSTANCES,
            recipe=d.recipe("recipe", hashlib.sha256(b"").hexdigest(), ["step"]),
            seed=0,
        )
        start = utc_now()
        used = (
            a.Usage(artifact, PM.subjectRole, start),
            a.Usage(compared, PM.parentRole, start),
            a.Usage(TEXT.iri, PM.evaluationRole, start, TEXT),
        )
        end = utc_now()
        result = a.NewEvaluation(
            iri=new_iri(),
            evaluates=artifact,
            dataset=TEXT,
            measurements=(a.Measurement("perplexity", 12.5),),
            generated_at=end,
            compared_with=compared,
        )
        finished = a.FinishedStep(
            iri=step,
            started_at=start,
            ended_at=end,
            circumstances=CIRCUMSTANCES,
            usages=used,
            costs=a.Costs(0.1, 0.1, 1000),
            kind=PM.Evaluate,
            run=run,
            name="evaluate/perplexity",
            version="1",
            outcome=PM.succeeded,
            evaluation=result,
        )
        closed = a.ClosedRun(iri=new_iri(), run=run, closed_at=utc_now(), outcome=PM.succeeded)
        recipe = self.write({"recipe": b""})[1]
        self.commit(a.open_run(opened, files=recipe), a.finish_step(finished), a.close_run(closed))

    def retire(self, artifact: NamedNode) -> None:
        self.commit(a.retirement(self.occurrence(), artifact=artifact, reason="unused"))

    def promote(self, artifact: NamedNode) -> None:
        record = a.promotion(
            self.occurrence(), assignment=new_iri(), alias="prod", artifact=artifact
        )
        self.commit(record)

    def digests(self, artifact: NamedNode) -> dict[str, str]:
        rows = self.registry.rows("artifact_files", artifact=artifact)
        return {row["fileName"].value: row["sha256"].value for row in rows}


@pytest.fixture
def new_workshop(tmp_path: Path) -> Iterator[Callable[..., Workshop]]:
    opened: list[Registry] = []
    folder = tmp_path / "made"
    folder.mkdir()

    def make(name: str = "registry", blobs: str | None = None) -> Workshop:
        registry = Registry.create(tmp_path / name, blobs=blobs)
        opened.append(registry)
        return Workshop(registry, folder)

    yield make
    for registry in opened:
        registry.close()


@pytest.fixture
def workshop(new_workshop: Callable[..., Workshop]) -> Workshop:
    return new_workshop()
