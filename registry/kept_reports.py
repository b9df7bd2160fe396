"""The audit reports that were registered: what is known of them, without writing any."""

from dataclasses import dataclass

from pyoxigraph import NamedNode

from pressmark.registry.errors import NotFoundError
from pressmark.registry.facts import Reader, local_name, node, text
from pressmark.registry.graph import Row


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
