"""Importing: the bytes stay and the facts are found, be it a folder, a snapshot or a GGUF file."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pydantic import ValidationError

from pressmark.compression.checkpoint import Checkpoint
from pressmark.compression.errors import CompressionError, ModelFileError
from pressmark.compression.importer import HUB_PATTERNS, Import
from pressmark.compression.licenses import license_of
from pressmark.compression.step import Context, Inputs, Output, Produced, Workload
from pressmark.registry.occurrences import NO_LICENSE

T = TypeVar("T")
Tiny = Callable[..., Path]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Quiet:
    def track(
        self, iterable: Iterable[T], total: int | None = None, label: str = ""
    ) -> Iterator[T]:
        return iter(iterable)

    def log(self, text: str) -> None:
        pass


def run(workdir: Path, source: Path | str, **parameters: Any) -> tuple[Output, Context, Import]:
    workdir.mkdir()
    context = Context(workdir, Quiet())
    step = Import.parse({"source": str(source), **parameters})
    step.preflight(context.progress)
    return step.apply(Inputs({}), context), context, step


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("shard", ["5GB", "20KB"])
def test_a_folder_stays_as_it_is(tiny_folder: Tiny, tmp_path: Path, shard: str) -> None:
    source = tiny_folder("qwen2", shard=shard)
    output, context, step = run(tmp_path / "x", source)
    assert contents(context.output) == contents(source)
    assert output.attributes == {"importedFrom": str(source)}
    assert output.license == NO_LICENSE
    assert step.check(Inputs({}), Produced(context.output), context).holds


def test_a_gguf_file_stays_as_it_is(tiny_gguf: Tiny, tiny_folder: Tiny, tmp_path: Path) -> None:
    source = tiny_gguf("llama", "Q8_0")
    output, context, step = run(tmp_path / "x", source)
    assert contents(context.output) == {source.name: source.read_bytes()}
    assert output.license == "MIT"
    count = Checkpoint.open(tiny_folder("llama")).parameter_count
    assert output.attributes["parameterCount"] == count
    assert step.check(Inputs({}), Produced(context.output), context).holds


def snapshot(folder: Path, cache: Path) -> Path:
    """Lays a folder out as the hub cache does: blobs named by digest, a snapshot of links."""
    repository = cache / "models--org--tiny"
    (repository / "blobs").mkdir(parents=True)
    made = repository / "snapshots" / COMMIT
    made.mkdir(parents=True)
    for file in folder.iterdir():
        data = file.read_bytes()
        git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        large = file.suffix == ".safetensors"
        name = hashlib.sha256(data).hexdigest() if large else git
        (repository / "blobs" / name).write_bytes(data)
        (made / file.name).symlink_to(f"../../blobs/{name}")
    return made


def test_a_hub_snapshot_gives_its_files_and_its_commit(tiny_folder: Tiny, tmp_path: Path) -> None:
    source = snapshot(tiny_folder("llama"), tmp_path / "hub")
    output, context, step = run(tmp_path / "x", source)
    assert contents(context.output) == contents(tiny_folder("llama"))
    assert not any(path.is_symlink() for path in context.output.iterdir())
    assert output.attributes["sourceRevision"] == COMMIT
    assert step.check(Inputs({}), Produced(context.output), context).holds
    Checkpoint.open(source).model()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_blob_that_is_not_what_the_hub_published_is_refused(
    tiny_folder: Tiny, tmp_path: Path, name: str
) -> None:
    source = snapshot(tiny_folder("llama"), tmp_path / "hub")
    blob = (source / name).resolve()
    data = bytearray(blob.read_bytes())
    data[-2] ^= 1
    blob.write_bytes(data)
    with pytest.raises(ModelFileError, match=f"{name}: has the digest .* the hub published"):
        run(tmp_path / "x", source)


def test_a_link_to_another_cached_repository_is_refused(tiny_folder: Tiny, tmp_path: Path) -> None:
    source = snapshot(tiny_folder("llama"), tmp_path / "hub")
    other = tmp_path / "hub" / "models--org--secret" / "blobs"
    other.mkdir(parents=True)
    (other / "x").write_text("{}")
    (source / "extra.json").symlink_to("../../../models--org--secret/blobs/x")
    with pytest.raises(ModelFileError, match=r"extra\.json: is a link out"):
        run(tmp_path / "x", source)


def test_what_is_excluded_is_neither_read_nor_copied(tiny_folder: Tiny, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(tiny_folder("llama"), source)
    (source / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(ModelFileError, match="is a pickle"):
        run(tmp_path / "x", source)
    _, context, _ = run(tmp_path / "y", source, exclude=["*.bin"])
    assert contents(context.output) == contents(tiny_folder("llama"))


def test_download_caches_and_git_are_left_out(tiny_folder: Tiny, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(tiny_folder("llama"), source)
    for name in (".git", ".cache"):
        (source / name).mkdir()
        (source / name / "x").write_text("y")
    _, context, _ = run(tmp_path / "x", source)
    assert contents(context.output) == contents(tiny_folder("llama"))


def test_a_source_that_changed_later_is_no_contradiction(tiny_folder: Tiny, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(tiny_folder("llama"), source)
    _, context, step = run(tmp_path / "x", source)
    (source / "config.json").write_text("{}")
    evidence = step.check(Inputs({}), Produced(context.output), context)
    assert evidence.holds
    assert len(evidence.claims) == 1


def test_stored_files_that_rotted_are_refuted(tiny_folder: Tiny, tmp_path: Path) -> None:
    _, context, step = run(tmp_path / "x", tiny_folder("llama"))
    os.truncate(context.output / "model.safetensors", 3000)
    evidence = step.check(Inputs({}), Produced(context.output), context)
    assert not evidence.holds
    assert "model.safetensors" in evidence.detail


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="there is nothing at"):
        run(tmp_path / "x", tmp_path / "missing")


def test_an_unreachable_hub_is_said_plainly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CompressionError, match="org/model is no folder here and cannot be fetched"):
        run(tmp_path / "x", "org/model", revision="main")


def test_the_hub_is_never_asked_for_pickles() -> None:
    from fnmatch import fnmatch

    names = (
        "pytorch_model.bin",
        "model.pt",
        "x.pkl",
        "x.ckpt",
        "x.pth",
        "modeling_x.py",
        "x.msgpack",
    )
    assert not [n for n in names if any(fnmatch(n, pattern) for pattern in HUB_PATTERNS)]


@pytest.mark.parametrize("parameters", [{}, {"source": ""}, {"source": "x", "trust": True}])
def test_bad_parameters(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Import.parse(parameters)


CARD = "---\nlanguage: en\nlicense: {}\n---\n# A model\n"
LICENSES: dict[str, tuple[dict[str, str], str]] = {
    "card": ({"README.md": CARD.format("apache-2.0")}, "Apache-2.0"),
    "card_with_crlf": ({"README.md": CARD.format("mit").replace("\n", "\r\n")}, "MIT"),
    "card_own_name": ({"README.md": CARD.format("other\nlicense_name: qwen")}, "qwen"),
    "card_other": ({"README.md": CARD.format("other")}, "other"),
    "card_list": ({"README.md": CARD.format("[cc-by-4.0]")}, "CC-BY-4.0"),
    "card_gemma": ({"README.md": CARD.format("gemma")}, "gemma"),
    "card_broken": ({"README.md": CARD.format("[")}, NO_LICENSE),
    "card_without": ({"README.md": "# A model\nlicense: mit\n"}, NO_LICENSE),
    "file": ({"LICENSE": " Apache License\n   Version 2.0, January 2004\n"}, "Apache-2.0"),
    "file_txt": ({"LICENSE.txt": "Gemma Terms of Use"}, "gemma"),
    "file_unknown": ({"LICENSE": "All rights reserved."}, NO_LICENSE),
    "card_before_file": (
        {"README.md": CARD.format("mit"), "LICENSE": "Apache License\nVersion 2.0"},
        "MIT",
    ),
    "nothing": ({}, NO_LICENSE),
}


@pytest.mark.parametrize("case", LICENSES)
def test_licences_are_found(tmp_path: Path, case: str) -> None:
    texts, expected = LICENSES[case]
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text.encode())
    assert license_of({name: tmp_path / name for name in texts}, {}, {}) == expected


def test_licence_of_configuration_and_of_metadata() -> None:
    assert license_of({}, {"license": "MIT"}, {}) == "MIT"
    assert license_of({}, {}, {"general.license": "apache-2.0"}) == "Apache-2.0"
    assert license_of({}, {"license": ["a", "b"]}, {}) == NO_LICENSE


def test_a_stated_licence_wins(tiny_folder: Tiny, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(tiny_folder("llama"), source)
    (source / "README.md").write_text(CARD.format("mit"))
    assert run(tmp_path / "x", source)[0].license == "MIT"
    assert run(tmp_path / "y", source, license="apache-2.0")[0].license == "Apache-2.0"


def test_a_relative_source_means_the_same_everywhere(
    tiny_folder: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tiny_folder("llama")
    monkeypatch.chdir(source.parent)
    output, context, step = run(tmp_path / "x", source.name)
    assert output.attributes["importedFrom"] == step.parameters()["source"] == str(source)
    monkeypatch.chdir(tmp_path)
    found = step.check(Inputs({}), Produced(context.output), context)
    assert "at the source, byte for byte" in found.claims[-1].text


def test_the_name_of_the_home_folder_is_not_recorded(
    tiny_folder: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tiny_folder("llama")
    monkeypatch.setenv("HOME", str(source.parent))
    assert Import(source=str(source)).source == f"~/{source.name}"
    assert Import(source=f"~/{source.name}").locate().path == source
    size = sum(path.stat().st_size for path in source.iterdir())
    assert Import(source=str(source)).estimate(Workload({})).bytes == size
    monkeypatch.setenv("HOME", "/")
    assert Import(source=str(source)).source == str(source)


def test_a_home_folder_may_be_unknown(tiny_folder: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelFileError, match="nothing at ~no-such-user/model"):
        Import(source="~no-such-user/model").locate()

    def unknown(path: Path) -> Path:  # as for a container's user without a name
        raise RuntimeError("Could not determine home directory.")

    source = str(tiny_folder("llama"))
    monkeypatch.setattr(Path, "expanduser", unknown)
    assert Import(source=source).source == source


def test_a_revision_belongs_to_a_hub_id(tiny_folder: Tiny, tiny_gguf: Tiny, tmp_path: Path) -> None:
    folder = tiny_folder("llama")
    for source in (folder, tiny_gguf("llama", "Q8_0")):
        with pytest.raises(ModelFileError, match="lies on this disk, without revisions"):
            run(tmp_path / source.name, source, revision="deadbeef")
    cached = snapshot(folder, tmp_path / "cache")
    with pytest.raises(ModelFileError, match=f"as the commit {COMMIT}"):
        run(tmp_path / "other", cached, revision="main")
    output, _, _ = run(tmp_path / "same", cached, revision=COMMIT)
    assert output.attributes["sourceRevision"] == COMMIT


def test_a_hub_id_stays_as_it_is() -> None:
    assert Import(source="org/model").source == "org/model"


def test_nothing_of_the_source_is_changed(tiny_folder: Tiny, tmp_path: Path) -> None:
    source = tiny_folder("llama")
    before = json.dumps({p.name: p.stat().st_mtime_ns for p in source.iterdir()}, sort_keys=True)
    run(tmp_path / "x", source)
    after = json.dumps({p.name: p.stat().st_mtime_ns for p in source.iterdir()}, sort_keys=True)
    assert before == after
