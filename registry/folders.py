"""Which files a folder gives to the registry: all of them, and none from elsewhere.

A symbolic link may not leave the folder, except that a snapshot of a Hugging Face cache links to
``../../blobs`` of the same cache. Anything else would take in bytes that its owner never named.
"""

import stat
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Final

from pressmark.registry.descriptions import FileEntry
from pressmark.registry.errors import FileRefusedError, InvalidInputError, NotFoundError
from pressmark.registry.ids import sha256_file

IGNORED: Final = frozenset({".git", ".cache", ".huggingface", "__pycache__", ".DS_Store"})
"""Names that are no part of an artifact, wherever they are."""


def list_files(path: Path, exclude: Sequence[str] = ()) -> dict[str, Path]:
    """Lists the files of an artifact on disk.

    Args:
        path: A folder, or a single file.
        exclude: Patterns (`fnmatch`) of names in the folder to leave out unseen.

    Returns:
        Name (relative, with "/" between folders) -> the regular file with the bytes, sorted.

    Raises:
        NotFoundError: There is nothing at the path.
        FileRefusedError: A link leads out of the folder or nowhere, an entry is no regular file, or
            its name is not UTF-8 or not safe everywhere (`safe_name`).
        InvalidInputError: There are no files at all.
    """
    if not path.exists():
        raise NotFoundError(f"there is no file or folder {path}")
    if path.is_file():
        return {_named(path.parent, path.name): path.resolve()}
    names = (entry.relative_to(path).as_posix() for entry in _walk(path))
    kept = sorted(n for n in names if not any(fnmatch(n, pattern) for pattern in exclude))
    if not kept:
        raise InvalidInputError(f"the folder {path} has no files", "give the path of a model")
    return {_named(path, name): _checked(path, name) for name in kept}


def entries(files: Mapping[str, Path]) -> tuple[FileEntry, ...]:
    """Hashes files, as `list_files` gives them."""
    return tuple(
        FileEntry(name, sha256_file(path), path.stat().st_size) for name, path in files.items()
    )


def local_path(path: Path | str, hint: str = "name a file or folder here") -> Path:
    """A path of this machine, given as such or as a ``file:`` URL.

    Raises:
        InvalidInputError: It is a URL of another place, of which a path would make folders here.
    """
    text = str(path)
    if "://" in text.removeprefix("file://"):
        raise InvalidInputError(f"{text} is not on this machine", hint)
    return Path(text.removeprefix("file://"))


def is_unicode(text: str) -> bool:
    """Whether it has no lone surrogates, which stand for bytes of a name that are not UTF-8."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def safe_name(name: str) -> PurePosixPath:
    """Checks that a recorded file name stays inside the folder that it is written to, anywhere.

    `list_files` takes in no other name, so whatever was stored can be written again.

    Raises:
        InvalidInputError: It is absolute, climbs with "..", is no plain relative name, or holds a
            backslash, a colon or what cannot be printed, which other systems read as a way out.
    """
    if not _is_plain(name):
        raise InvalidInputError(
            f"the recorded file name {name!r} does not stay inside the target folder",
            "nothing was written; whoever made this record meant harm or made a mistake",
        )
    return PurePosixPath(name)


def new_file(folder: Path, name: str) -> Path:
    """Where a file of an artifact goes in a folder, in which each name is used once.

    Args:
        folder: The folder.
        name: The file's name in the artifact; folders on its way are made.

    Raises:
        InvalidInputError: The name is not safe (`safe_name`), was used, or is the name of a folder
            or of something that is no part of an artifact (`IGNORED`).
    """
    relative = safe_name(name)
    if ignored := IGNORED.intersection(relative.parts):
        raise InvalidInputError(
            f"{name!r} is no part of an artifact: {', '.join(sorted(ignored))} is left out",
            "leave it out",
        )
    target = folder / relative
    taken = target.exists() or any(
        (folder / above).is_file() for above in relative.parents if above.name
    )
    if taken:
        raise InvalidInputError(f"{name} is named twice", "give each file a name of its own")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _is_plain(name: str) -> bool:
    path = PurePosixPath(name)
    plain = str(path) == name and name not in ("", ".") and name.isprintable()
    inside = not path.is_absolute() and ".." not in path.parts
    return plain and inside and not set(name) & {"\\", ":"}


def _walk(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.name in IGNORED:
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _walk(entry)
        else:
            yield entry


def _named(folder: Path, name: str) -> str:
    if not is_unicode(name):
        raise FileRefusedError(folder, ascii(name), "has a name that is not UTF-8", "rename it")
    if not _is_plain(name):
        problem = "has a name with a backslash, a colon or an unprintable character"
        raise FileRefusedError(folder, ascii(name), problem, "rename it")
    return name


def _checked(folder: Path, name: str) -> Path:
    entry = folder / name
    if not entry.is_symlink():
        if not stat.S_ISREG(entry.lstat().st_mode):
            raise FileRefusedError(folder, name, "is neither a file nor a folder", "remove it")
        return entry
    try:
        target = entry.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        hint = "remove the link, or fetch what it points to"
        raise FileRefusedError(folder, name, "is a link that leads nowhere", hint) from error
    homes = _homes(folder.resolve())
    if not target.is_file() or not any(target.is_relative_to(home) for home in homes):
        problem = f"is a link out of the folder, to {entry.readlink()}"
        hint = "copy what it points to into the folder"
        raise FileRefusedError(folder, name, problem, hint)
    return target


def _homes(home: Path) -> tuple[Path, ...]:
    """Where links may lead: the folder, and the blobs of the cache whose snapshot it is."""
    if home.parent.name == "snapshots":
        return home, home.parent.parent / "blobs"
    return (home,)
