"""The runner against a real registry, with small steps over text files."""

import json
import logging
import signal

import pytest

from pressmark.compression.errors import (
    CompressionError,
    DataSetError,
    ModelFileError,
    RecipeError,
    RunAbortedError,
    StepFailedError,
    StepRefutedError,
)
from pressmark.compression.history import load_artifact, load_step, result_verdicts
from pressmark.compression.progress import NullProgress
from pressmark.compression.recipe import Recipe
from pressmark.compression.recording import describe_data
from pressmark.compression.runner import Runner
from pressmark.compression.step import step_class
from pressmark.compression.workspace import run_state
from pressmark.ontology.terms import PM
from pressmark.registry.lineage import assurance

RECIPE = """\
name: shout
inputs:
  base:
  other:
data:
  seen: {path: calibration.txt, license: CC0-1.0}
  held: {path: evaluation.txt, license: MIT}
steps:
  - step: example/append
    name: louder
    parameters: {times: 3, marks: [1, 2]}
  - step: example/join
    name: joined
    inputs: {base: louder, adapter: other}
    data: seen
  - step: example/count
    of: [base, joined]
    parent: base
    data: held
"""


@pytest.fixture(scope="module")
def inputs(shared_lab):
    return {"base": shared_lab.bring("ab"), "other": shared_lab.bring("cd", "x")}


@pytest.fixture(scope="module")
def shouted(shared_lab, inputs):
    return shared_lab.run(shared_lab.recipe(RECIPE), inputs=inputs)


def facts(registry, subject) -> dict[str, str]:
    rows = registry.rows("match", subject=subject)
    return {row["predicate"].value.partition("#")[2]: row["object"].value for row in rows}


def test_a_recipe_is_executed_step_by_step(shared_lab, shouted) -> None:
    assert shared_lab.text_of(shouted.artifacts["louder"]) == "ab!!!"
    assert shared_lab.text_of(shouted.artifacts["joined"]) == "ab!!!cd"
    numbers = {o.name: {m.name: m.value for m in o.measurements} for o in shouted.outcomes}
    assert numbers == {
        "louder": {"letters": 3.0},
        "joined": {},
        "example-base": {"letters": 2.0},
        "example-joined": {"letters": 7.0, "parent_letters": 2.0},
    }
    assert run_state(shared_lab.registry, shouted.run) == "succeeded"
    assert not any(o.reused for o in shouted.outcomes)


def test_the_record_tells_how_a_step_was_executed(shared_lab, shouted) -> None:
    registry = shared_lab.registry
    step = load_step(registry, shouted.outcomes[1].activity)
    assert step.name == "example/join"
    assert step.inputs == {
        "base": shouted.artifacts["louder"],
        "adapter": shouted.artifacts["other"],
    }
    assert step.data is not None
    assert step.data.load(registry).text == shared_lab.calibration
    assert step.data.license == "CC0-1.0"
    assert step.load() == step_class("example/join").parse({})
    first = load_step(registry, shouted.outcomes[0].activity)
    assert first.load() == step_class("example/append").parse({"times": 3, "marks": [1, 2]})
    assert registry.blobs.read(shared_lab.recipe(RECIPE).sha256) == RECIPE.encode()


def test_log_byproducts_and_costs_are_kept(shared_lab, shouted) -> None:
    found = facts(shared_lab.registry, shouted.outcomes[0].activity)
    assert shared_lab.registry.blobs.read(found["log"]) == b"appending !\n"
    assert float(found["wallSeconds"]) > 0
    assert int(found["peakMemoryBytes"]) > 1 << 20
    assert "byproduct" in facts(shared_lab.registry, shouted.outcomes[1].activity)


def test_licences_and_the_line_go_to_descendants(shared_lab, shouted) -> None:
    joined = load_artifact(shared_lab.registry, shouted.artifacts["joined"])
    assert (joined.license, joined.line) == ("CC0-1.0", "model")
    assert joined.kind == PM.MergedModel


def test_every_step_is_checked_at_once(shared_lab, shouted) -> None:
    for outcome in shouted.outcomes:
        edges = 2 if outcome.name == "joined" else 1  # one to each parent
        assert result_verdicts(shared_lab.registry, outcome.result) == (PM.holds,) * edges


def test_nothing_is_left_in_the_working_folder(shared_lab, shouted) -> None:
    assert list((shared_lab.registry.root / "runs").iterdir()) == []
    assert "StepLog" not in [type(h).__name__ for h in logging.getLogger().handlers]


def test_a_succeeded_run_is_not_resumed(shared_lab, shouted) -> None:
    with pytest.raises(CompressionError, match="nothing to resume"):
        Runner(shared_lab.registry).resume(shouted.run)


def test_the_same_work_is_not_done_twice(shared_lab, shouted, inputs) -> None:
    before = shared_lab.count()
    again = shared_lab.run(shared_lab.recipe(RECIPE), inputs=inputs)
    assert all(outcome.reused for outcome in again.outcomes)
    assert [o.result for o in again.outcomes] == [o.result for o in shouted.outcomes]
    assert [o.measurements for o in again.outcomes] == [o.measurements for o in shouted.outcomes]
    assert shared_lab.count() == before + 2  # opened and closed


@pytest.mark.parametrize(
    ("old", "new", "reused"),
    [
        ("times: 3", "times: 4", [False, False, True, False]),
        ("name: shout", "name: cry", [True, True, True, True]),
        ("name: shout", "name: shout\nseed: 7", [False, False, False, False]),
    ],
)
def test_what_changes_is_done_again(shared_lab, shouted, inputs, old, new, reused) -> None:
    changed = shared_lab.recipe(RECIPE.replace(old, new, 1))
    again = shared_lab.run(changed, inputs=inputs, check=False)
    assert [outcome.reused for outcome in again.outcomes] == reused


def test_a_plan_follows_what_would_be_reused(shared_lab, shouted, inputs) -> None:
    before = shared_lab.count()
    runner = Runner(shared_lab.registry)
    same = runner.forecast(shared_lab.recipe(RECIPE), inputs)
    assert all(step.reused for step in same.steps)
    assert (same.seconds, same.bytes) == (0.0, 0)
    fresh = runner.forecast(shared_lab.recipe(RECIPE.replace("times: 3", "times: 5")), inputs)
    assert [step.reused for step in fresh.steps] == [False, False, True, False]
    assert fresh.steps[0].measured >= 1
    assert fresh.seconds > 0
    assert fresh.steps[0].bytes == 2
    assert fresh.free_bytes > 0
    assert shared_lab.count() == before


def test_a_plan_without_a_past_says_that_it_guesses(lab) -> None:
    plan = Runner(lab.registry).forecast(lab.one_step("example/append"), {"base": lab.bring()})
    assert [(step.measured, step.reused) for step in plan.steps] == [(0, False)]
    assert plan.steps[0].seconds == pytest.approx(2 / 50e6)


def test_reuse_can_be_forbidden(lab) -> None:
    base = {"base": lab.bring()}
    append = lab.one_step("example/append")
    first, second = (lab.run(append, inputs=base, cache=False) for _ in range(2))
    assert not second.outcomes[0].reused
    assert first.artifacts["out"] != second.artifacts["out"]


def test_another_text_is_another_input(lab) -> None:
    inputs = {"base": lab.bring("ab"), "other": lab.bring("cd", "x")}
    lab.run(lab.recipe(RECIPE), inputs=inputs, check=False)
    (lab.folder / "calibration.txt").write_text(lab.calibration + "more")
    again = lab.run(lab.recipe(RECIPE), inputs=inputs, check=False)
    assert [o.reused for o in again.outcomes] == [True, False, True, False]


def test_results_whose_bytes_are_gone_are_made_again(lab) -> None:
    base = {"base": lab.bring()}
    append = lab.one_step("example/append")
    first = lab.run(append, inputs=base)
    (file,) = load_artifact(lab.registry, first.artifacts["out"]).files
    lab.registry.blobs.delete(file.sha256)
    assert not lab.run(append, inputs=base).outcomes[0].reused


def test_checks_can_be_left_out_and_are_made_up_for(lab) -> None:
    base = {"base": lab.bring()}
    append = lab.one_step("example/append")
    first = lab.run(append, inputs=base, check=False)
    assert result_verdicts(lab.registry, first.artifacts["out"]) == ()
    again = lab.run(append, inputs=base)
    assert again.outcomes[0].reused
    assert again.artifacts["out"] == first.artifacts["out"]
    assert result_verdicts(lab.registry, first.artifacts["out"]) == (PM.holds,)


def test_the_seed_reaches_the_step(lab) -> None:
    base, dice = {"base": lab.bring()}, lab.one_step("example/dice")
    texts = [
        lab.text_of(lab.run(dice, inputs=base, seed=seed, cache=False).artifacts["out"])
        for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]


def test_a_failed_step_is_recorded_and_makes_nothing(lab) -> None:
    with pytest.raises(StepFailedError, match="on fire") as caught:
        lab.run(lab.one_step("example/fail"))
    assert "pressmark run --resume urn:uuid:" in caught.value.hint
    rows = lab.registry.rows("match", predicate=PM.outcome, object=PM.failed)
    assert len(rows) == 2  # the step and the closing
    (message,) = lab.registry.rows("match", predicate=PM.errorMessage)
    assert message["object"].value == "ValueError: the weights are on fire"
    log = facts(lab.registry, message["subject"])["log"]
    assert b"Traceback" in lab.registry.blobs.read(log)
    assert len(lab.registry.rows("match", predicate=PM.hasContent)) == 1  # the base alone


def test_a_lying_step_is_refuted_and_not_reused(lab) -> None:
    base = {"base": lab.bring()}
    for attempt in (1, 2):
        with pytest.raises(StepRefutedError, match="refutes its result 'out'"):
            lab.run(lab.one_step("example/lie"), inputs=base)
        refuted = lab.registry.rows("match", predicate=PM.verdict, object=PM.refuted)
        assert len(refuted) == attempt


@pytest.mark.parametrize(
    "step",
    [
        *("example/vandal", "example/linker", "example/void", "example/nan"),
        "example/scrawl .* a name with a backslash, a colon",
        "example/overflow .* tensor w: holds NaN or infinity",
    ],
)
def test_steps_that_break_the_rules_fail(lab, step: str) -> None:
    with pytest.raises(StepFailedError, match=rf"step {step}"):
        lab.run(lab.one_step(step.partition(" ")[0]))
    assert len(lab.registry.rows("match", predicate=PM.hasContent)) == 1


def test_inputs_are_resolved_before_anything_is_recorded(lab) -> None:
    base = lab.bring()
    before = lab.count()
    recipe = lab.recipe(RECIPE)
    with pytest.raises(RecipeError, match="needs an artifact for its input 'other'"):
        lab.run(recipe, inputs={"base": base})
    with pytest.raises(RecipeError, match="no input 'bass'\ndid you mean 'base'"):
        lab.run(recipe, inputs={"bass": base})
    both = {"base": base, "other": base}
    with pytest.raises(DataSetError, match="same text"):
        lab.run(lab.recipe(RECIPE.replace("evaluation.txt", "calibration.txt")), inputs=both)
    (lab.folder / "calibration.txt").unlink()
    with pytest.raises(DataSetError, match="no such data file"):
        lab.run(recipe, inputs=both)
    assert lab.count() == before


def test_one_artifact_may_be_two_inputs(lab) -> None:
    base = lab.bring()
    result = lab.run(lab.recipe(RECIPE), inputs={"base": base, "other": base})
    assert lab.text_of(result.artifacts["joined"]) == "ab!!!ab"


def test_an_import_is_taken_over_by_the_run_that_continues(lab) -> None:
    source = lab.folder / "source.txt"
    source.write_text("ab")
    steps = [
        {"step": "example/bring", "name": "in", "parameters": {"source": str(source)}},
        {"step": "example/fail", "name": "out"},
    ]
    recipe = Recipe.from_bytes(f"name: both\nsteps: {json.dumps(steps)}\n".encode())
    with pytest.raises(StepFailedError):
        lab.run(recipe)
    (row,) = lab.registry.rows("run_identity")
    with pytest.raises(StepFailedError):
        Runner(lab.registry).resume(row["run"])
    assert len(lab.registry.rows("results_by_cache_key")) == 1
    with pytest.raises(StepFailedError):
        lab.run(recipe)
    assert len(lab.registry.rows("results_by_cache_key")) == 2


def test_what_a_recipe_brings_in_is_looked_at_before_anything_is_recorded(lab) -> None:
    source = lab.folder / "source.txt"
    source.write_text("small")
    steps = [
        {"step": "example/door", "name": "in", "parameters": {"source": str(source)}},
        {"step": "example/fail", "name": "out"},
    ]
    recipe = Recipe.from_bytes(f"name: both\nsteps: {json.dumps(steps)}\n".encode())
    with pytest.raises(ModelFileError, match="begins small"):
        lab.run(recipe)
    assert lab.count() == 0
    assert list(lab.registry.blobs.digests()) == []
    source.write_text("Large")
    with pytest.raises(StepFailedError, match="on fire"):
        lab.run(recipe)
    source.write_text("small again")  # a resume has taken it in already
    (row,) = lab.registry.rows("run_identity")
    with pytest.raises(StepFailedError, match="on fire"):
        Runner(lab.registry).resume(row["run"])


class Stop:
    """Progress of a person who presses Ctrl-C when the first check begins."""

    def track(self, iterable, total=None, label=""):
        return iter(iterable)

    def log(self, text: str) -> None:
        if text.startswith("checking"):
            raise KeyboardInterrupt


def test_a_run_is_resumed_without_its_texts_from_any_folder(
    lab, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"base": lab.bring(), "other": lab.bring("cd", "other")}
    with pytest.raises(RunAbortedError):
        lab.run(lab.recipe(RECIPE), inputs=given, progress=Stop())
    (lab.folder / "calibration.txt").unlink()
    (lab.folder / "evaluation.txt").write_text("Another text than the one that the run began with.")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    runs = lab.registry.rows("run_identity")
    (run,) = [row["run"] for row in runs if row["recipeName"].value == "shout"]
    resumed = Runner(lab.registry).resume(run)
    assert [outcome.reused for outcome in resumed.outcomes] == [True, False, False, False]
    read = [load_step(lab.registry, outcome.activity).data for outcome in resumed.outcomes]
    texts = [data.load(lab.registry).text if data else None for data in read]
    assert texts == [None, lab.calibration, lab.evaluation, lab.evaluation]
    uses = lab.registry.rows("used_dataset", dataset=describe_data(read[2].load(lab.registry)).iri)
    assert len(uses) == 2
    assert lab.registry.rows("impact", thing=uses[0]["dataset"]) == []  # it shaped nothing


def test_a_stop_in_a_check_is_recorded_as_aborted(lab) -> None:
    base = {"base": lab.bring()}
    with pytest.raises(RunAbortedError, match="finished steps are kept"):
        lab.run(lab.one_step("example/append"), inputs=base, progress=Stop())
    assert len(lab.registry.rows("match", predicate=PM.outcome, object=PM.aborted)) == 1


def test_nobody_is_judged_by_the_text_he_was_fitted_to(shared_lab, shouted) -> None:
    text = """\
name: cheat
inputs: {base: }
data: {held: {path: calibration.txt, license: MIT}}
steps:
  - {step: example/count, data: held}
"""
    before = shared_lab.count()
    with pytest.raises(DataSetError, match="same text"):
        shared_lab.run(shared_lab.recipe(text), inputs={"base": shouted.artifacts["joined"]})
    assert shared_lab.count() == before
    fine = shared_lab.run(shared_lab.recipe(text), inputs={"base": shouted.artifacts["louder"]})
    assert len(fine.outcomes) == 1


def test_ctrl_c_while_recording_is_put_off(lab) -> None:
    class Impatient(NullProgress):
        def track(self, iterable, total=None, label=""):
            if label == "storing":
                signal.raise_signal(signal.SIGINT)
            yield from iterable

    base = {"base": lab.bring()}
    with pytest.raises(RunAbortedError):
        lab.run(lab.one_step("example/append"), inputs=base, progress=Impatient())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    resumed = lab.run(lab.one_step("example/append"), inputs=base)
    assert resumed.outcomes[0].reused  # what was done was kept


def test_assurance_is_checked_or_nothing(lab) -> None:
    base = {"base": lab.bring()}
    once = lab.run(lab.one_step("example/append"), inputs=base).artifacts["out"]
    assert str(assurance(lab.registry, once).evidence) == "checked"
    other = lab.run(lab.one_step("example/append", times=2), inputs=base, check=False)
    assert str(assurance(lab.registry, other.artifacts["out"]).evidence) == "none"
