"""Step `import`: takes a model from elsewhere, byte for byte.

The source is a local model folder (also a snapshot in the Hugging Face hub cache, whose files are
links), a GGUF file, or a hub id. Nothing is changed and nothing is trusted: pickles, links out of
the folder, damaged files and weights that are not finite are refused before anything is recorded.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field

from pressmark.compression.architecture import CONFIG_FILE, read_json
from pressmark.compression.checkpoint import Checkpoint
from pressmark.compression.convert.ggml_blocks import FORMATS, restore
from pressmark.compression.convert.gguf_file import GgufFile
from pressmark.compression.errors import CompressionError, ModelFileError
from pressmark.compression.folder import list_files
from pressmark.compression.licenses import license_of, normal
from pressmark.compression.step import (
    Claim,
    Context,
    Estimate,
    Evidence,
    Inputs,
    Output,
    Produced,
    Progress,
    Step,
    Workload,
)
from pressmark.compression.tensors import SCANNING
from pressmark.ontology.terms import PM
from pressmark.registry.ids import sha256_file

HUB_PATTERNS: Final = (
    *("*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json"),
    *("tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "added_tokens.json"),
    *("*.jinja", "*.model", "README.md", "LICENSE*", "NOTICE*", "USE_POLICY*"),
)
"""What is fetched from the hub; never a pickle."""

_HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_SCAN: Final = 1 << 22


@dataclass(frozen=True)
class Source:
    """Where a model is taken from.

    Attributes:
        path: The folder, or the GGUF file.
        files: The files to take, by the name that they get.
        revision: The commit of a hub repository; "" if there is none.
    """

    path: Path
    files: Mapping[str, Path]
    revision: str = ""


def anchored(source: str) -> str:
    """Names a local source so that it means the same from every working folder.

    What lies in the home folder begins with "~": a record is for ever, and the folder's name is
    often a person's. What is not there stays as it is: a hub id, or a source that is gone.
    """
    path = _on_disk(source)
    if not path.exists():
        return source
    path, home = path.absolute(), _on_disk("~")
    at_home = len(home.parts) > 1 and path.is_relative_to(home)
    return f"~/{path.relative_to(home)}" if at_home else str(path)


class Import(Step):
    """Takes a model in, unchanged, and says where it is from and under which licence."""

    name: ClassVar[str] = "import"
    version: ClassVar[str] = "1"
    activity = PM.Import
    produces = PM.BaseModel
    roles: ClassVar[tuple[str, ...]] = ()

    source: Annotated[str, Field(min_length=1), AfterValidator(anchored)]
    """A model folder, a .gguf file, or a hub id such as "org/model"; see `anchored`."""
    revision: str | None = None
    """Branch, tag or commit of a hub id; the commit that it stands for is recorded. A local source
    has none, but for a snapshot of the hub's cache, which is one commit."""
    license: str | None = None
    """The licence, if the files do not state it or state it wrongly."""
    exclude: tuple[str, ...] = ()
    """Patterns of file names to leave out, e.g. "*.bin"."""

    def reads_disk(self) -> bool:
        """Whether the source is anything else than a hub id."""
        return _HUB_ID.fullmatch(self.source) is None or _on_disk(self.source).exists()

    def preflight(self, progress: Progress) -> None:
        """Reads the source completely, so that what must not be imported is no run at all.

        Raises:
            CompressionError: Naming the file and the tensor that is wrong.
        """
        found = self.locate()
        files = found.files.items()
        for name, file in progress.track(files, len(files), "looking at the files"):
            _require_published_digest(file, name)
        validate(found.path, self.exclude, progress)

    def apply(self, inputs: Inputs, context: Context) -> Output:  # noqa: ARG002 - it has none
        """Copies the files. `preflight` has read the source, `check` reads the copy."""
        found = self.locate()
        for name in context.progress.track(found.files, len(found.files), "copying"):
            target = context.output / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found.files[name], target)
        facts: dict[str, str | int | float | bool] = {"importedFrom": self.source}
        if gguf := _gguf(list_files(context.output)):
            facts["parameterCount"] = sum(t.count for t in GgufFile.open(gguf).tensors.values())
        if found.revision:
            facts["sourceRevision"] = found.revision
        return Output(context.output, license=self._license(context.output), attributes=facts)

    def check(
        self,
        inputs: Inputs,  # noqa: ARG002 - it has none
        output: Produced,
        context: Context,
    ) -> Evidence:
        """Validates the stored files again, and compares them with the source if it still is there.

        A source that has changed since is no contradiction: it is not what was imported.
        """
        claims = [_valid(output.folder, context.progress)]
        try:
            now = self.locate().files
        except CompressionError:
            now = {}
        stored = list_files(output.folder)
        if now.keys() == stored.keys() and all(_same(now[n], stored[n]) for n in stored):
            text = "the files are those at the source, byte for byte"
            claims.append(Claim(text, True, f"{len(stored)} files"))
        return Evidence(tuple(claims))

    def estimate(self, work: Workload) -> Estimate:  # noqa: ARG002 - the source is no input
        """A copy and one pass over the bytes; a hub id's size is not known before."""
        source = _on_disk(self.source)
        paths = source.rglob("*") if source.is_dir() else [source]
        size = sum(path.stat().st_size for path in paths if path.is_file())
        return Estimate(seconds=1 + size / 300e6, bytes=size)

    def locate(self) -> Source:
        """Finds the files to import.

        Raises:
            CompressionError: The source is nowhere, or must not be imported.
        """
        path = _on_disk(self.source)
        if path.exists():
            found = self._local(path)
            if self.revision in (None, found.revision):
                return found
            raise ModelFileError(
                f"{self.source} lies on this disk, "
                + (f"as the commit {found.revision}" if found.revision else "without revisions"),
                "leave out the revision; it belongs to a hub id",
            )
        if _HUB_ID.fullmatch(self.source):
            folder = fetch(self.source, self.revision)
            return Source(folder, list_files(folder, self.exclude), snapshot_revision(folder))
        raise ModelFileError(
            f"there is nothing at {self.source}",
            "give a model folder, a .gguf file, or a hub id such as org/model",
        )

    def _local(self, path: Path) -> Source:
        if path.is_dir():
            return Source(path, list_files(path, self.exclude), snapshot_revision(path))
        return _single_file(path)

    def _license(self, folder: Path) -> str:
        if self.license:
            return normal(self.license)
        files = list_files(folder)
        config = read_json(files[CONFIG_FILE]) if CONFIG_FILE in files else {}
        gguf = next((f for n, f in files.items() if n.endswith(".gguf")), None)
        return license_of(files, config, GgufFile.open(gguf).metadata if gguf else {})


def _on_disk(source: str) -> Path:
    """The path with the home folder for "~"; as it is where the system knows no such home."""
    try:
        return Path(source).expanduser()
    except RuntimeError:
        return Path(source)


def fetch(repository: str, revision: str | None) -> Path:
    """Fetches a hub repository's safetensors and small files into the hub's own cache.

    Returns:
        The snapshot folder, named by its commit.

    Raises:
        CompressionError: The hub cannot be reached, or does not give the repository.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        found = snapshot_download(repository, revision=revision, allow_patterns=list(HUB_PATTERNS))
    except (HfHubHTTPError, HFValidationError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise CompressionError(
            f"{repository} is no folder here and cannot be fetched from the hub: {reason}",
            "check the name, the revision, the network and HF_TOKEN, or give a local folder",
        ) from error
    return Path(found)


def snapshot_revision(folder: Path) -> str:
    """The commit of a hub-cache snapshot; "" for any other folder."""
    real = folder.resolve()
    is_snapshot = real.parent.name == "snapshots" and re.fullmatch(r"[0-9a-f]{40}", real.name)
    return real.name if is_snapshot else ""


def validate(path: Path, exclude: Sequence[str], progress: Progress) -> None:
    """Refuses what is neither a sound checkpoint nor one sound GGUF file; reads every byte.

    Args:
        path: A folder, or a GGUF file.
        exclude: Patterns of names in the folder that do not count.
        progress: Where a person watches.

    Raises:
        ModelFileError: Naming the file and the tensor.
    """
    gguf = path if path.is_file() else _gguf(list_files(path, exclude))
    if gguf is None:
        Checkpoint.open(path, exclude).check_finite(progress)
    else:
        _require_finite_blocks(GgufFile.open(gguf), progress)


def _gguf(files: Mapping[str, Path]) -> Path | None:
    """The GGUF file of a folder that is not a checkpoint."""
    found = [name for name in files if name.endswith(".gguf")]
    if not found or CONFIG_FILE in files:
        return None
    if len(found) > 1:
        raise ModelFileError(
            f"the folder holds several GGUF files: {', '.join(found)}", "import one of them"
        )
    return files[found[0]]


def _single_file(path: Path) -> Source:
    if path.suffix != ".gguf":
        raise ModelFileError(
            "is neither a model folder nor a GGUF file",
            "give the folder that it lies in",
            file=path.name,
        )
    return Source(path, {path.name: path.resolve()})


def _require_finite_blocks(source: GgufFile, progress: Progress) -> None:
    tensors = source.tensors.items()
    for name, tensor in progress.track(tensors, len(tensors), SCANNING):
        if tensor.kind in FORMATS and not all(_finite(source, name)):
            raise ModelFileError(
                "holds NaN or infinity",
                "the model is damaged; fetch it again",
                file=source.path.name,
                tensor=name,
            )


def _finite(source: GgufFile, name: str) -> Iterator[bool]:
    import numpy as np

    tensor = source.tensors[name]
    for rows in source.pieces(name, _SCAN):
        yield bool(np.isfinite(restore(tensor.kind, rows, tensor.block[1])).all())


def _valid(folder: Path, progress: Progress) -> Claim:
    text = "the files are complete, consistent and finite, and none can run code"
    try:
        validate(folder, (), progress)
    except ModelFileError as error:
        return Claim(text, False, error.message)
    return Claim(text, True)


def _same(one: Path, other: Path) -> bool:
    return one.stat().st_size == other.stat().st_size and sha256_file(one) == sha256_file(other)


def _require_published_digest(file: Path, name: str) -> None:
    """A blob of the hub cache is named by the digest that the hub published: it must have it."""
    if file.parent.name != "blobs":
        return
    published = file.name
    if re.fullmatch(r"[0-9a-f]{64}", published):
        digest = sha256_file(file)
    elif re.fullmatch(r"[0-9a-f]{40}", published):
        data = file.read_bytes()
        digest = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    else:
        return
    if digest != published:
        raise ModelFileError(
            f"has the digest {digest}, but the hub published {published}",
            "the download is damaged; delete it from the hub cache and fetch it again",
            file=name,
        )
