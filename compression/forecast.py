"""What a run would do, how long it would take and how much it would store: before it is done.

Times come from earlier executions of the same step in the registry, scaled by what the step itself
estimates for the two workloads; without any, from the step's estimate alone, and that is said.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError
from pyoxigraph import Literal, NamedNode

from pressmark.compression.data import DataSet
from pressmark.compression.history import StoredArtifact, load_artifact
from pressmark.compression.parameters import decode_parameters
from pressmark.compression.recipe import PlannedStep, Recipe
from pressmark.compression.results import Forecast, StepForecast
from pressmark.compression.reuse import find_reusable, key_of
from pressmark.compression.step import Step, Workload
from pressmark.registry.facts import scalar
from pressmark.registry.graph import Row
from pressmark.registry.registry import Registry


@dataclass
class _Forecaster:
    registry: Registry
    datasets: Mapping[str, DataSet]
    seed: int
    cache: bool
    known: dict[str, StoredArtifact]
    sizes: dict[str, int]

    def take(self, planned: PlannedStep) -> StepForecast:
        """Guesses one step, and remembers how large its output will be for the steps after it."""
        dataset = self.datasets[planned.data] if planned.data else None
        sizes = {role: self.sizes[name] for role, name in planned.inputs.items()}
        work = Workload(sizes, dataset.size if dataset else 0)
        if self._is_reused(planned, dataset):
            return StepForecast(planned.name, planned.step.name, 0.0, 0, True, 0)
        factor, measured = self._factor(planned.step)
        guess = planned.step.estimate(work)
        if planned.step.produces is not None:
            self.sizes[planned.name] = guess.bytes
        return StepForecast(
            name=planned.name,
            step=planned.step.name,
            seconds=guess.seconds * factor,
            bytes=guess.bytes,
            reused=False,
            measured=measured,
        )

    def _is_reused(self, planned: PlannedStep, dataset: DataSet | None) -> bool:
        """Follows reuse as far as the inputs are known."""
        if not self.cache or any(name not in self.known for name in planned.inputs.values()):
            return False
        inputs = {role: self.known[name] for role, name in planned.inputs.items()}
        key = key_of(planned.step, inputs, dataset, self.seed)
        made = find_reusable(self.registry, planned.step, key, frozenset())
        if made is not None and planned.step.produces is not None:
            self.known[planned.name] = load_artifact(self.registry, made.result)
            self.sizes[planned.name] = self.known[planned.name].size
        return made is not None

    def _factor(self, step: Step) -> tuple[float, int]:
        """By how much earlier executions were slower than the step estimates, and how many."""
        rows = self.registry.rows("step_history", stepName=Literal(step.name))
        ratios = [ratio for row in rows if (ratio := self._ratio(type(step), row)) is not None]
        return (statistics.median(ratios), len(ratios)) if ratios else (1.0, 0)

    def _ratio(self, kind: type[Step], row: Row) -> float | None:
        then = NamedNode(row["step"].value)
        recorded = {
            found["name"].value: scalar(found["value"])
            for found in self.registry.rows("step_parameters", step=then)
        }
        try:
            step = decode_parameters(kind, recorded)
        except ValidationError:  # of another version of the step
            return None
        data = int(row["dataBytes"].value) if "dataBytes" in row else 0
        guess = step.estimate(Workload({"base": int(row["inputBytes"].value)}, data))
        return float(row["wallSeconds"].value) / guess.seconds if guess.seconds > 0 else None


def forecast_run(
    registry: Registry,
    recipe: Recipe,
    inputs: Mapping[str, StoredArtifact],
    datasets: Mapping[str, DataSet],
    *,
    seed: int,
    cache: bool,
) -> Forecast:
    """Estimates a run; executes and records nothing.

    Args:
        registry: Where earlier executions are recorded.
        recipe: What would be done.
        inputs: The artifact behind each of its inputs.
        datasets: The data sets that its steps read.
        seed: The seed it would run with.
        cache: Whether earlier results may stand in.
    """
    sizes = {name: artifact.size for name, artifact in inputs.items()}
    forecaster = _Forecaster(registry, datasets, seed, cache, dict(inputs), sizes)
    steps = tuple(forecaster.take(planned) for planned in recipe.steps)
    return Forecast(steps, shutil.disk_usage(registry.root).free)
