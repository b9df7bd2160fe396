"""Small, true records for tests, also imported by the processes that tests start."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from pyoxigraph import NamedNode

from pressmark.ontology.terms import PM
from pressmark.registry import activities as a
from pressmark.registry import descriptions as d
from pressmark.registry.errors import Violation
from pressmark.registry.graph import GraphReader
from pressmark.registry.ids import new_iri, sub_iri, utc_now
from pressmark.registry.record import Record


class AcceptAll:
    """For tests of what comes after validation."""

    def validate(self, record: Record, graph: GraphReader) -> tuple[Violation, ...]:
        return ()


def circumstances() -> a.Circumstances:
    environment = d.environment(
        python_version="3.11.9",
        platform="Linux",
        cpu_model="Test CPU",
        cpu_flags=["avx2"],
        thread_count=2,
        memory_bytes=1 << 30,
        libraries=["pyoxigraph 0.5.13"],
    )
    engine = d.engine("0.1.0", "unknown", "0" * 64)
    return a.Circumstances(environment, engine, d.agent("agent-1"))


def entry(path: Path) -> a.FileEntry:
    data = path.read_bytes()
    return a.FileEntry(path.name, hashlib.sha256(data).hexdigest(), len(data))


def occurrence(iri: NamedNode | None = None) -> a.Occurrence:
    return a.Occurrence(
        iri=iri or new_iri(),
        started_at=utc_now(),
        ended_at=utc_now(),
        circumstances=circumstances(),
    )


def registration(
    files: Sequence[Path],
    parents: Sequence[NamedNode] = (),
    artifact: NamedNode | None = None,
    name: str = "model",
) -> Record:
    """The registration of an artifact made of files."""
    activity = occurrence()
    entries = tuple(entry(path) for path in files)
    new = a.NewArtifact(
        iri=artifact or new_iri(),
        kind=PM.BaseModel if not parents else PM.PrunedModel,
        name=name,
        files=entries,
        generated_at=activity.ended_at,
        license="Apache-2.0",
        parents=tuple(parents),
    )
    brought = {one.sha256: path for one, path in zip(entries, files, strict=True)}
    return a.registration(activity, new, files=brought)


def pruning(
    files: Sequence[Path], parent: NamedNode, artifact: NamedNode, text: Path, recipe: Path
) -> list[Record]:
    """A run of one pruning, calibrated on a text: opened, finished, closed."""
    run, start = new_iri(), utc_now()
    plan = d.recipe("prune", entry(recipe).sha256, ["prune/wanda"])
    calibration = d.dataset(text.name, entry(text).sha256, text.stat().st_size, "CC0-1.0", "made")
    opened = a.OpenedRun(
        iri=run, started_at=start, circumstances=circumstances(), recipe=plan, seed=0
    )
    entries, end = tuple(entry(path) for path in files), utc_now()
    new = a.NewArtifact(
        iri=artifact,
        kind=PM.PrunedModel,
        name="calibrated",
        files=entries,
        generated_at=end,
        license="Apache-2.0",
        parents=(parent,),
    )
    finished = a.FinishedStep(
        iri=new_iri(),
        started_at=start,
        ended_at=end,
        circumstances=circumstances(),
        usages=(
            a.Usage(parent, PM.baseRole, start),
            a.Usage(calibration.iri, PM.calibrationRole, start, calibration),
        ),
        kind=PM.Prune,
        run=run,
        name="prune/wanda",
        version="1",
        outcome=PM.succeeded,
        recipe_step=sub_iri(plan.iri, "step-0"),
        artifact=new,
    )
    closed = a.ClosedRun(iri=new_iri(), run=run, closed_at=utc_now(), outcome=PM.succeeded)
    brought = {one.sha256: path for one, path in zip(entries, files, strict=True)}
    brought[entry(text).sha256] = text
    return [
        a.open_run(opened, files={entry(recipe).sha256: recipe}),
        a.finish_step(finished, files=brought),
        a.close_run(closed),
    ]


def check(artifact: NamedNode, *, holds: bool, base: bool = False) -> Record:
    """The verdict of a check on the edge that leads to an artifact."""
    activity = occurrence()
    used = a.Usage(artifact, PM.subjectRole, activity.started_at)
    about = sub_iri(artifact, "generation" if base else "derivation-0")
    finding = a.Finding(
        iri=new_iri(),
        about=about,
        holds=holds,
        claims=("every zero of the parent is zero",),
        found_at=activity.ended_at,
    )
    activity = a.Occurrence(
        iri=activity.iri,
        started_at=activity.started_at,
        ended_at=activity.ended_at,
        circumstances=activity.circumstances,
        usages=(used,),
    )
    return a.evidence(activity, PM.Check, [finding])
