"""Made-up histories of any length, for timing a registry that already holds much.

Records are built by the same functions that the runner uses. Filling writes bundles and journal in
bulk and lets the registry rebuild its graph, since a hundred thousand single commits would only
measure the filling.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from pyoxigraph import NamedNode

from pressmark.ontology.terms import PM
from pressmark.registry import activities, descriptions
from pressmark.registry.ids import new_iri, sub_iri, utc_now
from pressmark.registry.occurrences import (
    Circumstances,
    Costs,
    FinishedStep,
    Measurement,
    NewArtifact,
    OpenedRun,
    Parameter,
    Usage,
)
from pressmark.registry.record import Record

STEPS_PER_BASE = 1000
"""So many artifacts are made from one base, in chains of `CHAIN`."""
CHAIN = 4

PARAMETERS = (
    Parameter("sparsity", 0.5),
    Parameter("samples", 128),
    Parameter("length", 512),
    Parameter("seed", 0),
    Parameter("pattern", "none"),
)


RECIPE = b"steps: [import, prune/wanda]"


@dataclass(frozen=True)
class Made:
    """A record, the artifact that it brings into being, and the bytes of that artifact's file."""

    record: Record
    artifact: NamedNode
    data: bytes


class History:
    """Makes records one after the other: a base, then chains of steps, all in one run."""

    def __init__(self) -> None:
        environment = descriptions.environment(
            python_version="3.11.9",
            platform="Linux x86_64",
            cpu_model="Example CPU",
            cpu_flags=("avx2", "avx512f", "avx512_vbmi2"),
            thread_count=2,
            memory_bytes=24 << 30,
            libraries=("torch 2.13.0", "transformers 5.24.0", "safetensors 0.8.0"),
        )
        engine = descriptions.engine("0.1.0", "0" * 40, "0" * 64)
        self.circumstances = Circumstances(environment, engine, descriptions.agent("bench"))
        self.recipe = descriptions.recipe("bench", digest(RECIPE), ("import", "prune/wanda"))
        self.run = new_iri()
        self._number = 0

    def opening(self) -> Record:
        """The record of the run's start."""
        opened = OpenedRun(
            iri=self.run,
            started_at=utc_now(),
            circumstances=self.circumstances,
            recipe=self.recipe,
            seed=0,
        )
        return activities.open_run(opened)

    def base(self) -> Made:
        """An imported model."""
        return self._made(PM.Import, "import", PM.BaseModel, None)

    def step(self, parent: NamedNode) -> Made:
        """A pruned model made from `parent`: five parameters, two measurements, one file."""
        return self._made(PM.Prune, "prune/wanda", PM.PrunedModel, parent)

    def artifacts(self, count: int) -> Iterator[Made]:
        """`count` artifacts: a base, then chains of four from it; a new base every thousand."""
        base = parent = None
        for index in range(count):
            if index % STEPS_PER_BASE == 0:
                made = self.base()
                base = made.artifact
            else:
                parent = base if (index - 1) % CHAIN == 0 else parent
                assert parent is not None
                made = self.step(parent)
            parent = made.artifact
            yield made

    def _made(self, kind: NamedNode, name: str, makes: NamedNode, parent: NamedNode | None) -> Made:
        self._number += 1
        now, step, iri = utc_now(), new_iri(), new_iri()
        data = f"model {self._number}".encode()
        file = descriptions.FileEntry("model.safetensors", digest(data), len(data))
        artifact = NewArtifact(
            iri=iri,
            kind=makes,
            name=f"model-{self._number}",
            files=(file,),
            generated_at=now,
            license="Apache-2.0",
            parents=(parent,) if parent else (),
            imported_from=None if parent else "bench",
        )
        finished = FinishedStep(
            iri=step,
            kind=kind,
            run=self.run,
            name=name,
            version="1",
            outcome=PM.succeeded,
            started_at=now,
            ended_at=now,
            circumstances=self.circumstances,
            costs=Costs(12.5, 20.25, 1 << 30),
            recipe_step=sub_iri(self.recipe.iri, "step-1" if parent else "step-0"),
            parameters=PARAMETERS,
            measurements=(Measurement("sparsity", 0.5), Measurement("nonzeros", 5e7)),
            usages=(Usage(parent, PM.baseRole, now),) if parent else (),
            artifact=artifact,
            seed=0,
            cache_key=f"{self._number:064x}",
        )
        return Made(activities.finish_step(finished), iri, data)


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
