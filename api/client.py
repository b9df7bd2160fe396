"""What commands ask for, wherever the registry is: in a folder here, or behind a server.

Each command asks a `Client` and prints what it gives. `pressmark.api.local` asks the registry in a
folder; `pressmark.api.remote` asks a server and rebuilds the same values from its JSON, so that
both are printed by the same code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # what stands in signatures alone costs a command no time
    from pyoxigraph import NamedNode

    from pressmark.api.accounts import NewToken, TokenList
    from pressmark.compression.results import CheckResult, Forecast, Reproduction, RunResult
    from pressmark.compression.step import Progress as StepProgress
    from pressmark.registry.backup import Backup
    from pressmark.registry.diff import Difference
    from pressmark.registry.facts import ArtifactSummary
    from pressmark.registry.fsck import Report as FsckReport
    from pressmark.registry.gc import Swept
    from pressmark.registry.graph import Answer, Row
    from pressmark.registry.kept_reports import KeptReport
    from pressmark.registry.lifecycle import AliasChange, Registration
    from pressmark.registry.lineage import Lineage
    from pressmark.registry.progress import Progress
    from pressmark.registry.report.model import Report
    from pressmark.registry.transfer import Peer
    from pressmark.registry.verification import Verification
    from pressmark.registry.views import ArtifactView, HeadView, WhereView


@dataclass(frozen=True)
class Wanted:
    """What the artifacts of a list must have; None where anything fits.

    Attributes:
        name: The name; ``*`` and ``?`` stand for any letters.
        kind: The class, such as "PrunedModel".
        tag: A tag that it has now.
        digest: SHA-256 of one of its files, or at least four digits of its beginning.
        parameter: ``NAME=VALUE`` of a parameter that it was made with.
        limit: How many at most.
        after: The last artifact of the page before, by any name.
    """

    name: str | None = None
    kind: str | None = None
    tag: str | None = None
    digest: str | None = None
    parameter: str | None = None
    limit: int = 50
    after: str | None = None


@dataclass(frozen=True)
class ModelSource:
    """A model that is to be imported.

    Attributes:
        source: A model folder, a GGUF file, or a hub id.
        name: What the artifact shall be called.
        license: SPDX identifier, where the model does not state one.
        revision: The hub revision.
        exclude: Patterns of file names to leave out.
    """

    source: str
    name: str
    license: str | None = None
    revision: str | None = None
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunRequest:
    """A recipe that is to be run.

    Attributes:
        recipe: A recipe file here, or the name of a packaged one.
        inputs: The recipe's input -> the artifact.
        seed: Of all random numbers; the recipe's if None.
        cache: Whether earlier results may stand in for steps.
    """

    recipe: str
    inputs: Mapping[str, NamedNode]
    seed: int | None = None
    cache: bool = True


@dataclass(frozen=True)
class EvaluationRequest:
    """An artifact that is to be evaluated on a text.

    Attributes:
        artifact: The artifact.
        parent: What to compare with.
        text: A text file here; None for a packaged text.
        packaged: The name of a packaged text; None for a file.
        license: The licence of a file.
        parameters: Those of the perplexity step that differ from its defaults.
    """

    artifact: NamedNode
    parent: NamedNode | None
    text: str | None
    packaged: str | None
    license: str | None
    parameters: Mapping[str, int]


class Reading(Protocol):
    """What changes nothing. An artifact is given by any name that it has, or by a path here."""

    def names(self) -> list[str]:
        """The names and aliases of all artifacts."""

    def resolve(self, artifact: str) -> NamedNode:
        """The one artifact that a person means.

        Raises:
            NotFoundError: Nothing fits.
            AmbiguousNameError: Several artifacts fit.
        """

    def find(self, wanted: Wanted) -> list[ArtifactSummary]:
        """Artifacts that fit, newest first; see `pressmark.registry.search.find`."""

    def runs(self) -> list[Row]:
        """All runs with how far they got, newest first."""

    def view(self, artifact: str) -> ArtifactView:
        """Everything that is known of an artifact."""

    def assurances(self, artifacts: Sequence[NamedNode]) -> Mapping[NamedNode, str]:
        """How sure the history of each artifact is, in words such as "executed, checked"."""

    def where(self, path: Path) -> WhereView:
        """What a file here is."""

    def export(self, artifact: str, target: str, progress: Progress) -> list[Path]:
        """Writes an artifact's files into a new folder here, every byte verified.

        Returns:
            The files written, sorted.
        """

    def lineage(self, artifact: str, *, down: bool = False, depth: int | None = None) -> Lineage:
        """Where an artifact comes from, or what was made from it."""

    def difference(self, artifact: str, other: str) -> Difference:
        """What is different between two artifacts."""

    def report(self, artifact: str) -> Report:
        """An audit report, with what a verification found just now."""

    def document(self, artifact: str, format: str) -> bytes:  # noqa: A002
        """An audit report, written in a format of `pressmark.registry.report.FORMATS`."""

    def verification(
        self, artifact: str | None, *, deep: bool, head: str | None, progress: Progress
    ) -> Verification:
        """Whether an artifact, or everything, is what was recorded.

        Args:
            artifact: None for the whole registry.
            deep: Whether the files of all ancestors are read too.
            head: A head that was kept elsewhere.
            progress: Is told how far it is.
        """

    def head(self) -> HeadView:
        """How far the journal goes."""

    def aliases(self) -> dict[str, NamedNode]:
        """What each alias means now."""

    def alias_history(self, alias: str) -> list[AliasChange]:
        """What an alias meant, newest first.

        Raises:
            NotFoundError: There is no such alias.
        """

    def question(self, name: str, values: Mapping[str, str]) -> str:
        """The SPARQL text of a packaged question about things named as people do."""

    def sparql(self, text: str) -> Answer:
        """The answer to a query."""

    def sparql_as(self, text: str, media_type: str) -> bytes:
        """The answer to a query in a format of the W3C."""


class Curating(Protocol):
    """What is said about artifacts; each is a recorded activity of whoever asks."""

    def register(self, claim: Registration, progress: Progress) -> NamedNode:
        """Registers files of this machine that were made elsewhere.

        Returns:
            The artifact.
        """

    def keep_report(self, artifact: str, format: str) -> tuple[KeptReport, bytes]:  # noqa: A002
        """Writes an audit report, keeps it, and records who asked for it."""

    def set_alias(self, alias: str, artifact: NamedNode) -> None:
        """Lets an alias mean an artifact from now on."""

    def set_tag(self, tag: str, artifact: NamedNode, *, remove: bool) -> None:
        """Puts a tag on an artifact, or takes it off."""

    def retire(self, artifact: NamedNode, reason: str, *, force: bool) -> None:
        """Withdraws an artifact; its record stays."""


class Making(Protocol):
    """What makes artifacts and evidence: long work, which tells how far it is.

    Interrupted on a server, it goes on there, and `DetachedError` says how to come back to it.
    """

    def import_model(self, model: ModelSource, progress: StepProgress) -> NamedNode:
        """Takes in a model, its bytes unchanged."""

    def run(self, order: RunRequest, progress: StepProgress) -> RunResult:
        """Runs a recipe to its end."""

    def forecast(self, order: RunRequest, progress: StepProgress) -> Forecast:
        """Tells what a run would do, and does nothing."""

    def resume(self, run: str, progress: StepProgress) -> RunResult:
        """Goes on with a run that was interrupted; on a server also with watching one."""

    def cancel(self, run: str) -> None:
        """Asks for a run to be stopped at its next safe point.

        Raises:
            NotFoundError: There is no such run.
            ConflictError: It has ended.
            LocalOnlyError: No server runs it.
        """

    def evaluate(self, order: EvaluationRequest, progress: StepProgress) -> RunResult:
        """Measures an artifact's perplexity."""

    def check(self, artifact: str, progress: StepProgress) -> CheckResult:
        """Derives every step of a lineage again from the stored bytes."""

    def reproduce(self, artifact: str, progress: StepProgress) -> Reproduction:
        """Runs the step that made an artifact again."""


class Administering(Protocol):
    """Caring for a registry, and for who may use a service over it."""

    def gc(self, *, dry_run: bool, progress: Progress) -> Swept:
        """Frees the bytes that no live artifact needs."""

    def fsck(self, *, repair: bool, progress: Progress) -> FsckReport:
        """Checks every byte: blobs, journal, bundles and graph against each other."""

    def reindex(self, progress: Progress) -> int:
        """Builds the graph anew; gives the number of bundles."""

    def backup(self, target: str, progress: Progress) -> Backup:
        """Copies the whole registry to a folder or a tar file here."""

    def create_token(self, name: str, scope: str, label: str, days: int) -> NewToken:
        """Makes a token for a person or a service."""

    def tokens(self) -> TokenList:
        """Every token and every person."""

    def revoke_token(self, identifier: str) -> None:
        """Makes a token invalid for good."""

    def forget(self, name: str) -> None:
        """Erases a person's name and tokens."""


class Client(Reading, Curating, Making, Administering, Protocol):
    """Everything that commands ask for."""

    def peer(self) -> Peer:
        """This registry as one side of a transfer."""

    def close(self) -> None:
        """Lets go of the snapshot that was read, or of the connection."""
