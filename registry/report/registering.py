"""Reports that are kept: each is an entity of its own, recorded and never changed.

A kept report holds no names of people. Its bytes belong to the history, which is never erased, and
names must stay erasable; so agents appear in it by their opaque identifiers.
"""

from dataclasses import dataclass

from pyoxigraph import NamedNode

from pressmark.registry import activities
from pressmark.registry.errors import NotFoundError
from pressmark.registry.facts import Reader, local_name, node, text
from pressmark.registry.graph import Row
from pressmark.registry.ids import new_iri, utc_now
from pressmark.registry.lifecycle import refuse_retired
from pressmark.registry.occurrences import Circumstances, NewReport, Occurrence
from pressmark.registry.registry import Registry
from pressmark.registry.report.formats import Format
from pressmark.registry.report.gather import build


@dataclass(frozen=True)
class KeptReport:
    """A report that was registered.

    Attributes:
        iri: The report.
        artifact: What it reports on.
        name: For a person.
        media_type: Its format.
        sha256: Digest of its bytes.
        size: Bytes.
        journal_head: The head of the journal that it tells of.
        integrity: What verifying found then: "holds", "refuted", or "inconclusive" where nothing
            was verified.
        generated_at: When it was written.
        agent: Opaque identifier of whoever asked for it.
        sequence: Its place in the journal.
    """

    iri: NamedNode
    artifact: NamedNode
    name: str
    media_type: str
    sha256: str
    size: int
    journal_head: str
    integrity: str
    generated_at: str
    agent: str
    sequence: int


@dataclass(frozen=True)
class KeptReports:
    """The registered reports on an artifact, oldest first."""

    reports: tuple[KeptReport, ...]


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
            name=f"audit report of {report.artifact.name}",
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


def kept_reports(reader: Reader, artifact: NamedNode) -> tuple[KeptReport, ...]:
    """The registered reports on an artifact, oldest first."""
    return tuple(_kept(row) for row in reader.rows("reports", artifact=artifact))


def kept_report(reader: Reader, report: NamedNode) -> KeptReport:
    """What is known of a registered report.

    Raises:
        NotFoundError: There is no such report.
    """
    rows = reader.rows("reports", report=report)
    if not rows:
        message = f"{report.value} is no report of this registry"
        raise NotFoundError(message, "pressmark show lists the reports on an artifact")
    return _kept(rows[0])


def _kept(row: Row) -> KeptReport:
    return KeptReport(
        iri=node(row, "report"),
        artifact=node(row, "artifact"),
        name=row["name"].value,
        media_type=row["format"].value,
        sha256=row["sha256"].value,
        size=int(row["size"].value),
        journal_head=row["head"].value,
        integrity=local_name(node(row, "integrity")),
        generated_at=row["generatedAt"].value,
        agent=text(row, "agentId") or "",
        sequence=int(row["sequence"].value),
    )
