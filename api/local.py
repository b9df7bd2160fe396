"""The registry in a folder of this machine, as commands ask it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pyoxigraph import NamedNode

from pressmark.api.client import (
    Administering,
    Client,
    Curating,
    EvaluationRequest,
    Making,
    ModelSource,
    Reading,
    RunRequest,
    Wanted,
)
from pressmark.api.errors import LocalOnlyError
from pressmark.api.plain import setting
from pressmark.registry import asking, environment, lifecycle, lineage, search, transfer, views
from pressmark.registry.facts import ArtifactSummary
from pressmark.registry.graph import Answer, Row
from pressmark.registry.lifecycle import AliasChange, Registration
from pressmark.registry.progress import Progress
from pressmark.registry.registry import Registry
from pressmark.registry.views import ArtifactView, HeadView, WhereView

if TYPE_CHECKING:
    from pressmark.api.accounts import Accounts, NewToken, TokenList
    from pressmark.compression.results import CheckResult, Forecast, Reproduction, RunResult
    from pressmark.compression.step import Progress as StepProgress
    from pressmark.registry.backup import Backup
    from pressmark.registry.diff import Difference
    from pressmark.registry.fsck import Report as FsckReport
    from pressmark.registry.gc import Swept
    from pressmark.registry.kept_reports import KeptReport
    from pressmark.registry.report.model import Report
    from pressmark.registry.verification import Verification


class LocalReading(Reading):
    """Reading from a registry in a folder; see `pressmark.api.client.Reading`.

    Args:
        registry: The registry.
    """

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def names(self) -> list[str]:
        return [row["name"].value for row in self.registry.rows("artifact_names")]

    def resolve(self, artifact: str) -> NamedNode:
        return search.resolve(self.registry, artifact)

    def find(self, wanted: Wanted) -> list[ArtifactSummary]:
        return search.find(
            self.registry,
            name=wanted.name,
            kind=wanted.kind,
            tag=wanted.tag,
            digest=wanted.digest,
            parameter=setting(wanted.parameter) if wanted.parameter else None,
            limit=wanted.limit,
            after=self.resolve(wanted.after) if wanted.after else None,
        )

    def runs(self) -> list[Row]:
        return self.registry.rows("run_status")[::-1]

    def view(self, artifact: str) -> ArtifactView:
        return views.view(self.registry, self.resolve(artifact))

    def assurances(self, artifacts: Sequence[NamedNode]) -> Mapping[NamedNode, str]:
        return {iri: lineage.assurance(self.registry, iri).label for iri in artifacts}

    def where(self, path: Path) -> WhereView:
        return views.where(self.registry, path)

    def export(self, artifact: str, target: str, progress: Progress) -> list[Path]:
        found = self.resolve(artifact)
        return transfer.export_artifact(self.registry, found, target, progress=progress)

    def lineage(
        self, artifact: str, *, down: bool = False, depth: int | None = None
    ) -> lineage.Lineage:
        follow = lineage.descendants if down else lineage.ancestors
        return follow(self.registry, self.resolve(artifact), depth)

    def difference(self, artifact: str, other: str) -> Difference:
        from pressmark.registry.diff import diff

        return diff(self.registry, self.resolve(artifact), self.resolve(other))

    def report(self, artifact: str) -> Report:
        from pressmark.registry.report import build

        return build(self.registry, self.resolve(artifact))

    def document(self, artifact: str, format: str) -> bytes:  # noqa: A002
        from pressmark.registry.report import FORMATS

        return FORMATS[format].write(self.report(artifact), self.registry)

    def verification(
        self, artifact: str | None, *, deep: bool, head: str | None, progress: Progress
    ) -> Verification:
        from pressmark.registry.verify import verify, verify_all

        if artifact is None:
            return verify_all(self.registry, kept_head=head, progress=progress)
        found = self.resolve(artifact)
        return verify(self.registry, found, deep=deep, kept_head=head, progress=progress)

    def head(self) -> HeadView:
        return views.head(self.registry)

    def aliases(self) -> dict[str, NamedNode]:
        return lifecycle.aliases(self.registry)

    def alias_history(self, alias: str) -> list[AliasChange]:
        return lifecycle.alias_history(self.registry, alias)

    def question(self, name: str, values: Mapping[str, str]) -> str:
        return asking.bound(self.registry, asking.question(name), values)

    def sparql(self, text: str) -> Answer:
        return self.registry.sparql(text)

    def sparql_as(self, text: str, media_type: str) -> bytes:
        return self.registry.sparql_as(text, media_type)


class LocalCurating(Curating):
    """Saying something about artifacts of a registry in a folder.

    Args:
        registry: The registry.
    """

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def register(self, claim: Registration, progress: Progress) -> NamedNode:  # noqa: ARG002
        return lifecycle.register(self.registry, claim, environment.circumstances())

    def keep_report(self, artifact: str, format: str) -> tuple[KeptReport, bytes]:  # noqa: A002
        from pressmark.registry.report import FORMATS, register_report

        found, by = search.resolve(self.registry, artifact), environment.circumstances()
        kept = register_report(self.registry, found, FORMATS[format], by)
        return kept, self.registry.blobs.read(kept.sha256)

    def set_alias(self, alias: str, artifact: NamedNode) -> None:
        lifecycle.set_alias(self.registry, alias, artifact, environment.circumstances())

    def set_tag(self, tag: str, artifact: NamedNode, *, remove: bool) -> None:
        by = environment.circumstances()
        lifecycle.set_tag(self.registry, tag, artifact, by, remove=remove)

    def retire(self, artifact: NamedNode, reason: str, *, force: bool) -> None:
        by = environment.circumstances()
        lifecycle.retire(self.registry, artifact, reason, by, force=force)


class LocalMaking(Making):
    """Making artifacts and evidence in this process, for a registry in a folder.

    Args:
        registry: The registry.
    """

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def import_model(self, model: ModelSource, progress: StepProgress) -> NamedNode:
        from pressmark.compression.one_step import import_model

        return import_model(
            self.registry,
            model.source,
            model.name,
            license=model.license,
            revision=model.revision,
            exclude=model.exclude,
            progress=progress,
        )

    def run(self, order: RunRequest, progress: StepProgress) -> RunResult:
        from pressmark.compression.recipe import Recipe
        from pressmark.compression.runner import Runner

        runner = Runner(self.registry, progress=progress, cache=order.cache)
        return runner.run(Recipe.load(order.recipe), dict(order.inputs), seed=order.seed)

    def forecast(self, order: RunRequest, progress: StepProgress) -> Forecast:
        from pressmark.compression.recipe import Recipe
        from pressmark.compression.runner import Runner

        runner = Runner(self.registry, progress=progress, cache=order.cache)
        return runner.forecast(Recipe.load(order.recipe), dict(order.inputs), seed=order.seed)

    def resume(self, run: str, progress: StepProgress) -> RunResult:
        from pressmark.compression.runner import Runner

        return Runner(self.registry, progress=progress).resume(
            search.resolve_run(self.registry, run)
        )

    def cancel(self, run: str) -> None:
        found = search.resolve_run(self.registry, run)
        raise LocalOnlyError(
            f"no server runs {found.value}", "stop the process that runs it, such as with Ctrl-C"
        )

    def evaluate(self, order: EvaluationRequest, progress: StepProgress) -> RunResult:
        from pressmark.compression.evaluate.perplexity import Perplexity
        from pressmark.compression.one_step import evaluate
        from pressmark.compression.recipe import DataSource

        return evaluate(
            self.registry,
            order.artifact,
            DataSource(packaged=order.packaged, path=order.text, license=order.license),
            parent=order.parent,
            step=Perplexity.model_validate(order.parameters),
            progress=progress,
        )

    def check(self, artifact: str, progress: StepProgress) -> CheckResult:
        from pressmark.compression.checking import check

        return check(self.registry, self.resolve(artifact), progress=progress)

    def reproduce(self, artifact: str, progress: StepProgress) -> Reproduction:
        from pressmark.compression.reproduce import reproduce

        return reproduce(self.registry, self.resolve(artifact), progress=progress)

    def resolve(self, artifact: str) -> NamedNode:
        return search.resolve(self.registry, artifact)


class LocalAdministering(Administering):
    """Caring for a registry in a folder, and for who may use the service over it.

    Args:
        registry: The registry.
    """

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def gc(self, *, dry_run: bool, progress: Progress) -> Swept:
        from pressmark.registry.gc import gc

        return gc(self.registry, dry_run=dry_run, progress=progress)

    def fsck(self, *, repair: bool, progress: Progress) -> FsckReport:
        from pressmark.registry.fsck import fsck

        return fsck(self.registry, repair=repair, progress=progress)

    def reindex(self, progress: Progress) -> int:
        return self.registry.reindex(progress=progress)

    def backup(self, target: str, progress: Progress) -> Backup:
        from pressmark.registry.backup import backup

        return backup(self.registry, target, progress=progress)

    def create_token(self, name: str, scope: str, label: str, days: int) -> NewToken:
        return self._accounts.create_token(name, scope, label, days)

    def tokens(self) -> TokenList:
        return self._accounts.tokens()

    def revoke_token(self, identifier: str) -> None:
        self._accounts.revoke_token(identifier)

    def forget(self, name: str) -> None:
        self._accounts.forget(name)

    @property
    def _accounts(self) -> Accounts:
        from pressmark.api.accounts import Accounts
        from pressmark.api.service.database import FILE_NAME, Database

        return Accounts(Database(self.registry.root / FILE_NAME))


class LocalClient(LocalReading, LocalCurating, LocalMaking, LocalAdministering, Client):
    """A registry in a folder; see `pressmark.api.client.Client`."""

    def peer(self) -> transfer.LocalPeer:
        return transfer.LocalPeer(self.registry)

    def close(self) -> None:
        self.registry.close()
