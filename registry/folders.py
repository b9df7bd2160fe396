"""Which files a folder gives to the registry: all of them, and none from elsewhere.

A symbolic link may not leave the folder, except that a snapshot of a Hugging Face cache links to
``../../blobs`` of the same cache. Anything else would take in bytes that its owner never named.
"""

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pressmark.registry.descriptions import FileEntry
from pressmark.registry.errors import InvalidInputError, NotFoundError
from pressmark.registry.ids import sha256_file

IGNORED: Final = frozenset({".git", ".cache", "__pycache__", ".DS_Store"})
"""Names that are no part of an artifact, wherever they are."""


def list_files(path: Path) -> dict[str, Path]:
    """Lists the files of an artifact on disk.

    Args:
        path: A folder, or a single file.

    Returns:
        Name (relative, with "/" between folders) -> the regular file with the bytes, sorted.

    Raises:
        NotFoundError: There is nothing at the path.
        InvalidInputError: A link leads out of the folder or nowhere, an entry is no regular file,
            its name is not UTF-8, or there are no files at all.
    """
    if not path.exists():
        raise NotFoundError(f"There is no file or folder {path}.")
    if path.is_file():
        return {_named(path.name): path.resolve()}
    found = {_named(e.relative_to(path).as_posix()): _checked(path, e) for e in _walk(path)}
    if not found:
        raise InvalidInputError(f"The folder {path} has no files.")
    return dict(sorted(found.items()))


def entries(files: Mapping[str, Path]) -> tuple[FileEntry, ...]:
    """Hashes files, as `list_files` gives them."""
    return tuple(
        FileEntry(name, sha256_file(path), path.stat().st_size) for name, path in files.items()
    )


def is_unicode(text: str) -> bool:
    """Whether it has no lone surrogates, which stand for bytes of a name that are not UTF-8."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _walk(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name in IGNORED:
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _walk(entry)
        else:
            yield entry


def _named(name: str) -> str:
    if not is_unicode(name):
        raise InvalidInputError(f"The file name {name!a} is not UTF-8.", "Rename the file.")
    return name


def _checked(folder: Path, entry: Path) -> Path:
    if not entry.is_symlink():
        if not stat.S_ISREG(entry.lstat().st_mode):
            raise InvalidInputError(f"{entry} is neither a file nor a folder.")
        return entry
    home = folder.resolve()
    try:
        target = entry.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise InvalidInputError(f"{entry} is a link that leads nowhere.") from error
    if not target.is_file() or not any(target.is_relative_to(place) for place in _homes(home)):
        raise InvalidInputError(
            f"{entry} is a link out of the folder, to {entry.readlink()}.",
            "Copy what it points to into the folder.",
        )
    return target


def _homes(home: Path) -> tuple[Path, ...]:
    """Where links may lead: the folder, and the blobs of the cache whose snapshot it is."""
    if home.parent.name == "snapshots":
        return home, home.parent.parent / "blobs"
    return (home,)
