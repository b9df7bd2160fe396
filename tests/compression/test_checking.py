"""Lineages that are checked again from stored bytes."""

import pytest

from pressmark.compression.checking import check
from pressmark.compression.errors import NotReproducibleError, StepFailedError
from pressmark.compression.history import load_artifact, result_verdicts
from pressmark.compression.step import step_class
from pressmark.ontology.terms import PM
from pressmark.registry import activities
from pressmark.registry.errors import BlobMissingError
from pressmark.registry.ids import new_iri, utc_now
from pressmark.registry.occurrences import ExternalParent, NewArtifact, Occurrence

TWO_STEPS = """\
name: two
inputs: {base: }
steps:
  - {step: example/append, name: louder}
  - {step: STEP, name: out}
"""


def two_steps(lab, last: str):
    return lab.run(lab.recipe(TWO_STEPS.replace("STEP", last)), check=False)


def test_every_edge_down_to_the_base_is_checked(lab) -> None:
    result = two_steps(lab, "example/dice")
    found = check(lab.registry, result.artifacts["out"])
    assert found.holds
    assert [(e.name, e.step, e.verdict) for e in found.edges] == [
        ("out", "example/dice", "holds"),
        ("louder", "example/append", "holds"),
        ("model", "example/bring", "holds"),
    ]
    assert [len(e.evidence) for e in found.edges] == [1, 1, 1]
    assert found.edges[1].claims[0].text == "the parent and the text"
    for edge in found.edges[:2]:
        assert result_verdicts(lab.registry, edge.artifact) == (PM.holds,)


def test_what_a_lying_step_stored_is_refuted(lab) -> None:
    result = two_steps(lab, "example/lie")
    found = check(lab.registry, result.artifacts["out"])
    assert not found.holds
    assert [e.verdict for e in found.edges] == ["refuted", "holds", "holds"]
    assert result_verdicts(lab.registry, result.artifacts["out"]) == (PM.refuted,)


def test_a_shared_ancestor_is_checked_once(lab) -> None:
    base = lab.bring()
    recipe = """\
name: diamond
inputs: {base: }
data: {seen: {path: calibration.txt, license: MIT}}
steps:
  - {step: example/append, name: left}
  - {step: example/append, name: right, inputs: {base: base}, parameters: {text: "?"}}
  - {step: example/join, name: out, inputs: {base: left, adapter: right}, data: seen}
"""
    result = lab.run(lab.recipe(recipe), inputs={"base": base}, check=False)
    found = check(lab.registry, result.artifacts["out"])
    names = [edge.name for edge in found.edges]
    assert names[0] == "out"
    assert names[-1] == "model"
    assert sorted(names) == ["left", "model", "out", "right"]
    assert len(found.edges[0].evidence) == 2


def test_what_was_only_declared_stays_declared(lab) -> None:
    from pressmark.compression.recording import Recorder

    recorder = Recorder(lab.registry)
    parent, artifact, now = new_iri(), new_iri(), utc_now()
    made = NewArtifact(
        iri=artifact,
        kind=PM.QuantizedModel,
        name="elsewhere",
        files=load_artifact(lab.registry, lab.bring()).files,
        generated_at=now,
        parents=(parent,),
    )
    activity = Occurrence(
        iri=new_iri(), started_at=now, ended_at=now, circumstances=recorder.circumstances(1)
    )
    external = (ExternalParent(parent, "unknown"),)
    lab.registry.commit(activities.registration(activity, made, external=external))
    result = lab.run(lab.one_step("example/append"), inputs={"base": artifact})
    found = check(lab.registry, result.artifacts["out"])
    assert [edge.verdict for edge in found.edges] == ["holds", "declared", "declared"]


def test_bytes_that_are_gone_are_no_verdict(lab) -> None:
    result = two_steps(lab, "example/append")
    (file,) = load_artifact(lab.registry, result.artifacts["louder"]).files
    lab.registry.blobs.delete(file.sha256)
    with pytest.raises(BlobMissingError):
        check(lab.registry, result.artifacts["out"])
    assert result_verdicts(lab.registry, result.artifacts["out"]) == ()


def test_a_step_of_another_version_is_not_checked(lab, monkeypatch: pytest.MonkeyPatch) -> None:
    result = lab.run(lab.one_step("example/append"), check=False)
    monkeypatch.setattr(step_class("example/append"), "version", "2")
    with pytest.raises(NotReproducibleError, match="executed by version 1 of example/append"):
        check(lab.registry, result.artifacts["out"])


def test_a_check_that_breaks_is_no_verdict(lab, monkeypatch: pytest.MonkeyPatch) -> None:
    result = lab.run(lab.one_step("example/append"), check=False)

    def broken(*_: object) -> None:
        raise OSError("out of paper")

    monkeypatch.setattr(step_class("example/append"), "check", broken)
    with pytest.raises(StepFailedError, match="out of paper"):
        check(lab.registry, result.artifacts["out"])
    assert result_verdicts(lab.registry, result.artifacts["out"]) == ()
