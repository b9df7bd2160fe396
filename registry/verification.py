"""What a verification found: plain values, the same for an artifact and for a whole registry."""

from __future__ import annotations

from dataclasses import dataclass

from pyoxigraph import NamedNode


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        place: The journal line, bundle, file or edge.
        problem: What is wrong there; names the tensor or the triple where it is one.
    """

    place: str
    problem: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"


@dataclass(frozen=True)
class CheckResult:
    """The result of one check.

    Attributes:
        name: ``journal``, ``bundles``, ``graph``, ``shapes``, ``files`` or ``evidence``.
        examined: How many lines, bundles, statements, records, files or verdicts were looked at.
        findings: What is wrong; empty if nothing is.
    """

    name: str
    examined: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


@dataclass(frozen=True)
class Verification:
    """What was verified, and how it came out.

    Attributes:
        subject: The artifact; None for the whole registry.
        checks: One result per check.
        entries: Number of journal entries at the time.
        head: Digest of the last of them: compare it with the one that was kept elsewhere.
        root: Root of the Merkle tree over them, hexadecimal.
    """

    subject: NamedNode | None
    checks: tuple[CheckResult, ...]
    entries: int
    head: str
    root: str

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong anywhere."""
        return all(check.ok for check in self.checks)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that is wrong."""
        return tuple(finding for check in self.checks for finding in check.findings)
