"""Artifacts that are made again in a new process."""

import io

import pytest

from pressmark.compression import reproduce as reproducing
from pressmark.compression.comparing import first_difference
from pressmark.compression.errors import NotReproducibleError
from pressmark.compression.history import load_step, result_verdicts
from pressmark.compression.one_step import import_model
from pressmark.compression.reproduce import reproduce
from pressmark.ontology.terms import PM
from pressmark.registry import environment
from pressmark.registry.lineage import assurance


def evidence_of(lab, artifact) -> str:
    """What is known of the artifact's own edge."""
    edges = assurance(lab.registry, artifact).edges
    return str(next(edge.evidence for edge in edges if edge.child == artifact))


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Holds the engine's description still while its files are edited."""
    known = environment.engine()
    monkeypatch.setattr(environment, "engine", lambda: known)


def test_a_seeded_step_gives_the_same_bytes_again(lab) -> None:
    made = lab.run(lab.one_step("example/dice"), seed=7).artifacts["out"]
    found = reproduce(lab.registry, made)
    assert found.equal
    assert found.conclusive
    assert found.holds
    assert found.difference == ""
    assert found.seconds > 0
    assert result_verdicts(lab.registry, made) == (PM.holds, PM.holds)
    assert evidence_of(lab, made) == "reproduced"
    (evidence,) = found.evidence
    assert lab.registry.rows("match", subject=evidence, predicate=PM.verdict)


def test_inputs_parameters_and_data_come_from_the_record(lab) -> None:
    recipe = """\
name: join
inputs: {base: , other: }
data: {seen: {path: calibration.txt, license: MIT}}
steps:
  - {step: example/join, name: out, inputs: {adapter: other}, data: seen, parameters: {marks: [3]}}
"""
    inputs = {"base": lab.bring("ab"), "other": lab.bring("cd", "x")}
    made = lab.run(lab.recipe(recipe), inputs=inputs).artifacts["out"]
    (lab.folder / "calibration.txt").unlink()
    found = reproduce(lab.registry, made)
    assert found.equal
    assert len(found.evidence) == 2


@pytest.mark.usefixtures("steady")
def test_other_bytes_under_the_same_conditions_refute(lab) -> None:
    made = lab.run(lab.one_step("example/clock")).artifacts["out"]
    found = reproduce(lab.registry, made)
    assert found.holds is False
    assert found.difference.startswith("text.txt: differs from byte")
    assert found.conditions == ()
    assert result_verdicts(lab.registry, made)[-1] == PM.refuted
    assert evidence_of(lab, made) == "refuted"
    (row,) = lab.registry.rows("match", subject=found.evidence[0], predicate=PM.detail)
    assert found.difference in row["object"].value


@pytest.mark.usefixtures("steady")
def test_other_bytes_elsewhere_are_inconclusive(lab, monkeypatch: pytest.MonkeyPatch) -> None:
    made = lab.run(lab.one_step("example/clock")).artifacts["out"]
    real = environment.libraries()
    newer = tuple("torch 99.0" if name.startswith("torch ") else name for name in real)
    monkeypatch.setattr(environment, "libraries", lambda: newer)
    found = reproduce(lab.registry, made)
    assert found.holds is None
    assert len(found.conditions) == 1
    assert found.conditions[0].startswith("libraryVersion: recorded torch 2")
    assert found.conditions[0].endswith("now torch 99.0")
    assert result_verdicts(lab.registry, made)[-1] == PM.inconclusive
    assert evidence_of(lab, made) == "checked"


@pytest.mark.usefixtures("steady")
def test_an_inconclusive_re_run_is_no_check(lab, monkeypatch: pytest.MonkeyPatch) -> None:
    base, step = {"base": lab.bring()}, lab.one_step("example/clock")
    made = lab.run(step, inputs=base, check=False).artifacts["out"]
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(environment, "libraries", lambda: ("torch 99.0",))
        assert reproduce(lab.registry, made).holds is None
    assert evidence_of(lab, made) == "none"
    assert lab.run(step, inputs=base).artifacts["out"] == made
    assert result_verdicts(lab.registry, made) == (PM.inconclusive, PM.holds)
    assert evidence_of(lab, made) == "checked"


def test_an_import_is_made_again_while_its_source_is_there(lab) -> None:
    base = lab.bring()
    assert reproduce(lab.registry, base).equal
    (lab.folder / "model-source.txt").unlink()
    with pytest.raises(NotReproducibleError, match=r"cannot be made again here.*No such file"):
        reproduce(lab.registry, base)
    assert result_verdicts(lab.registry, base) == (PM.holds, PM.holds)


def test_an_import_from_a_relative_path_is_made_again(
    lab, tiny_complete, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tiny_complete("llama")
    monkeypatch.chdir(source.parent)
    base = import_model(lab.registry, source.name, "base", license="MIT")
    monkeypatch.chdir(lab.folder)
    assert reproduce(lab.registry, base).equal


@pytest.mark.usefixtures("steady")
def test_a_source_that_has_changed_refutes_nothing(lab) -> None:
    base = lab.bring()
    (lab.folder / "model-source.txt").write_text("something else")
    found = reproduce(lab.registry, base)
    assert found.holds is None
    assert found.conditions == (reproducing.OUTSIDE,)
    assert result_verdicts(lab.registry, base)[-1] == PM.inconclusive


def test_a_re_run_uses_the_recorded_threads(lab) -> None:
    made = lab.run(lab.one_step("example/append"), threads=2)
    assert load_step(lab.registry, made.outcomes[0].activity).threads == 2
    assert reproduce(lab.registry, made.artifacts["out"]).equal


def test_a_process_that_dies_is_named(lab, monkeypatch: pytest.MonkeyPatch) -> None:
    made = lab.run(lab.one_step("example/append")).artifacts["out"]
    monkeypatch.setattr(reproducing.sys, "executable", "/bin/false")
    with pytest.raises(NotReproducibleError, match="ended with 1"):
        reproduce(lab.registry, made)


def test_the_first_differing_tensor_is_named() -> None:
    import torch
    from safetensors.torch import save

    tensors = {"a": torch.zeros(4), "b": torch.zeros(4), "c": torch.zeros(4)}
    old = save(tensors)
    tensors["b"][2] = tensors["c"][0] = 1
    found = first_difference(io.BytesIO(old), io.BytesIO(save(tensors)))
    assert found.startswith("tensor b differs")


@pytest.mark.parametrize(
    ("old", "new", "offset"), [(b"abc", b"abd", 2), (b"ab", b"abc", 2), (b"", b"a", 0)]
)
def test_the_first_differing_byte_is_found(old: bytes, new: bytes, offset: int) -> None:
    found = first_difference(io.BytesIO(old), io.BytesIO(new))
    assert found == f"differs from byte {offset} on"
