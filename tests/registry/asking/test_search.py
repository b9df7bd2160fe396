from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyoxigraph import NamedNode

from pressmark.ontology.terms import PM
from pressmark.registry.descriptions import dataset
from pressmark.registry.errors import AmbiguousNameError, InvalidInputError, NotFoundError
from pressmark.registry.ids import base_iri
from pressmark.registry.search import find, resolve, resolve_description, resolve_run, with_file


def names(world: Any, artifacts: list[Any]) -> list[str]:
    return [world.name(one.iri) for one in artifacts]


def test_an_artifact_is_found_by_any_of_its_names(world: Any) -> None:
    reader, int8 = world.reader, world.int8
    uuid = int8.value.removeprefix("urn:uuid:")
    for name in (int8.value, uuid, uuid[1:], uuid[-8:], uuid[-8:].upper(), "prod", " prod "):
        assert resolve(reader, name) == int8
    assert resolve(reader, "staging") == world.pruned
    assert resolve(reader, "example after prune/wanda") == world.pruned
    assert resolve(reader, "made elsewhere") == world.elsewhere


def test_a_digest_or_its_beginning_finds_an_artifact(world: Any) -> None:
    file = world.reader.rows("artifact_files", artifact=world.int8)[0]
    digest = file["sha256"].value
    assert resolve(world.reader, digest) == world.int8
    assert resolve(world.reader, f"sha256:{digest}") == world.int8
    assert with_file(world.reader, digest) == [world.int8]
    content = world.reader.rows("artifact_facts", artifact=world.int8)[0]["content"]
    assert resolve(world.reader, content.value) == world.int8


def test_a_description_is_found_by_any_of_its_names(world: Any, tmp_path: Path) -> None:
    reader, data = world.reader, world.history.dataset.iri
    for name in ("text", " text ", "2222", "sha256:" + "2" * 64, data.value, data.value[:22] + "…"):
        assert resolve_description(reader, name) == data
        assert resolve_description(reader, name, PM.DataSet, PM.Recipe) == data
    assert resolve_description(reader, "agent-1") == world.history.circumstances.agent.iri
    for name, kinds in (("text", [PM.Recipe]), ("222", []), ("ni:///sha-256;x", [])):
        with pytest.raises(NotFoundError):
            resolve_description(reader, name, *kinds)
    unknown = tmp_path / "text"
    unknown.write_bytes(b"other bytes")
    with pytest.raises(NotFoundError):
        resolve_description(reader, str(unknown))


def test_a_description_whose_name_fits_several_is_refused_with_the_list(
    new_history: Callable[..., Any], reading: Any
) -> None:
    history = new_history(1)
    run = history.run()
    base = history.imported(run)
    history.evaluate(run, base)
    first = history.dataset
    history.dataset = dataset("text", "4" * 64, 9, "MIT", "elsewhere")
    history.evaluate(run, base)
    reader = reading(history)
    with pytest.raises(AmbiguousNameError) as caught:
        resolve_description(reader, "text", PM.DataSet)
    assert first.iri.value in str(caught.value)
    assert history.dataset.iri.value in str(caught.value)
    assert resolve_description(reader, "4444") == history.dataset.iri


def test_a_name_that_fits_several_is_refused_with_the_list(world: Any) -> None:
    with pytest.raises(AmbiguousNameError) as caught:
        resolve(world.reader, "example after quantize/rtn")
    assert "fits 2 artifacts" in caught.value.message
    for artifact in (world.int8, world.int4):
        assert artifact.value[-8:] in caught.value.message
    assert "(prod)" in caught.value.message


def test_what_is_not_found_says_what_is_close(world: Any, reading: Any, new_history: Any) -> None:
    with pytest.raises(NotFoundError, match="did you mean 'staging'"):
        resolve(world.reader, "stagin")
    with pytest.raises(NotFoundError, match="pressmark where"):
        resolve(world.reader, "zzzzzzzzzz")
    with pytest.raises(NotFoundError, match="empty"):
        resolve(reading(new_history(0)), "anything")
    for odd in ("", "urn:uuid:none", "ni:///x> }", 'a"b\\c } DROP', "é\n", "*"):
        with pytest.raises(NotFoundError):
            resolve(world.reader, odd)


def test_an_alias_that_moved_means_only_the_new_artifact(world: Any) -> None:
    aliases = {row["alias"].value: row["artifact"] for row in world.reader.rows("aliases")}
    assert aliases == {"prod": world.int8, "staging": world.pruned}
    assert world.reader.rows("aliases", artifact=world.base) == []


def test_files_and_folders_on_disk_are_found_by_their_bytes(
    tmp_path: Path, new_history: Callable[..., Any], reading: Any, registered: Any
) -> None:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "sub" / "weights.bin").write_bytes(b"1234")
    history = new_history(4)
    artifact = registered(history, folder)
    other = registered(history, tmp_path / "model" / "config.json")
    reader = reading(history)
    assert resolve(reader, str(folder)) == artifact
    assert resolve(reader, str(folder / "sub" / "weights.bin")) == artifact
    assert resolve(reader, str(folder / "config.json")) == other  # consists of exactly that file
    (folder / "config.json").write_text("{ }")
    with pytest.raises(NotFoundError, match=r"known here, of its 2 files: sub/weights\.bin"):
        resolve(reader, str(folder))
    (folder / "sub" / "weights.bin").unlink()
    with pytest.raises(NotFoundError, match="none of its 1 files"):
        resolve(reader, str(folder))


def test_a_run_is_found_by_its_digits(world: Any) -> None:
    assert resolve_run(world.reader, world.run.value) == world.run
    assert resolve_run(world.reader, world.open_run.value[-8:]) == world.open_run
    with pytest.raises(NotFoundError, match="too short"):
        resolve_run(world.reader, "1")
    with pytest.raises(AmbiguousNameError):
        resolve_run(world.reader, world.run.value[:20])
    with pytest.raises(NotFoundError, match="known are"):
        resolve_run(world.reader, "ffff-none")


def test_artifacts_are_listed_newest_first_by_what_is_given(world: Any) -> None:
    reader = world.reader
    assert names(world, find(reader)) == ["elsewhere", "int4", "int8", "pruned", "base"]
    assert names(world, find(reader, kind="QuantizedModel")) == ["elsewhere", "int4", "int8"]
    assert names(world, find(reader, kind=PM.BaseModel)) == ["base"]
    assert names(world, find(reader, name="example after *")) == ["int4", "int8", "pruned", "base"]
    assert names(world, find(reader, name="made elsewhere")) == ["elsewhere"]
    assert names(world, find(reader, tag="edge")) == ["int8"]
    assert names(world, find(reader, parameter=("sparsity", 0.5), kind="PrunedModel")) == ["pruned"]
    assert find(reader, parameter=("sparsity", 0.25)) == []
    digest = reader.rows("artifact_files", artifact=world.base)[1]["sha256"].value
    assert names(world, find(reader, digest=digest)) == ["base"]
    assert find(reader, tag="edge", name="made elsewhere") == []


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
def test_pages_follow_each_other_without_gap_or_repetition(world: Any, limit: int) -> None:
    found: list[NamedNode] = []
    while page := find(world.reader, limit=limit, after=found[-1] if found else None):
        assert len(page) <= limit
        found += [one.iri for one in page]
    assert found == [one.iri for one in find(world.reader)]


def test_summaries_tell_status_aliases_and_tags(world: Any) -> None:
    shown = {world.name(one.iri): one for one in find(world.reader)}
    assert shown["int4"].status == "retired"
    assert shown["int8"].status == "live"
    assert shown["int8"].aliases == ("prod",)
    assert shown["int8"].tags == ("edge",)
    assert shown["pruned"].tags == ()
    assert shown["base"].imported_from == "/models/example"
    assert shown["base"].size == 201
    assert shown["base"].kind_name == "BaseModel"


def test_impossible_searches_are_refused(world: Any) -> None:
    with pytest.raises(InvalidInputError, match="did you mean PrunedModel"):
        find(world.reader, kind="PruneModel")
    with pytest.raises(InvalidInputError, match="SHA-256"):
        find(world.reader, digest="xyz")
    with pytest.raises(InvalidInputError, match="limit"):
        find(world.reader, limit=0)
    with pytest.raises(NotFoundError, match="page"):
        find(world.reader, after=base_iri(world.run))
