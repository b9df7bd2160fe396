"""The files of artifacts: out of the blob store into a folder, and from a folder into it."""

from __future__ import annotations

from pathlib import Path

from pressmark.compression.errors import CompressionError
from pressmark.compression.history import StoredArtifact
from pressmark.compression.step import Progress
from pressmark.registry import cache
from pressmark.registry.descriptions import FileEntry
from pressmark.registry.folders import safe_name
from pressmark.registry.ids import sha256_file
from pressmark.registry.registry import Registry


def materialise(
    registry: Registry, artifact: StoredArtifact, folder: Path, progress: Progress | None = None
) -> Path:
    """Writes an artifact's files into a new folder, each checked against its digest.

    Raises:
        CompressionError: The artifact's bytes were never in this registry.
        InvalidInputError: A recorded name leaves the folder.
        BlobMissingError: A file is gone.
        BlobDamagedError: A file is not what was recorded.
    """
    if not artifact.files:
        raise CompressionError(
            f"'{artifact.name}' ({artifact.iri.value}) is known by name only",
            "import its files to work with it",
        )
    folder.mkdir(parents=True)
    files = artifact.files
    label = f"fetching {artifact.name}"
    for file in progress.track(files, len(files), label) if progress else files:
        target = folder / safe_name(file.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        cache.materialise(registry.blobs, registry.root, file.sha256, target)
    return folder


def store_folder(registry: Registry, folder: Path, progress: Progress) -> tuple[FileEntry, ...]:
    """Stores every file of a folder as a blob; call it under `registry.blobs.lease()`."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    with registry.blobs.batch():
        return tuple(
            FileEntry(
                path.relative_to(folder).as_posix(),
                registry.blobs.put_file(path),
                path.stat().st_size,
            )
            for path in progress.track(paths, len(paths), "storing")
        )


def hash_folder(folder: Path) -> dict[str, str]:
    """Relative name -> SHA-256 of every file of a folder."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in paths}
