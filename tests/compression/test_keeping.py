"""What runs leave behind survives garbage collection, travels, and verifies."""

import shutil
from dataclasses import replace

import pytest
from pyoxigraph import NamedNode

from pressmark.compression.artifact_files import materialise
from pressmark.compression.checking import check
from pressmark.compression.errors import StepFailedError
from pressmark.compression.history import lineage, load_artifact, load_step
from pressmark.compression.recipe import Recipe
from pressmark.compression.recording import Recorder
from pressmark.compression.reproduce import reproduce
from pressmark.compression.runner import Runner
from pressmark.registry.errors import InvalidInputError
from pressmark.registry.facts import short_id
from pressmark.registry.gc import gc
from pressmark.registry.layout import object_key
from pressmark.registry.lifecycle import retire
from pressmark.registry.lineage import ancestors
from pressmark.registry.registry import Registry
from pressmark.registry.transfer import push
from pressmark.registry.verify import verify, verify_all

RECIPE = """\
name: shout
inputs: {base: , other: }
data:
  seen: {path: calibration.txt, license: CC0-1.0}
  held: {path: evaluation.txt, license: MIT}
steps:
  - {step: example/append, name: louder}
  - {step: example/join, name: joined, inputs: {adapter: other}, data: seen}
  - {step: example/count, of: [joined], parent: base, data: held}
"""


@pytest.fixture(scope="module")
def shouted(shared_lab):
    inputs = {"base": shared_lab.bring("ab"), "other": shared_lab.bring("cd", "x")}
    return shared_lab.run(shared_lab.recipe(RECIPE), inputs=inputs)


def test_garbage_collection_leaves_everything_that_was_recorded(shared_lab, shouted) -> None:
    registry = shared_lab.registry
    registry.blobs.put_bytes(b"nobody knows me")
    swept = gc(registry, grace=0)
    assert len(swept.freed) == 1
    joined = shouted.artifacts["joined"]
    assert check(registry, joined).holds
    assert reproduce(registry, joined).equal
    assert registry.blobs.read(shared_lab.recipe(RECIPE).sha256) == RECIPE.encode()
    evaluated = load_step(registry, shouted.outcomes[-1].activity)
    assert evaluated.data is not None
    assert evaluated.data.load(registry).text == shared_lab.evaluation


def test_what_travels_can_be_checked_and_made_again_elsewhere(
    shared_lab, shouted, tmp_path
) -> None:
    with Registry.create(tmp_path / "elsewhere") as elsewhere:
        push(shared_lab.registry, elsewhere, shouted.artifacts["joined"])
        assert check(elsewhere, shouted.artifacts["joined"]).holds
        assert reproduce(elsewhere, shouted.artifacts["joined"]).equal


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "C:x", "a\\..\\b", "a\nb"])
def test_a_recorded_name_cannot_lead_out_of_the_working_folder(
    shared_lab, shouted, tmp_path, name: str
) -> None:
    joined = load_artifact(shared_lab.registry, shouted.artifacts["joined"])
    hostile = replace(joined, files=(replace(joined.files[0], name=name),))
    with pytest.raises(InvalidInputError, match="does not stay inside"):
        materialise(shared_lab.registry, hostile, tmp_path / "out")
    assert [path.name for path in tmp_path.rglob("*")] == ["out"]


def test_the_history_verifies(shared_lab, shouted) -> None:
    assert verify(shared_lab.registry, shouted.artifacts["joined"]).ok
    assert verify_all(shared_lab.registry).ok


@pytest.mark.parametrize("withdrawn", ["model", "out"])
def test_nothing_is_made_from_what_was_retired(lab, withdrawn: str) -> None:
    base = lab.bring()
    append = lab.one_step("example/append")
    out = lab.run(append, inputs={"base": base}).artifacts["out"]
    gone = {"model": base, "out": out}[withdrawn]
    retire(lab.registry, gone, "wrong", Recorder(lab.registry).circumstances(1))
    count = lab.count()
    for work in (
        lambda: lab.run(append, inputs={"base": gone}),
        lambda: Runner(lab.registry).forecast(append, {"base": gone}),
    ):
        with pytest.raises(InvalidInputError, match=rf"{short_id(gone)} is retired, so"):
            work()
    assert lab.count() == count
    assert not list((lab.registry.root / "runs").iterdir())


def test_what_was_made_from_something_retired_can_still_be_audited(lab) -> None:
    """Withdrawing a base model is when people ask about what was made from it."""
    base = lab.bring()
    out = lab.run(lab.one_step("example/append"), inputs={"base": base}).artifacts["out"]
    retire(lab.registry, base, "wrong", Recorder(lab.registry).circumstances(1))
    made, brought = check(lab.registry, out).edges
    assert made.verdict == brought.verdict == "holds"
    assert made.evidence
    assert not brought.evidence
    assert reproduce(lab.registry, out).equal
    edge = ancestors(lab.registry, out, depth=1).edges[0]
    assert str(edge.evidence) == "reproduced"
    assert verify(lab.registry, out).ok


def test_of_what_was_retired_nothing_more_is_recorded(lab) -> None:
    out = lab.run(lab.one_step("example/append"), inputs={"base": lab.bring()}).artifacts["out"]
    retire(lab.registry, out, "wrong", Recorder(lab.registry).circumstances(1))
    count = lab.count()
    with pytest.raises(InvalidInputError, match=rf"{short_id(out)} is retired, so nothing more"):
        reproduce(lab.registry, out)
    assert lab.count() == count
    assert check(lab.registry, out).edges[0].verdict == "holds"
    assert lab.count() == count + 1  # of the base, which is not retired


def test_what_was_retired_is_not_reused(lab) -> None:
    base = {"base": lab.bring()}
    append = lab.one_step("example/append")
    first = lab.run(append, inputs=base).artifacts["out"]
    retire(lab.registry, first, "wrong", Recorder(lab.registry).circumstances(1))
    again = lab.run(append, inputs=base)
    assert not again.outcomes[0].reused
    assert again.artifacts["out"] != first


def test_a_run_is_resumed_in_a_copy_of_the_registry(lab, tmp_path) -> None:
    text = (
        "name: two\ninputs: {base: }\n"
        "steps: [{step: example/append}, {step: example/fail, name: f}]\n"
    )
    with pytest.raises(StepFailedError) as caught:
        lab.run(Recipe.from_bytes(text.encode()))
    run = caught.value.hint.rpartition(" ")[2]
    shutil.copytree(lab.registry.root, tmp_path / "copy", symlinks=True)
    with Registry.open(tmp_path / "copy") as copy:
        with pytest.raises(StepFailedError) as again:
            Runner(copy).resume(NamedNode(run))
        assert again.value.hint.rpartition(" ")[2] != run


def test_what_is_far_away_is_fetched_once(shared_lab, shouted, tmp_path, monkeypatch) -> None:
    joined = shouted.artifacts["joined"]
    with Registry.create(tmp_path / "far", blobs="memory://fetched-once") as far:
        push(shared_lab.registry, far, joined)
        assert check(far, joined).holds
        storage, asked = far.blobs.storage, []
        fetch = storage.open
        monkeypatch.setattr(storage, "open", lambda key: asked.append(key) or fetch(key))
        assert check(far, joined).holds
        files = [
            file.sha256 for iri in lineage(far, joined) for file in load_artifact(far, iri).files
        ]
        assert files
        assert not {object_key(sha256) for sha256 in files} & set(asked)
        for cached in (far.root / "cache").glob("?" * 64):
            cached.chmod(0o644)
            cached.write_bytes(b"somebody wrote here")
        assert check(far, joined).holds
    assert not (shared_lab.registry.root / "cache").exists()
