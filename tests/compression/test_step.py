from pathlib import Path

import pytest
from pydantic import ValidationError

from pressmark.compression.errors import CompressionError, UnknownStepError
from pressmark.compression.step import (
    Claim,
    Evidence,
    Inputs,
    Produced,
    Step,
    Workload,
    step_class,
    step_names,
)

pytestmark = pytest.mark.usefixtures("example_steps")


def test_steps_of_other_distributions_are_found_by_name() -> None:
    assert step_class("example/append").__name__ == "Append"
    assert {"example/append", "prune/wanda"} <= set(step_names())


def test_a_misspelt_step_is_answered_with_the_closest() -> None:
    with pytest.raises(UnknownStepError, match="no step 'example/apend'\ndid you mean") as caught:
        step_class("example/apend")
    assert "'example/append'" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "message"),
    [("example/misnamed", "no Step of that name"), ("example/absent", "cannot be loaded")],
)
def test_an_entry_point_that_is_no_such_step_is_refused(name: str, message: str) -> None:
    with pytest.raises(CompressionError, match=message):
        step_class(name)


def test_parameters_are_strict_and_complete() -> None:
    step = step_class("example/append").parse({"times": 2, "marks": [1, 2]})
    assert step.parameters() == {"text": "!", "times": 2, "marks": [1, 2], "note": None}


@pytest.mark.parametrize(
    "wrong", [{"times": "2"}, {"times": 0}, {"times": 1.5}, {"text": 1}, {"tines": 2}]
)
def test_wrong_parameters_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        step_class("example/append").parse(wrong)


def test_a_step_is_a_value() -> None:
    kind = step_class("example/append")
    assert kind.parse({"times": 2}) == kind.parse({"times": 2})
    with pytest.raises(ValidationError, match="frozen"):
        kind.parse({}).times = 3  # type: ignore[attr-defined]


def test_inputs_name_the_missing_role_and_data(tmp_path: Path) -> None:
    inputs = Inputs({"base": tmp_path})
    assert "base" in inputs
    assert inputs.folder() == tmp_path
    with pytest.raises(CompressionError, match="no input in the role 'adapter'"):
        inputs.folder("adapter")
    with pytest.raises(CompressionError, match="needs a data set"):
        _ = inputs.data


def test_an_evaluation_has_no_folder() -> None:
    with pytest.raises(CompressionError, match="made no folder"):
        _ = Produced(None).folder


def test_evidence_without_claims_does_not_hold() -> None:
    good, bad = Claim("a", True, "3 of 3"), Claim("b", False, "row 7")
    assert not Evidence(()).holds
    assert Evidence((good,)).holds
    assert not Evidence((good, bad)).holds
    assert Evidence((good, bad)).detail == "b: row 7\na: 3 of 3"


def test_the_default_estimate_is_one_pass_over_the_base() -> None:
    step = step_class("example/append").parse({})
    assert step.estimate(Workload({"base": 100_000_000, "adapter": 5})).bytes == 100_000_000
    assert step_class("example/count").parse({}).estimate(Workload({"base": 10})).bytes == 0


def test_a_step_must_say_what_it_does(tmp_path: Path) -> None:
    class Nothing(Step):
        name = "nothing"

    with pytest.raises(NotImplementedError, match="nothing does not implement apply"):
        Nothing().apply(Inputs({}), None)  # type: ignore[arg-type]
