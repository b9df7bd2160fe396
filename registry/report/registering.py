"""Reports that are kept: each is an entity of its own, recorded and never changed.

A kept report holds no names of people. Its bytes belong to the history, which is never erased, and
names must stay erasable; so agents appear in it by their opaque identifiers.
"""

from pyoxigraph import NamedNode

from pressmark.registry import activities
from pressmark.registry.ids import new_iri, utc_now
from pressmark.registry.kept_reports import KeptReport, kept_report
from pressmark.registry.lifecycle import refuse_retired
from pressmark.registry.occurrences import Circumstances, NewReport, Occurrence
from pressmark.registry.registry import Registry
from pressmark.registry.report.formats import Format
from pressmark.registry.report.gather import build


def register_report(
    registry: Registry,
    artifact: NamedNode,
    wanted: Format,
    circumstances: Circumstances,
    *,
    verified: bool = True,
    iri: NamedNode | None = None,
) -> KeptReport:
    """Writes a report, stores its bytes, and records who asked for it.

    Args:
        registry: Where the artifact is.
        artifact: What to report on.
        wanted: In which format.
        circumstances: By whom and where.
        verified: Whether to verify the artifact now; it reads its files.
        iri: What the report is to be called; a new UUID by default.

    Raises:
        NotFoundError: There is no such artifact.
        InvalidInputError: It is retired: reports on it can be read, but no more are recorded.
    """
    refuse_retired(registry, artifact, "no report on it can be registered any more")
    began = utc_now()
    report = build(registry, artifact, verified=verified)
    body = wanted.write(report, registry)
    with registry.blobs.lease():
        digest = registry.blobs.put_bytes(body)
        ended = utc_now()
        new = NewReport(
            iri=iri or new_iri(),
            about=artifact,
            name=f"{report.artifact.name}.report{wanted.suffix}",
            media_type=wanted.media_type,
            sha256=digest,
            size=len(body),
            journal_head=report.head,
            holds=None if report.verification is None else report.verification.ok,
            generated_at=ended,
        )
        activity = Occurrence(
            iri=new_iri(), started_at=began, ended_at=ended, circumstances=circumstances
        )
        registry.commit(activities.reporting(activity, new))
    return kept_report(registry, new.iri)
