"""What the command line's exit status means.

| code | meaning |
|---|---|
| 0 | done; the answer is yes; a service was told to end |
| 1 | the answer is no: verification failed, an edge is refuted, two things differ |
| 2 | the command line itself is wrong |
| 3 | nothing, or more than one thing, has that name |
| 4 | the input was refused: a recipe, a model file, a record |
| 5 | the registry is locked, damaged or of another version, or a disk is full |
| 6 | a step failed; the failure is recorded |
| 70 | a defect of Pressmark itself |
| 130 | interrupted; the run can be resumed |
| 141 | whoever read the output had enough; as for any program in a pipe |
"""

from typing import Final

from pressmark.api.cli import closed_pipe
from pressmark.api.errors import DetachedError
from pressmark.compression import errors as compression
from pressmark.registry import errors as registry

OK: Final = 0
ANSWER_IS_NO: Final = 1
USAGE: Final = 2
NOT_FOUND: Final = 3
REFUSED: Final = 4
STORE: Final = 5
STEP_FAILED: Final = 6
DEFECT: Final = 70
INTERRUPTED: Final = 130
CLOSED_PIPE: Final = closed_pipe.STATUS

# The first class that fits decides, so a subclass stands before its parent.
_BY_ERROR: Final[tuple[tuple[type[registry.PressmarkError], int], ...]] = (
    (registry.NotFoundError, NOT_FOUND),
    (registry.AmbiguousNameError, NOT_FOUND),
    (registry.StoreError, STORE),
    (registry.BlobError, STORE),
    (compression.RunAbortedError, INTERRUPTED),
    (DetachedError, INTERRUPTED),
    (compression.StepRefutedError, ANSWER_IS_NO),
    (compression.StepFailedError, STEP_FAILED),
)


def of(error: registry.PressmarkError) -> int:
    """The exit status for an error."""
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), REFUSED)
