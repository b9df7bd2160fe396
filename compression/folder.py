"""What lies in a model folder, found out without trusting it.

A folder comes from elsewhere: it may hold pickles (which run code when loaded), links to places
outside, or an index that names files elsewhere. All of that is refused before anything is read.
Links are allowed in one case: a snapshot of the Hugging Face hub cache, whose files are links to
``../../blobs`` of the same cached repository.
"""

from __future__ import annotations

import fnmatch
import re
import stat
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from pressmark.compression.architecture import read_json
from pressmark.compression.errors import ModelFileError
from pressmark.registry.folders import is_unicode

STOCK_WEIGHTS: Final = "model.safetensors"
OWN_PREFIX: Final = "pressmark-"
"""Weight files of this prefix are not found by stock code, which would load them wrongly."""

PICKLE_SUFFIXES: Final = frozenset(
    {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill"}
)
_WEIGHT_SUFFIXES: Final = PICKLE_SUFFIXES | {
    *{".safetensors", ".gguf", ".ggml", ".h5", ".msgpack", ".onnx", ".onnx_data", ".tflite"},
    *{".ot", ".mlmodel", ".pb", ".keras"},
}
_PICKLE_MAGIC: Final = re.compile(rb"\x80[\x02-\x05]")
_ZIP_MAGIC: Final = b"PK\x03\x04"
_INDEX_HINT: Final = "fetch the index again, together with its weights"
_IGNORED: Final = frozenset({".git", ".cache", ".huggingface", ".DS_Store", "__pycache__"})


def list_files(folder: Path, exclude: Sequence[str] = ()) -> dict[str, Path]:
    """Lists the files of a model folder, each checked.

    Args:
        folder: The folder; below it, `.git` and download caches are left out.
        exclude: Patterns (`fnmatch`) of names to leave out unchecked.

    Returns:
        Name (relative, with "/") -> the regular file that holds the bytes, sorted by name.

    Raises:
        ModelFileError: A file is a pickle, a link that leaves the folder, or no regular file, or
            its name is not UTF-8.
    """
    if not folder.is_dir():
        raise ModelFileError(f"there is no folder {folder}", "give the path of a model folder")
    names = sorted(path.relative_to(folder).as_posix() for path in _walk(folder))
    kept = [n for n in names if not any(fnmatch.fnmatch(n, pattern) for pattern in exclude)]
    return {name: _checked(folder, name) for name in kept}


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in _IGNORED:
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
        else:
            yield path


def _checked(folder: Path, name: str) -> Path:
    if not is_unicode(name):
        raise ModelFileError("has a name that is not UTF-8", "rename it", file=ascii(name))
    path = folder / name
    real = _resolve(folder, path, name)
    if not stat.S_ISREG(real.stat().st_mode):
        raise ModelFileError("is neither a file nor a folder", "remove it", file=name)
    if path.suffix.lower() in PICKLE_SUFFIXES or _is_pickle(real):
        raise ModelFileError(
            "is a pickle, and loading a pickle runs whatever code it holds",
            "use the model's safetensors files and leave this one out",
            file=name,
        )
    return real


def _resolve(folder: Path, path: Path, name: str) -> Path:
    if not path.is_symlink():
        return path
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise ModelFileError(
            "is a link that leads nowhere", "fetch the model again, or remove the link", file=name
        ) from error
    home = folder.resolve()
    if real.is_relative_to(home) and real.is_file():
        return real
    blobs = home.parent.parent / "blobs"
    if home.parent.name == "snapshots" and real.is_relative_to(blobs.resolve()):
        return real
    raise ModelFileError(
        "is a link out of the model folder", "copy the file that is meant there", file=name
    )


def _is_pickle(file: Path) -> bool:
    with file.open("rb") as stream:
        start = stream.read(9)
    if start.startswith(_ZIP_MAGIC):
        return _is_torch_archive(file)
    # A safetensors header of 640 bytes begins like a pickle too, but then JSON follows.
    return bool(_PICKLE_MAGIC.match(start)) and start[8:] != b"{"


def _is_torch_archive(file: Path) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            return any(name.endswith((".pkl", ".pickle")) for name in archive.namelist())
    except zipfile.BadZipFile:
        return True  # begins like an archive and is none: nothing that a model needs


def weight_files(files: Mapping[str, Path]) -> tuple[str, ...]:
    """Picks the safetensors files that make up the model, sorted.

    That is what an index names, else the one unsharded file; files of the `pressmark-` prefix win.

    Args:
        files: As `list_files` gives them.

    Raises:
        ModelFileError: There are none, or an index names a file that is not there or elsewhere.
    """
    for stock in (OWN_PREFIX + STOCK_WEIGHTS, STOCK_WEIGHTS):
        if (index := stock + ".index.json") in files:
            return tuple(_indexed(files, index, name) for name in shards(files[index]))
        if stock in files:
            return (stock,)
    raise ModelFileError(
        f"there is neither {STOCK_WEIGHTS} nor {STOCK_WEIGHTS}.index.json in the folder",
        "only safetensors are read; for a GGUF file run the step convert/gguf",
    )


def index_file(files: Mapping[str, Path]) -> str | None:
    """The name of the index that `weight_files` goes by, if there is one."""
    names = [prefix + STOCK_WEIGHTS + ".index.json" for prefix in (OWN_PREFIX, "")]
    return next((name for name in names if name in files), None)


def shards(index: Path) -> tuple[str, ...]:
    """The weight files that an index names, sorted.

    Raises:
        ModelFileError: The index is malformed or names a file outside the folder.
    """
    found = weight_map(index)
    for tensor, name in found.items():
        if name != Path(name).name or "\\" in name or name in {"", ".", ".."}:
            raise ModelFileError(
                f"names the file {name!r}, which is not in this folder",
                "an index may only name files beside it",
                file=index.name,
                tensor=tensor,
            )
    return tuple(sorted(set(found.values())))


def weight_map(index: Path) -> dict[str, str]:
    """Which file each tensor is in, as an index says.

    Raises:
        ModelFileError: It does not map names to names.
    """
    found = read_json(index).get("weight_map")
    if not isinstance(found, dict) or not found:
        raise ModelFileError("has no 'weight_map'", _INDEX_HINT, file=index.name)
    for tensor, name in found.items():
        if not isinstance(name, str):
            raise ModelFileError(f"maps to {name!r}", _INDEX_HINT, file=index.name, tensor=tensor)
    return found


def _indexed(files: Mapping[str, Path], index: str, name: str) -> str:
    if name not in files:
        raise ModelFileError(
            f"is named by {index} but is not in the folder", "fetch the missing shard", file=name
        )
    if not name.endswith(".safetensors"):
        raise ModelFileError(
            f"is named by {index} but is no safetensors file", _INDEX_HINT, file=name
        )
    return name


def is_sidecar(name: str) -> bool:
    """Tells whether a file goes along unchanged when weights change.

    Configuration, tokenizer, licence and model card do; weights in any format and indices do not.
    """
    path = Path(name)
    return path.suffix.lower() not in _WEIGHT_SUFFIXES and not path.name.endswith(".index.json")
