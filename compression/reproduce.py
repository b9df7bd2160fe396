"""Makes an artifact again from its record alone, in a new process, and compares the bytes.

A re-run knows what the record says and nothing else: step, parameters, seed, number of threads,
inputs and text by digest. Equal bytes are the strongest evidence there is. Other bytes from the
same code on the same machine refute the record; other bytes from other code, another machine or a
source outside the registry (an import) are inconclusive, and the differences are named.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pyoxigraph import Literal, NamedNode

from pressmark.compression.artifact_files import hash_folder, materialise
from pressmark.compression.comparing import first_difference
from pressmark.compression.errors import NotReproducibleError
from pressmark.compression.execution import Execution
from pressmark.compression.history import (
    StoredArtifact,
    StoredStep,
    load_artifact,
    load_step,
    parents_of,
)
from pressmark.compression.progress import NullProgress
from pressmark.compression.recording import Recorder, edges_of
from pressmark.compression.rerun import JOB, RESULT, RerunJob, RerunResult
from pressmark.compression.results import Claim, Reproduction
from pressmark.compression.step import Evidence, Progress
from pressmark.compression.workspace import working_folder
from pressmark.ontology.terms import PM, RDF
from pressmark.registry import environment
from pressmark.registry.ids import new_iri
from pressmark.registry.lifecycle import refuse_retired
from pressmark.registry.occurrences import Costs
from pressmark.registry.record import Description
from pressmark.registry.registry import Registry

CLAIM: Final = "a re-run in a new process gives the same bytes"
OUTSIDE: Final = "source: outside the registry, it may have changed since"


def reproduce(
    registry: Registry,
    artifact: NamedNode,
    *,
    progress: Progress | None = None,
    agent: Description | None = None,
) -> Reproduction:
    """Executes the step that made an artifact again and records whether it gives the same bytes.

    Raises:
        InvalidInputError: The artifact is retired; its parents may be.
        NotReproducibleError: The artifact was only declared, its step is of another version, or
            the step cannot be executed here. Nothing is then recorded.
        BlobMissingError: Its inputs are gone.
        BlobDamagedError: Its inputs are not what was recorded.
    """
    stored = load_artifact(registry, artifact)
    refuse_retired(registry, artifact, "nothing more is recorded about it")
    if stored.activity is None:
        raise NotReproducibleError(f"nobody recorded how '{stored.name}' was made")
    step = load_step(registry, stored.activity)
    threads = step.threads
    with working_folder(registry, new_iri()) as folder:
        job = _job(registry, step, folder)
        result = _in_new_process(job, folder, progress or NullProgress(), stored.name)
        difference = _difference(registry, stored, result)
        changed = tuple(_changed_conditions(registry, step))
        if difference and not step.inputs:
            changed = (OUTSIDE, *changed)
        conclusive = not difference or not changed
        log = folder / "log.txt"
        detail = "\n".join((difference, *changed)) if difference else ""
        evidence = Recorder(registry, agent).evidence(
            PM.Reproduce,
            edges_of(artifact, len(parents_of(registry, artifact))),
            (artifact, *dict.fromkeys(step.inputs.values())),
            _execution(result, log, Evidence((Claim(CLAIM, not difference, detail),))),
            threads,
            conclusive=conclusive,
        )
    return Reproduction(
        artifact, not difference, conclusive, difference, changed, evidence, result.wall_seconds
    )


def _job(registry: Registry, step: StoredStep, folder: Path) -> RerunJob:
    inputs = {
        role: str(materialise(registry, load_artifact(registry, iri), folder / f"input-{role}"))
        for role, iri in step.inputs.items()
    }
    return RerunJob(
        step=step.name,
        parameters=step.load().parameters(),
        seed=step.seed,
        threads=step.threads,
        inputs=inputs,
        data=_data(registry, step, folder),
        workdir=str(folder / "again"),
    )


def _data(registry: Registry, step: StoredStep, folder: Path) -> dict[str, str] | None:
    if step.data is None:
        return None
    file = folder / "data.txt"
    registry.blobs.materialise(step.data.sha256, file)
    data = step.data
    return {"file": str(file), "name": data.name, "license": data.license, "source": data.source}


def _in_new_process(job: RerunJob, folder: Path, progress: Progress, name: str) -> RerunResult:
    """Runs the job in a fresh interpreter, passing on what it says and keeping it as a log."""
    job.save(folder / JOB)
    command = (sys.executable, "-m", "pressmark.compression.rerun", str(folder / JOB))
    progress.log(f"making {name} again in a new process")
    with (
        (folder / "log.txt").open("w", encoding="utf-8") as log,
        subprocess.Popen(
            command,
            env=_environment(job.threads),
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        try:
            for line in process.stdout or ():
                log.write(line)
                progress.log(line.rstrip("\n"))
        except BaseException:
            process.kill()  # it may not hear of whoever stops this one
            raise
    if process.returncode != 0 or not (folder / RESULT).exists():
        tail = (folder / "log.txt").read_text(encoding="utf-8").strip().rpartition("\n")[2]
        raise NotReproducibleError(
            f"the process that should make '{name}' again ended with {process.returncode}: {tail}"
        )
    result = RerunResult(**json.loads((folder / RESULT).read_text(encoding="utf-8")))
    if result.error:
        raise NotReproducibleError(
            f"'{name}' cannot be made again here: step {job.step} failed: {result.error}",
            "this says nothing about the artifact; compare the environments",
        )
    return result


def _environment(threads: int) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONSAFEPATH": "1"}


def _difference(registry: Registry, stored: StoredArtifact, result: RerunResult) -> str:
    """The first difference to the recorded files; empty where there is none."""
    if result.folder is None:
        raise NotReproducibleError(f"step of '{stored.name}' made no folder")
    folder = Path(result.folder)
    recorded = {file.name: file.sha256 for file in stored.files}
    again = hash_folder(folder)
    for name in sorted(recorded.keys() | again.keys()):
        if name not in again:
            return f"{name}: not made by the re-run"
        if name not in recorded:
            return f"{name}: made by the re-run only"
        if again[name] != recorded[name]:
            with registry.blobs.open(recorded[name]) as old, (folder / name).open("rb") as new:
                return f"{name}: {first_difference(old, new)}"
    return ""


def _changed_conditions(registry: Registry, step: StoredStep) -> Iterator[str]:
    """How the present machine and code differ from the recorded ones."""
    now = {
        "environment": (step.environment, environment.describe(step.threads)),
        "engine": (step.engine, environment.engine().describe()),
    }
    for recorded, present in now.values():
        old = _facts(
            (row["property"].value, row["value"].value)
            for row in registry.rows("description_facts", description=recorded)
        )
        new = _facts(
            (quad.predicate.value, quad.object.value)
            for quad in present.quads
            if isinstance(quad.object, NamedNode | Literal)
        )
        for name in sorted(old.keys() | new.keys()):
            yield from _changed(name, old.get(name, set()), new.get(name, set()))


def _changed(name: str, old: set[str], new: set[str]) -> Iterator[str]:
    if old != new:
        was, now = ", ".join(sorted(old - new)), ", ".join(sorted(new - old))
        yield f"{name}: recorded {was or 'without'}, now {now or 'without'}"


def _facts(pairs: Iterator[tuple[str, str]]) -> Mapping[str, set[str]]:
    facts: dict[str, set[str]] = {}
    for name, value in pairs:
        if name != RDF.type.value:
            facts.setdefault(name.rpartition("#")[2], set()).add(value)
    return facts


def _execution(result: RerunResult, log: Path, evidence: Evidence) -> Execution[Evidence]:
    costs = Costs(result.wall_seconds, result.cpu_seconds, result.peak_memory_bytes)
    return Execution(result.started_at, result.ended_at, costs, log, evidence)
