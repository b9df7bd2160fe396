"""What lies in a model folder, found out without trusting it.

A folder comes from elsewhere: it may hold pickles (which run code when loaded), links to places
outside, or an index that names files elsewhere. All of that is refused before anything is read.
`pressmark.registry.folders` says which files there are, and which links may be followed.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pressmark.compression.architecture import read_json
from pressmark.compression.errors import ModelFileError
from pressmark.registry import folders
from pressmark.registry.errors import FileRefusedError, InvalidInputError

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


def list_files(folder: Path, exclude: Sequence[str] = ()) -> dict[str, Path]:
    """Lists the files of a model folder, each checked.

    Args:
        folder: The folder; below it, `folders.IGNORED` is left out.
        exclude: Patterns (`fnmatch`) of names to leave out unchecked.

    Returns:
        Name (relative, with "/") -> the regular file that holds the bytes, sorted by name.

    Raises:
        ModelFileError: A file is a pickle, a link that leaves the folder, or no regular file, or
            its name is not UTF-8.
    """
    if not folder.is_dir():
        raise ModelFileError(f"there is no folder {folder}", "give the path of a model folder")
    try:
        files = folders.list_files(folder, exclude)
    except FileRefusedError as error:
        raise ModelFileError(error.problem, error.hint, file=error.file) from error
    except InvalidInputError as error:
        raise ModelFileError(error.message, error.hint) from error
    for name, file in files.items():
        _refuse_pickle(name, file)
    return files


def _refuse_pickle(name: str, file: Path) -> None:
    if Path(name).suffix.lower() in PICKLE_SUFFIXES or _is_pickle(file):
        raise ModelFileError(
            "is a pickle, and loading a pickle runs whatever code it holds",
            f"use the model's safetensors files and leave this one out: --exclude '{name}'",
            file=name,
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
