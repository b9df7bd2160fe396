"""Which results of the past can stand in for a step.

A result is reused when everything that it depends on is the same: the bytes and licences of the
inputs, the text of the data set, all parameters, the seed, the step's version, and the code of the
engine and of the distribution that offers the step. Nothing new is then minted: the run's result
*is* the earlier artifact, with the history that it has. An evaluation is reused only for the very
artifact that it evaluated, so that it never hangs on a namesake.

Results that were retired or refuted, or whose bytes are gone, are never reused. What a step
without inputs gives (an import) depends on the outside world, so it is only taken over by a run
that continues the one that made it.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyoxigraph import Literal, NamedNode

from pressmark.compression.data import DataSet
from pressmark.compression.history import StoredArtifact, load_artifact
from pressmark.compression.parameters import cache_key
from pressmark.compression.recording import Made
from pressmark.compression.step import Step
from pressmark.registry import environment
from pressmark.registry.errors import NotFoundError
from pressmark.registry.facts import node
from pressmark.registry.occurrences import Json
from pressmark.registry.registry import Registry


def key_of(
    step: Step, inputs: Mapping[str, StoredArtifact], dataset: DataSet | None, seed: int
) -> str:
    """The digest of everything that a step's result depends on."""
    engine = environment.engine()
    facts: dict[str, Json] = {
        "step": [step.name, step.version, environment.step_distribution(step.name)],
        "engine": [engine.version, engine.digest],
        "parameters": step.parameters(),
        "inputs": {role: _identity(step, artifact) for role, artifact in inputs.items()},
        "data": dataset.sha256 if dataset else None,
        "seed": seed,
    }
    return cache_key(facts)


def find_reusable(
    registry: Registry, step: Step, key: str, continues: frozenset[NamedNode]
) -> Made | None:
    """The newest result that stands under a cache key and is complete.

    Args:
        registry: Where to look.
        step: The step it would stand in for.
        key: From `key_of`.
        continues: The interrupted runs that are being continued.
    """
    for row in registry.rows("results_by_cache_key", cacheKey=Literal(key)):
        made = Made(node(row, "step"), node(row, "result"))
        if not step.roles and node(row, "run") not in continues:
            continue
        if step.produces is None or is_complete(registry, made.result):
            return made
    return None


def continued_runs(registry: Registry, run: NamedNode) -> frozenset[NamedNode]:
    """A run and all that it continues.

    Raises:
        NotFoundError: There is no such run.
    """
    found: set[NamedNode] = set()
    current: NamedNode | None = run
    while current is not None and current not in found:
        rows = registry.rows("run_identity", run=current)
        if not rows:
            raise NotFoundError(f"{current.value} is no run of this registry")
        found.add(current)
        current = node(rows[0], "continues") if "continues" in rows[0] else None
    return frozenset(found)


def is_complete(registry: Registry, artifact: NamedNode) -> bool:
    """Whether all bytes of an artifact are in the blob store."""
    files = load_artifact(registry, artifact).files
    return bool(files) and all(registry.blobs.has(file.sha256) for file in files)


def _identity(step: Step, artifact: StoredArtifact) -> Json:
    content = artifact.content.value if artifact.content else artifact.iri.value
    occurrence = artifact.iri.value if step.produces is None else ""
    return [content, artifact.license, occurrence]
