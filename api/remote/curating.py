"""Saying something about artifacts behind a server."""

import uuid
from urllib.parse import quote

from pyoxigraph import NamedNode

from pressmark.api.client import Curating
from pressmark.api.remote.connection import PATIENT
from pressmark.api.remote.reading import RemoteReading
from pressmark.api.remote.upload import Uploader
from pressmark.registry import search
from pressmark.registry.facts import ArtifactSummary, local_name
from pressmark.registry.folders import list_files
from pressmark.registry.kept_reports import KeptReport
from pressmark.registry.lifecycle import Registration
from pressmark.registry.progress import Progress
from pressmark.registry.views import ArtifactView


class RemoteCurating(RemoteReading, Curating):
    """Aliases, tags, retirements and registrations; the server records who asks."""

    def register(self, claim: Registration, progress: Progress) -> NamedNode:
        found = list_files(claim.path)
        parents = [self._parent(name) for name in dict.fromkeys(claim.parents)]
        sent = Uploader(self.connection).send(found, progress)
        stated = {
            "name": claim.name,
            "files": [{"upload": each.upload, "sha256": each.sha256} for each in sent],
            "parents": parents,
            "license": claim.license,
            "source": claim.source,
            "kind": local_name(claim.kind),
        }
        return self.connection.send(
            ArtifactView,
            "POST",
            "/v1/artifacts",
            json=stated,
            headers={"Idempotency-Key": str(uuid.uuid4())},
            repeatable=True,
        ).iri

    def keep_report(self, artifact: str, format: str) -> tuple[KeptReport, bytes]:  # noqa: A002
        kept = self.connection.send(
            KeptReport,
            "POST",
            self.place(artifact, "reports"),
            json={"format": format},
            headers={"Idempotency-Key": str(uuid.uuid4())},
            repeatable=True,
            timeout=PATIENT,
        )
        place = f"/v1/reports/{kept.iri.value.removeprefix('urn:uuid:')}"
        return kept, self.connection.answer("GET", place, headers={"Accept": "*/*"}).content

    def set_alias(self, alias: str, artifact: NamedNode) -> None:
        place = f"/v1/aliases/{quote(alias, safe='')}"
        self.connection.send(ArtifactSummary, "PUT", place, json={"artifact": artifact.value})

    def set_tag(self, tag: str, artifact: NamedNode, *, remove: bool) -> None:
        place = self.place(artifact.value, "tags", tag)
        self.connection.send(ArtifactSummary, "DELETE" if remove else "PUT", place)

    def retire(self, artifact: NamedNode, reason: str, *, force: bool) -> None:
        why = {"reason": reason, "force": force}
        place = self.place(artifact.value, "retirement")
        self.connection.send(ArtifactSummary, "POST", place, json=why)

    def _parent(self, name: str) -> str:
        """A parent as the server knows it: a path here by its IRI, any other name as it is."""
        return name if search.path_on_disk(name) is None else self.resolve(name).value
