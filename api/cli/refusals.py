"""What other libraries and the operating system raise, as errors with a reason and a next step."""

import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pressmark.registry.config import FILE_NAME
from pressmark.registry.errors import (
    InvalidInputError,
    MissingPackageError,
    PressmarkError,
    StorageFullError,
    StoreError,
)
from pressmark.registry.folders import is_unicode

if TYPE_CHECKING:
    from pydantic import ValidationError

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_HINTS: Final = {
    errno.ENOENT: "make the folder first, or name another one",
    errno.EISDIR: "name a file",
    errno.ENOTDIR: "name a folder",
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS), "get the right to it, or name another place"
    ),
    **dict.fromkeys(_FULL, "free space, then repeat the command"),
}
_OF_THE_SERVICE: Final = frozenset({"fastapi", "starlette", "uvicorn", "httpx2"})


def refuse_what_is_no_text(arguments: Iterable[str]) -> None:
    """Refuses arguments that are not UTF-8, which no name in a registry is, but for files.

    Raises:
        InvalidInputError: Naming the argument.
    """
    for argument in arguments:
        if not is_unicode(argument) and not os.path.lexists(argument):
            raise InvalidInputError(
                f"{argument!a} is not UTF-8, and every name here is", "write it in UTF-8"
            )


def explained(error: Exception) -> PressmarkError | None:
    """What is wrong, for a person; None if this can only be a defect of Pressmark itself."""
    if isinstance(error, PressmarkError):
        return error
    if isinstance(error, OSError):
        return _refused_by_system(error)
    if isinstance(error, ModuleNotFoundError):
        return _missing_package(error)
    return _malformed(error)


def _refused_by_system(error: OSError) -> PressmarkError:
    reason = error.strerror or str(error)
    where = "" if error.filename is None else os.fsdecode(error.filename)
    hint = _HINTS.get(error.errno or 0, "name another file or folder")
    kind: type[PressmarkError] = InvalidInputError
    if error.errno in _FULL:
        kind = StorageFullError
    elif where and _in_a_registry(Path(where)):
        kind, hint = StoreError, "pressmark fsck tells what is damaged"
    return kind(f"{where}: {reason}" if where else reason, hint)


def _in_a_registry(path: Path) -> bool:
    # Not Path.is_file: it raises where a folder may not be read.
    return any(os.path.isfile(folder / FILE_NAME) for folder in path.parents)  # noqa: PTH113


def _missing_package(error: ModuleNotFoundError) -> PressmarkError | None:
    package = (error.name or "").partition(".")[0]
    if package in ("", "pressmark"):
        return None
    extra = "api" if package in _OF_THE_SERVICE else "compress"
    return MissingPackageError(
        f"this needs the package {package}, which is not installed",
        f"pip install 'pressmark[{extra}]'",
    )


def _malformed(error: Exception) -> PressmarkError | None:
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return None
    return InvalidInputError("; ".join(_reasons(error)), "--help tells what is allowed")


def _reasons(error: "ValidationError") -> list[str]:
    found = []
    for one in error.errors(include_url=False):
        place = ".".join(str(part) for part in one["loc"])
        reason = one["msg"].removeprefix("Value error, ")
        found.append(f"{place}: {reason}" if place else reason)
    return found
