"""Checks a lineage again: every executed edge, from an artifact back to what came in from outside.

Nothing that was kept in memory or said earlier is trusted: inputs and outputs are read back from
the blob store, digest by digest, and each step's own `check` derives the claimed relation again.
The verdicts are recorded as evidence; one refuted edge shows everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from pyoxigraph import NamedNode

from pressmark.compression.artifact_files import materialise
from pressmark.compression.errors import StepFailedError
from pressmark.compression.execution import Conditions, examine
from pressmark.compression.history import (
    StoredArtifact,
    StoredStep,
    is_step,
    lineage,
    load_artifact,
    load_step,
    parents_of,
    result_measurements,
)
from pressmark.compression.progress import NullProgress
from pressmark.compression.recording import Recorder, describe_error, edges_of
from pressmark.compression.results import CheckResult, EdgeCheck, Verdict
from pressmark.compression.step import Inputs, Produced, Progress
from pressmark.compression.workspace import discard, working_folder
from pressmark.ontology.terms import PM
from pressmark.registry.facts import summaries
from pressmark.registry.ids import new_iri
from pressmark.registry.record import Description
from pressmark.registry.registry import Registry


def check(
    registry: Registry,
    artifact: NamedNode,
    *,
    progress: Progress | None = None,
    agent: Description | None = None,
    threads: int | None = None,
) -> CheckResult:
    """Runs the check of every step between an artifact and its base models again.

    What was retired is checked like anything else while its bytes are here, but nothing more is
    recorded about it.

    Raises:
        BlobDamagedError: Stored bytes are not what was recorded; file and tensor are named.
        BlobMissingError: Bytes of the lineage are gone.
        NotReproducibleError: A step is of another version than the one that is installed.
        StepFailedError: A check could not be carried out, which is no verdict.
    """
    made = [_made(registry, iri) for iri in lineage(registry, artifact)]
    with working_folder(registry, new_iri()) as folder:
        checker = _Checker(
            registry,
            Recorder(registry, agent),
            progress or NullProgress(),
            threads or torch.get_num_threads(),
            folder,
        )
        return CheckResult(tuple(checker.take(one, step) for one, step in made))


def _made(registry: Registry, iri: NamedNode) -> tuple[StoredArtifact, StoredStep | None]:
    """An artifact and the step that made it, None where that is only declared."""
    artifact = load_artifact(registry, iri)
    maker = artifact.activity
    return artifact, load_step(registry, maker) if maker and is_step(registry, maker) else None


@dataclass
class _Checker:
    registry: Registry
    recorder: Recorder
    progress: Progress
    threads: int
    folder: Path
    folders: dict[NamedNode, Path] = field(default_factory=dict)

    def take(self, artifact: StoredArtifact, step: StoredStep | None) -> EdgeCheck:
        """Checks one edge; an artifact that was only registered is declared, and that is all."""
        if step is None:
            return EdgeCheck(artifact.iri, artifact.name, "", "declared")
        self.progress.log(f"checking {artifact.name} ({step.name})")
        checked = self._check(artifact, step)
        # Its descendants were checked before it: nobody reads it any more.
        discard(self.folders.pop(artifact.iri))
        return checked

    def _check(self, artifact: StoredArtifact, stored: StoredStep) -> EdgeCheck:
        inputs = self._inputs(stored)
        measured = result_measurements(self.registry, stored.iri, artifact.iri)
        output = Produced(self._provide(artifact), {m.name: m.value for m in measured})
        conditions = Conditions(stored.seed, self.threads)
        workdir = self.folder / f"check-{artifact.iri.value.rpartition(':')[2]}"
        done = examine(stored.load(), inputs, output, workdir, conditions, self.progress)
        if isinstance(done.error, KeyboardInterrupt):
            raise done.error
        if done.result is None:
            raise StepFailedError(
                f"the check of '{artifact.name}' ({stored.name}) could not be carried out: "
                f"{describe_error(done.error)}",
                "this says nothing about the artifact",
            ) from done.error
        edges = edges_of(artifact.iri, len(parents_of(self.registry, artifact.iri)))
        used = (artifact.iri, *dict.fromkeys(stored.inputs.values()))
        evidence: tuple[NamedNode, ...] = ()
        if not summaries(self.registry, [artifact.iri])[artifact.iri].retired:
            evidence = self.recorder.evidence(PM.Check, edges, used, done, self.threads)
        discard(workdir)
        verdict: Verdict = "holds" if done.result.holds else "refuted"
        return EdgeCheck(
            artifact.iri, artifact.name, stored.name, verdict, done.result.claims, evidence
        )

    def _inputs(self, stored: StoredStep) -> Inputs:
        folders = {
            role: self._provide(load_artifact(self.registry, iri))
            for role, iri in stored.inputs.items()
        }
        return Inputs(folders, stored.data.load(self.registry) if stored.data else None)

    def _provide(self, artifact: StoredArtifact) -> Path:
        if artifact.iri not in self.folders:
            folder = self.folder / artifact.iri.value.rpartition(":")[2]
            self.folders[artifact.iri] = materialise(self.registry, artifact, folder, self.progress)
        return self.folders[artifact.iri]
