from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyoxigraph import NamedNode, RdfFormat, Store

from pressmark.ontology.terms import PM
from pressmark.registry.errors import (
    AmbiguousNameError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
)
from pressmark.registry.facts import summaries
from pressmark.registry.folders import list_files
from pressmark.registry.ids import new_iri
from pressmark.registry.index import bundle_at
from pressmark.registry.lifecycle import (
    Registration,
    alias_history,
    aliases,
    register,
    retire,
    set_alias,
    set_tag,
)
from pressmark.registry.lineage import ancestors, assurance, descendants
from pressmark.registry.registry import Registry
from pressmark.registry.search import resolve
from pressmark.registry.validation import Validator, audit
from pressmark.registry.views import view, where

Add = Callable[..., NamedNode]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """An empty registry that judges by the packaged shapes."""
    return Registry.create(tmp_path / "registry")


@pytest.fixture
def made(new_history: Callable[..., Any]) -> Any:
    """Where, by what and for whom."""
    return new_history(8).circumstances


@pytest.fixture
def add(registry: Registry, made: Any, tmp_path: Path) -> Add:
    """Registers a folder with one file of its own."""

    def add(name: str, *parents: str, **claims: Any) -> NamedNode:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(f'{{"name": "{name}"}}')
        return register(registry, Registration(folder, name, parents, **claims), made)

    return add


def test_a_licence_is_inherited_where_none_is_stated(registry: Registry, add: Add) -> None:
    add("free", license="MIT")
    add("bound", license="gemma")
    cases = {
        "none": ((), {}, "NOASSERTION"),
        "outside": (("some-hub/other",), {}, "NOASSERTION"),
        "one": (("bound", "some-hub/other"), {}, "gemma"),
        "two": (("free", "bound"), {}, "MIT AND gemma"),
        "stated": (("bound",), {"license": "gemma-2"}, "gemma-2"),
    }
    for name, (parents, claims, license_) in cases.items():
        assert view(registry, add(name, *parents, **claims)).summary.license == license_


def test_what_is_registered_is_found_and_declared(
    registry: Registry, add: Add, tmp_path: Path
) -> None:
    base = add("base", license="MIT", source="https://example.org/base", kind=PM.BaseModel)
    tuned = add("tuned", "base", "some-hub/other")
    lineage = ancestors(registry, tuned)
    assert {n.name: n.artifact.status for n in lineage.nodes} == {
        "tuned": "live", "base": "live", "some-hub/other": "external",
    }  # fmt: skip
    assert {str(edge.origin) for edge in lineage.edges} == {"declared"}
    assert assurance(registry, tuned).label == "declared, unverified"
    assert resolve(registry, str(tmp_path / "base")) == base
    shown = view(registry, base)
    assert (shown.summary.license, shown.summary.imported_from) == (
        "MIT",
        "https://example.org/base",
    )
    assert [file.name for file in shown.files] == ["config.json"]
    found = where(registry, tmp_path / "tuned" / "config.json")
    assert [one.iri for one in found.artifacts] == [tuned]
    assert registry.blobs.read(found.sha256) == b'{"name": "tuned"}'


def test_a_parent_that_fits_several_is_not_guessed(registry: Registry, add: Add) -> None:
    add("base")
    add("base")
    entries = len(registry.journal)
    with pytest.raises(AmbiguousNameError, match="fits 2 artifacts"):
        add("tuned", "base")
    assert len(registry.journal) == entries


def test_an_unknown_file_is_told_with_its_digest(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "stray").write_bytes(b"stray")
    found = where(registry, tmp_path / "stray")
    assert found.artifacts == ()
    assert found.other == ()
    assert len(found.sha256) == 64


def test_an_alias_moves_and_its_history_stays(registry: Registry, add: Add, made: Any) -> None:
    one, two = add("one"), add("two")
    set_alias(registry, "prod", one, made)
    set_alias(registry, "prod", two, made)
    set_alias(registry, "staging", one, made)
    assert aliases(registry) == {"prod": two, "staging": one}
    assert [(c.name, c.agent) for c in alias_history(registry, "prod")] == [
        ("two", "agent-1"), ("one", "agent-1"),
    ]  # fmt: skip
    assert summaries(registry, [one])[one].aliases == ("staging",)
    with pytest.raises(NotFoundError, match="prod, staging"):
        alias_history(registry, "none")


@pytest.mark.parametrize("name", ["", "deadbeef", "a b", "-x", "../up", "<b>", "0193", "x" * 101])
def test_an_alias_cannot_be_taken_for_something_else(
    name: str, registry: Registry, add: Add, made: Any
) -> None:
    artifact, entries = add("one"), len(registry.journal)
    with pytest.raises(InvalidInputError):
        set_alias(registry, name, artifact, made)
    assert len(registry.journal) == entries


def test_tags_are_put_on_and_taken_off(registry: Registry, add: Add, made: Any) -> None:
    one = add("one")
    for tag in ("a", "b"):
        set_tag(registry, tag, one, made)
    set_tag(registry, "a", one, made, remove=True)
    assert summaries(registry, [one])[one].tags == ("b",)
    set_tag(registry, "a", one, made)
    assert summaries(registry, [one])[one].tags == ("a", "b")
    with pytest.raises(NotFoundError, match="no tag 'c'"):
        set_tag(registry, "c", one, made, remove=True)


def test_an_artifact_is_retired_once_with_a_reason(registry: Registry, add: Add, made: Any) -> None:
    one = add("one")
    with pytest.raises(InvalidInputError, match="reason"):
        retire(registry, one, "  ", made)
    set_alias(registry, "prod", one, made)
    with pytest.raises(InvalidInputError, match="what prod means"):
        retire(registry, one, "licence withdrawn", made)
    retire(registry, one, "licence withdrawn", made, force=True)
    assert summaries(registry, [one])[one].status == "retired"
    assert view(registry, one).retired_because == "licence withdrawn"
    with pytest.raises(InvalidInputError, match="cannot be retired again"):
        retire(registry, one, "again", made)
    with pytest.raises(InvalidInputError, match="retired"):
        set_alias(registry, "staging", one, made)


def test_a_parent_that_is_not_known_is_minted_once(registry: Registry, add: Add) -> None:
    one, two = add("one", "hub/base", "hub/base"), add("two", "hub/base")
    claimed = resolve(registry, "hub/base")
    for artifact in (one, two):
        assert [edge.parent for edge in ancestors(registry, artifact).edges] == [claimed]
    assert {found.name for found in descendants(registry, claimed).nodes} == {
        "hub/base", "one", "two",
    }  # fmt: skip


def test_a_name_means_what_is_here_before_what_is_claimed(registry: Registry, add: Add) -> None:
    add("tuned", "chat")
    imported = add("chat")
    assert resolve(registry, "chat") == imported
    assert [edge.parent for edge in ancestors(registry, add("next", "chat")).edges][:1] == [
        imported
    ]


def test_a_known_parent_that_is_named_twice_is_one_parent(registry: Registry, add: Add) -> None:
    base = add("base")
    tuned = add("tuned", "base", base.value)
    assert [edge.parent for edge in ancestors(registry, tuned).edges if edge.child == tuned] == [
        base
    ]


@pytest.mark.parametrize("kind", ["digest", "digits", "uuid", "prefix", "folder", "iri"])
def test_a_parent_that_should_be_here_is_not_made_up(
    kind: str, registry: Registry, add: Add, tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "file").write_text("not known")
    given = {
        "digest": "ab" * 32,
        "digits": "DEADBEEF",
        "uuid": "urn:uuid:0193a1b2-0000-7000-8000-000000000000",
        "prefix": "sha256:0193",
        "folder": str(tmp_path / "here"),
        "iri": "ni:///sha-256;AAAA",
    }[kind]
    with pytest.raises(NotFoundError):
        add("tuned", given)
    assert len(registry.journal) == 0


@pytest.mark.parametrize("name", ["", " ", "x" * 5000, "~nobody-at-all/model", "a\0b"])
def test_odd_parents_do_no_harm(name: str, registry: Registry, add: Add) -> None:
    if not name.strip():
        with pytest.raises(InvalidInputError, match="empty name"):
            add("tuned", name)
        return
    tuned = add("tuned", name)
    assert sorted(n.name for n in ancestors(registry, tuned).nodes) == sorted(["tuned", name])


def test_what_is_retired_takes_no_part_in_anything_new(
    registry: Registry, add: Add, made: Any
) -> None:
    old = add("old")
    set_tag(registry, "a", old, made)
    retire(registry, old, "wrong scales", made)
    entries = len(registry.journal)
    for change in (
        lambda: add("tuned", "old"),
        lambda: set_tag(registry, "b", old, made),
        lambda: set_tag(registry, "a", old, made, remove=True),
    ):
        with pytest.raises(InvalidInputError, match="retired"):
            change()
    assert len(registry.journal) == entries


def test_only_artifacts_are_named_tagged_and_retired(
    registry: Registry, add: Add, made: Any
) -> None:
    add("one")
    bundle = bundle_at(registry.graph(), 1)
    for stranger in (bundle, new_iri()):
        for change in (set_alias, set_tag):
            with pytest.raises(NotFoundError, match="no artifact"):
                change(registry, "prod", stranger, made)
        with pytest.raises(NotFoundError, match="no artifact"):
            retire(registry, stranger, "why not", made)
    assert len(registry.journal) == 1


def test_an_alias_and_a_retirement_at_once_do_not_both_happen(
    registry: Registry, add: Add, made: Any
) -> None:
    """Each is refused after the other; two handles stand for two processes."""
    for number in range(5):
        artifact = add(f"model-{number}")
        handles = [Registry.open(registry.root) for _ in range(2)]
        with ThreadPoolExecutor(2) as pool:
            asked = [
                pool.submit(set_alias, handles[0], "prod", artifact, made),
                pool.submit(retire, handles[1], artifact, "wrong", made),
            ]
        refusals = [error for one in asked if (error := one.exception())]
        assert [type(error) for error in refusals] == [ConflictError]
        for handle in handles:
            handle.close()


def test_the_reference_validator_accepts_a_whole_life(tmp_path: Path, made: Any) -> None:
    with Registry.create(tmp_path / "judged", validator=Validator("pyshacl")) as registry:
        (tmp_path / "model.gguf").write_bytes(b"model")
        claim = Registration(tmp_path / "model.gguf", "base", ("hub/original",))
        base = register(registry, claim, made)
        tuned = register(registry, replace(claim, name="tuned", parents=("base", "x/y")), made)
        set_alias(registry, "prod", base, made)
        set_alias(registry, "prod", tuned, made)
        set_tag(registry, "reviewed", tuned, made)
        set_tag(registry, "reviewed", tuned, made, remove=True)
        retire(registry, base, "superseded", made)
        retire(registry, tuned, "licence withdrawn", made, force=True)
        store = Store()
        for entry in registry.journal.entries():
            store.load(registry.read_bundle(entry), format=RdfFormat.N_QUADS)
    assert len(store) > 100
    assert audit(store) == ()


# ------------------------------------------------------------------------------ files and folders


def test_a_link_out_of_the_folder_is_refused(registry: Registry, made: Any, tmp_path: Path) -> None:
    folder, secret = tmp_path / "model", tmp_path / "secret"
    folder.mkdir()
    secret.write_text("secret")
    (folder / "weights").symlink_to(secret)
    with pytest.raises(InvalidInputError, match="link out of the folder"):
        register(registry, Registration(folder, "model"), made)
    (folder / "weights").unlink()
    (folder / "weights").symlink_to(tmp_path)
    with pytest.raises(InvalidInputError, match="link out of the folder"):
        list_files(folder)
    (folder / "weights").unlink()
    (folder / "weights").symlink_to(folder / "nowhere")
    with pytest.raises(InvalidInputError, match="leads nowhere"):
        list_files(folder)
    assert len(registry.journal) == 0
    assert list(registry.blobs.digests()) == []


def test_the_links_of_a_hub_cache_are_followed(tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "models--x" / "snapshots" / "abc", tmp_path / "models--x" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "1234").write_text("{}")
    (snapshot / "config.json").symlink_to(Path("../../blobs/1234"))
    assert list_files(snapshot) == {"config.json": (blobs / "1234").resolve()}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").write_text("x")
    (snapshot / "stolen").symlink_to(tmp_path / "other" / "x")
    with pytest.raises(InvalidInputError, match="stolen"):
        list_files(snapshot)


def test_files_are_named_relative_to_the_folder(tmp_path: Path) -> None:
    for name in ("b/c.txt", "a.txt", ".git/config", "b/__pycache__/x.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "inner").symlink_to(tmp_path / "a.txt")
    assert list(list_files(tmp_path)) == ["a.txt", "b/c.txt", "inner"]
    assert list(list_files(tmp_path / "a.txt")) == ["a.txt"]
    with pytest.raises(NotFoundError):
        list_files(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInputError, match="no files"):
        list_files(tmp_path / "empty")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInputError, match="neither a file nor a folder"):
        list_files(tmp_path)
