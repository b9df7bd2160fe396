"""The shape of a compression step: one class, one file, one method.

A step's fields are its parameters, its class variables say what it is, `apply` does the work and
`check` proves it from the bytes that were stored. Steps never write RDF, never touch the registry
and never measure themselves: the runner does, from what they return.

Example:
    A complete step, as it would stand in a distribution of your own::

        class Halve(Step):
            '''Multiplies every weight of every linear layer by a factor.'''

            name = "scale/linear"
            version = "1"
            activity = PM.Convert
            produces = PM.ConvertedModel

            factor: float = Field(default=0.5, gt=0, le=1)

            def apply(self, inputs: Inputs, context: Context) -> Output:
                base = inputs.base
                names = base.tensors.names()
                with CheckpointWriter(context.output, parent=base) as writer:
                    for name in context.progress.track(names, len(names), "scaling"):
                        writer.write(name, base.tensors.read(name) * self.factor)
                return Output(context.output, (Measurement("tensors", len(names)),))

            def check(self, inputs: Inputs, output: Produced, context: Context) -> Evidence:
                old, new = inputs.base.tensors, output.checkpoint.tensors
                same = all(torch.equal(new.read(n), old.read(n) * self.factor) for n in old.names())
                return Evidence((Claim("every tensor is its parent's times the factor", same),))

    and in its `pyproject.toml`::

        [project.entry-points."pressmark.steps"]
        "scale/linear" = "my_package.halve:Halve"
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict
from pyoxigraph import NamedNode

from pressmark.compression.errors import CompressionError, UnknownStepError
from pressmark.compression.results import Claim
from pressmark.registry.environment import STEP_GROUP
from pressmark.registry.occurrences import Measurement

if TYPE_CHECKING:
    from pressmark.compression.checkpoint import Checkpoint
    from pressmark.compression.data import DataSet

__all__ = [
    "ROLE_NAMES",
    "STEP_GROUP",
    "Claim",
    "Context",
    "DataRole",
    "Estimate",
    "Evidence",
    "Inputs",
    "Measurement",
    "Output",
    "Produced",
    "Progress",
    "Step",
    "Workload",
    "closest",
    "step_class",
    "step_names",
]

T = TypeVar("T")

DataRole = Literal["calibration", "evaluation"]
"""What a step does with its data set; never the same text for both in one recipe."""


ROLE_NAMES = ("base", "parent", "adapter", "policy")
"""What an input can be to a step; the vocabulary has a role for each."""


class Progress(Protocol):
    """How a step tells a waiting person where it is."""

    def track(
        self, iterable: Iterable[T], total: int | None = None, label: str = ""
    ) -> Iterator[T]:
        """Yields the items of `iterable` while showing how many of `total` are done."""
        ...

    def log(self, text: str) -> None:
        """Notes one line; it is shown and kept in the step's log."""
        ...


@dataclass(frozen=True)
class Evidence:
    """What a check found. It holds when it makes at least one claim and all of them hold."""

    claims: tuple[Claim, ...]

    @property
    def holds(self) -> bool:
        """True when there is a claim and none is contradicted."""
        return bool(self.claims) and all(claim.holds for claim in self.claims)

    @property
    def detail(self) -> str:
        """The details of the claims, contradicted ones first, one a line."""
        ordered = sorted(self.claims, key=lambda claim: claim.holds)
        return "\n".join(f"{claim.text}: {claim.detail}" for claim in ordered if claim.detail)


@dataclass(frozen=True)
class Workload:
    """What is known about a step's inputs before it runs; later inputs are themselves estimates.

    Attributes:
        bytes: Size of each input folder, by role.
        data_bytes: Size of the data set's text.
    """

    bytes: Mapping[str, int]
    data_bytes: int = 0

    @property
    def base(self) -> int:
        """Size of the first input in bytes; 0 when the step has none."""
        return next(iter(self.bytes.values()), 0)


@dataclass(frozen=True)
class Estimate:
    """What a step will cost: `seconds` of wall time and `bytes` of output on disk."""

    seconds: float
    bytes: int


@dataclass(frozen=True)
class Inputs:
    """The folders a step reads, by role, and its data set.

    Attributes:
        folders: Role -> folder that holds exactly the artifact's files. Never written to.
        dataset: The data set, if the step asked for one.
    """

    folders: Mapping[str, Path]
    dataset: DataSet | None = None
    _opened: dict[str, Checkpoint] = field(default_factory=dict, repr=False, compare=False)

    def __getitem__(self, role: str) -> Checkpoint:
        """Opens and validates the checkpoint in `role`, once."""
        from pressmark.compression.checkpoint import Checkpoint

        if role not in self._opened:
            self._opened[role] = Checkpoint.open(self.folder(role))
        return self._opened[role]

    def __contains__(self, role: str) -> bool:
        return role in self.folders

    def folder(self, role: str = "base") -> Path:
        """The folder in `role`, unopened: for what is no checkpoint, such as a GGUF file."""
        if role not in self.folders:
            raise CompressionError(
                f"this step was given no input in the role '{role}'",
                f"it was given: {', '.join(self.folders) or 'none'}",
            )
        return self.folders[role]

    @property
    def base(self) -> Checkpoint:
        """The checkpoint that is being compressed or evaluated."""
        return self["base"]

    @property
    def data(self) -> DataSet:
        """The data set; refuses when the step was given none."""
        if self.dataset is None:
            raise CompressionError(
                "this step needs a data set", "name one under 'data:' in the recipe"
            )
        return self.dataset


@dataclass(frozen=True)
class Context:
    """Where and under what conditions a step runs.

    Attributes:
        workdir: A fresh folder for this step alone; it is deleted afterwards.
        progress: Where to report.
        seed: The run's seed; torch, numpy and `random` are already seeded with it.
        threads: How many threads torch and the kernels use.
        unfinished: What an earlier attempt at the very same step left to go on from; None where
            nothing may be taken over.
    """

    workdir: Path
    progress: Progress
    seed: int = 0
    threads: int = 1
    unfinished: Path | None = None

    @property
    def output(self) -> Path:
        """The folder that becomes the artifact; every file left in it is kept."""
        folder = self.workdir / "output"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def resumable(self) -> Path:
        """A folder for what a broken-off step can go on from, small and written safely."""
        folder = self.unfinished or self.scratch
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def scratch(self) -> Path:
        """A folder for intermediate files."""
        folder = self.workdir / "scratch"
        folder.mkdir(exist_ok=True)
        return folder


@dataclass(frozen=True)
class Output:
    """What a step made.

    Attributes:
        folder: The new artifact's folder (`context.output`); None for an evaluation.
        measurements: Numbers about the result.
        license: SPDX identifier when the step first learns it; None keeps the parent's.
        byproducts: Further files worth keeping (masks, traces); stored beside the artifact.
        attributes: Facts about the artifact by vocabulary name: "importedFrom", "sourceRevision";
            the parameters of a checkpoint are counted by the runner.
    """

    folder: Path | None
    measurements: tuple[Measurement, ...] = ()
    license: str | None = None
    byproducts: tuple[Path, ...] = ()
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Produced:
    """What a step is recorded to have made, read back from the store for `check`.

    Attributes:
        path: Folder with the stored files; None for an evaluation.
        measurements: The recorded measurements by name.
    """

    path: Path | None
    measurements: Mapping[str, float] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The stored folder; refuses for an evaluation, which has none."""
        if self.path is None:
            raise CompressionError("this step made no folder, so there are no bytes to check")
        return self.path

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The stored folder, opened and validated."""
        from pressmark.compression.checkpoint import Checkpoint

        return Checkpoint.open(self.folder)


class Step(BaseModel):
    """One compression, conversion or evaluation; its fields are its parameters.

    Parameters are plain values (numbers, strings, booleans, lists and tables of them) with
    defaults and bounds. Law: the same inputs, data, parameters, seed, version and engine give the
    same bytes; a step that cannot promise it says so in its docstring.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    name: ClassVar[str]
    """The entry point name, `family/method`."""
    version: ClassVar[str] = "1"
    """Raised whenever the same parameters may give other bytes; part of the cache key."""
    activity: ClassVar[NamedNode]
    """The vocabulary's class of activity, e.g. `PM.Prune`."""
    produces: ClassVar[NamedNode | None] = None
    """The vocabulary's class of artifact; None when the step evaluates."""
    roles: ClassVar[tuple[str, ...]] = ("base",)
    """Inputs that must be given; the first is the one a recipe chains. A step without any takes
    something from outside: its parameters must mean the same from every working folder."""
    optional_roles: ClassVar[tuple[str, ...]] = ()
    """Inputs that may be given, e.g. `("parent",)`."""
    needs_data: ClassVar[DataRole | None] = None
    """What the step does with a data set, if it needs one."""

    def reads_disk(self) -> bool:
        """Whether it reads files of this machine besides its inputs and data.

        Nobody may ask that of a machine that is not theirs. A step that takes something from
        outside is supposed to, unless it says otherwise.
        """
        return not self.roles

    def preflight(self, progress: Progress) -> None:
        """Refuses what it would take from outside the registry, before a run is recorded.

        Inputs and data sets are looked at by the runner: a step that reads nothing else has nothing
        to do here.
        """

    def apply(self, inputs: Inputs, context: Context) -> Output:
        """Does the work: reads `inputs`, writes into `context.output`, says what it made."""
        raise NotImplementedError(f"step {self.name} does not implement apply")

    def check(self, inputs: Inputs, output: Produced, context: Context) -> Evidence:
        """Derives the claimed relation again from stored bytes, trusting nothing `apply` kept."""
        raise NotImplementedError(f"step {self.name} does not implement check")

    def estimate(self, work: Workload) -> Estimate:
        """Guesses cost before anything is done: one pass at 50 MB/s, output as large as input."""
        return Estimate(seconds=work.base / 50e6, bytes=work.base if self.produces else 0)

    @classmethod
    def parse(cls, parameters: Mapping[str, Any]) -> Self:
        """Builds the step from recipe parameters; strict, so "0.5" is not a number.

        Raises:
            pydantic.ValidationError: A parameter is unknown, missing, mistyped or out of range.
        """
        return cls.model_validate_json(json.dumps(dict(parameters)), strict=True)

    def parameters(self) -> dict[str, Any]:
        """All parameters, defaults included, as plain JSON values in field order."""
        return self.model_dump(mode="json")


def step_names() -> tuple[str, ...]:
    """The names of all installed steps, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=STEP_GROUP)}))


def step_class(name: str) -> type[Step]:
    """Finds an installed step by name.

    Raises:
        UnknownStepError: No distribution offers it; the hint names the closest that is installed.
        CompressionError: Two distributions offer it, or what it points at is no step of this name.
    """
    points = tuple(entry_points(group=STEP_GROUP, name=name))
    if not points:
        raise UnknownStepError(f"there is no step '{name}'", closest(name, step_names(), "steps"))
    offers = {point.value for point in points}
    if len(offers) > 1:
        raise CompressionError(
            f"step '{name}' is offered by two distributions: {', '.join(sorted(offers))}",
            "uninstall one of them",
        )
    return _load(points[0])


def closest(name: str, known: Iterable[str], kind: str) -> str:
    """A hint for a misspelt name: the nearest known ones, else all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
    if near:
        return "did you mean " + " or ".join(f"'{match}'" for match in near) + "?"
    return f"known {kind}: {', '.join(names) or 'none'}"


def _load(point: EntryPoint) -> type[Step]:
    try:
        loaded = point.load()
    except (ImportError, AttributeError) as error:
        raise CompressionError(
            f"step '{point.name}' cannot be loaded from {point.value}: {error}",
            "install what it needs, e.g. pip install 'pressmark[compress]'",
        ) from error
    if not (isinstance(loaded, type) and issubclass(loaded, Step) and loaded.name == point.name):
        raise CompressionError(
            f"{point.value} is offered as step '{point.name}' but is no Step of that name",
            "the class must derive from pressmark.compression.step.Step and carry the same name",
        )
    if unknown := set(loaded.roles + loaded.optional_roles) - set(ROLE_NAMES):
        raise CompressionError(
            f"{point.value} has inputs in unknown roles: {', '.join(sorted(unknown))}",
            f"the roles are: {', '.join(ROLE_NAMES)}",
        )
    return loaded
