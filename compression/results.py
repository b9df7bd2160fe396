"""What runs, checks and re-runs give back: plain values, for who prints them without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pyoxigraph import NamedNode

from pressmark.registry.occurrences import Measurement

Verdict = Literal["holds", "refuted", "declared"]


@dataclass(frozen=True)
class Claim:
    """One sentence about output and inputs that was tested against their bytes.

    Attributes:
        text: The claim, e.g. "every zero of the parent is zero".
        holds: Whether the bytes agree.
        detail: The first counter-example, or what was counted.
    """

    text: str
    holds: bool
    detail: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of one planned step.

    Attributes:
        name: The output's name in the recipe.
        step: The step's name, such as "prune/wanda".
        activity: The step's record, of an earlier run where it was reused.
        result: The artifact, or the evaluation result.
        reused: Whether an earlier result stands in for it.
        seconds: Wall time of the step; 0 where it was reused.
        measurements: What was measured.
    """

    name: str
    step: str
    activity: NamedNode
    result: NamedNode
    reused: bool
    seconds: float
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        run: Its record.
        artifacts: Name in the recipe -> artifact, inputs included.
        outcomes: One for each planned step, in order.
    """

    run: NamedNode
    artifacts: Mapping[str, NamedNode]
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True)
class StepForecast:
    """What one planned step would do.

    Attributes:
        name: The output's name.
        step: The step's name.
        seconds: Wall time; 0 where an earlier result would be reused.
        bytes: New bytes on disk, before sharing of equal tensors.
        reused: Whether an earlier result would stand in.
        measured: How many earlier executions the time is based on; 0 for a guess.
    """

    name: str
    step: str
    seconds: float
    bytes: int
    reused: bool
    measured: int


@dataclass(frozen=True)
class Forecast:
    """What a run would do.

    Attributes:
        steps: In order.
        free_bytes: Free space where the registry works.
    """

    steps: tuple[StepForecast, ...]
    free_bytes: int

    @property
    def seconds(self) -> float:
        """Wall time of all steps."""
        return sum(step.seconds for step in self.steps)

    @property
    def bytes(self) -> int:
        """New bytes of all steps."""
        return sum(step.bytes for step in self.steps)


@dataclass(frozen=True)
class EdgeCheck:
    """What was found about how one artifact was made.

    Attributes:
        artifact: The artifact.
        name: Its name.
        step: What made it, such as "prune/wanda"; empty where that is only declared.
        verdict: "declared" where nobody here executed it, so that nothing can be checked.
        claims: What was tested.
        evidence: The recorded evidence, one for each parent; none about an artifact that is
            retired, of which nothing more is recorded.
    """

    artifact: NamedNode
    name: str
    step: str
    verdict: Verdict
    claims: tuple[Claim, ...] = ()
    evidence: tuple[NamedNode, ...] = ()


@dataclass(frozen=True)
class CheckResult:
    """What was found along a whole lineage, the artifact first.

    Attributes:
        edges: One entry for each artifact of the lineage.
    """

    edges: tuple[EdgeCheck, ...]

    @property
    def holds(self) -> bool:
        """Whether no edge was refuted."""
        return all(edge.verdict != "refuted" for edge in self.edges)


@dataclass(frozen=True)
class Reproduction:
    """What a re-run gave.

    Attributes:
        artifact: What was made again.
        equal: Whether every file has the recorded digest.
        conclusive: Whether code and machine are those of the record; always true when equal.
        difference: The first file and tensor that differ; empty when equal.
        conditions: What differs, or may differ, between the recorded conditions and the present.
        evidence: The recorded evidence, one for each parent.
        seconds: Wall time of the step.
    """

    artifact: NamedNode
    equal: bool
    conclusive: bool
    difference: str
    conditions: tuple[str, ...]
    evidence: tuple[NamedNode, ...]
    seconds: float

    @property
    def holds(self) -> bool | None:
        """The verdict: None where it is inconclusive."""
        return self.equal if self.conclusive else None
