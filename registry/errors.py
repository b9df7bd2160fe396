"""What the registry raises: one tree, drawn here.

::

    PressmarkError
    ├── NotFoundError           nothing is known under this name
    ├── AmbiguousNameError      a name fits several things
    ├── InvalidInputError       an argument, a file or an RDF document is malformed
    │   ├── FileRefusedError    a file that must not be taken in, such as a link out of its folder
    │   └── ConflictError       it does not go with what is here, such as retiring what is retired
    ├── MissingPackageError     something needs a package that comes with an extra
    ├── RecordRefusedError      a record breaks the shapes; nothing was stored
    ├── StoreError
    │   ├── StoreLockedError    nothing can be written now: another process is writing
    │   │   └── StoreReadOnlyError  nothing can be written by this user or on this disk
    │   ├── StoreVersionError   the store was written by another version
    │   ├── StoreDamagedError   the journal, a bundle or the graph is not what it was
    │   └── StorageFullError    no space left; nothing was acknowledged
    └── BlobError
        ├── BlobMissingError    bytes that a record names are not here
        └── BlobDamagedError    bytes that are here have another digest

`pressmark.compression.errors` grows its own branch from `PressmarkError`. Libraries raise,
the command line alone prints, the HTTP interface maps each class once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar


@dataclass(frozen=True, order=True)
class Violation:
    """One reason why a record does not conform.

    Attributes:
        focus: IRI of the node that is wrong.
        path: IRI of the property that is wrong, or "" where the node itself is.
        shape: Name of the constraint, as in ``ontology/shapes.ttl``.
        message: What is wrong and what to do, for a person.
        value: The offending value as N-Triples text, or "".
    """

    focus: str
    path: str
    shape: str
    message: str
    value: str = ""

    def __str__(self) -> str:
        where = f"{self.focus} {self.path}".rstrip()
        found = f" (found: {self.value})" if self.value else ""
        return f"{where}: {self.message}{found} [{self.shape}]"


class PressmarkError(Exception):
    """The root of all errors that Pressmark raises on purpose.

    Both texts are clauses in lower case without a full stop: they follow ``error:`` and ``try:``.

    Attributes:
        message: What happened, and to which artifact, file or tensor.
        hint: What to do next.
        advice: The hint where whoever raises has no better one.
    """

    advice: ClassVar[str] = "pressmark --help lists what can be done"

    def __init__(self, message: str, hint: str = "") -> None:
        hint = hint or self.advice
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class NotFoundError(PressmarkError):
    """Nothing is known under the given name."""

    advice = "pressmark ls lists what there is"


class AmbiguousNameError(PressmarkError):
    """A name fits more than one thing; the message lists them."""

    advice = "give more digits of the UUID"


class InvalidInputError(PressmarkError):
    """An argument, a file or an RDF document is malformed."""

    advice = "correct what was given; pressmark COMMAND --help says what is taken"


class ConflictError(InvalidInputError):
    """What is asked does not go with what is here now."""


class FileRefusedError(InvalidInputError):
    """A file must not be taken in from its folder.

    Attributes:
        file: Its name inside the folder.
        problem: What is wrong with it.
    """

    def __init__(self, folder: Path, file: str, problem: str, hint: str) -> None:
        self.file = file
        self.problem = problem
        super().__init__(f"{folder / file} {problem}", hint)


class MissingPackageError(PressmarkError):
    """Something needs a package that comes with an extra, such as torch."""

    advice = "pip install 'pressmark[all]'"


class RecordRefusedError(PressmarkError):
    """A record breaks the shapes, and nothing of it was stored.

    Attributes:
        violations: Every reason found.
    """

    advice = "correct what each line names, and commit it again"

    def __init__(self, violations: Sequence["Violation"], hint: str = "") -> None:
        self.violations = tuple(violations)
        count = len(self.violations)
        lines = "\n".join(f"  - {violation}" for violation in self.violations)
        reasons = "reason" if count == 1 else "reasons"
        super().__init__(f"the record was refused for {count} {reasons}:\n{lines}", hint)


class StoreError(PressmarkError):
    """Something about the place where the registry keeps its data."""

    advice = "pressmark fsck says what is wrong with the registry"


class StoreLockedError(StoreError):
    """Another process holds the write lock."""

    advice = "try again when the other process has finished"


class StoreReadOnlyError(StoreLockedError):
    """This user may not write to the store, or nobody may: it is on a read-only file system."""

    advice = "use an account that may write there, or another registry"


class StoreVersionError(StoreError):
    """The store was written by a version that this one does not read."""

    advice = "pip install --upgrade pressmark"


class StoreDamagedError(StoreError):
    """The journal, a bundle or the graph is not what was committed."""

    advice = "pressmark fsck names what is damaged; pressmark restore brings it back"


class StorageFullError(StoreError):
    """No space was left while writing; nothing was acknowledged."""

    advice = "free space, then repeat the command"


class BlobError(PressmarkError):
    """Something about content-addressed bytes."""

    advice = "pressmark fsck names the bytes; pressmark pull or restore brings them back"


class BlobMissingError(BlobError):
    """Bytes that a record names are not in the blob store."""


class BlobDamagedError(BlobError):
    """Bytes in the blob store do not have the digest they are named by."""
