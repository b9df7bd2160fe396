"""What is recorded of a step reads back as the step."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from pressmark.compression.errors import CompressionError
from pressmark.compression.parameters import canonical_json, decode_parameters, encode_parameters
from pressmark.compression.step import Step
from pressmark.ontology.terms import MLS, PM
from pressmark.registry.activities import FinishedStep, finish_step
from pressmark.registry.facts import scalar
from pressmark.registry.ids import new_iri
from pressmark.registry.occurrences import joint_license


class Everything(Step):
    name = "test/everything"
    activity = PM.Prune

    text: str = "x"
    note: str | None = None
    either: bool | str = "auto"
    whole: int = 0
    real: float = 0.5
    flag: bool = False
    rows: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    table: dict[str, float] = Field(default_factory=dict)
    deep: dict[str, tuple[bool | None, ...]] = Field(default_factory=dict)


WORDS = st.text(max_size=8) | st.sampled_from(["null", "true", "1", "0.5", "[1]", "{}", '"a"'])
REALS = st.floats(allow_nan=False, allow_infinity=False)
STEPS = st.builds(
    Everything,
    text=WORDS,
    note=st.none() | WORDS,
    either=st.booleans() | WORDS,
    whole=st.integers(-(2**63), 2**63 - 1),
    real=REALS,
    flag=st.booleans(),
    rows=st.lists(st.integers(-9, 9), max_size=3).map(tuple),
    names=st.lists(WORDS, max_size=3).map(tuple),
    table=st.dictionaries(WORDS, REALS, max_size=2),
    deep=st.dictionaries(WORDS, st.tuples(st.none() | st.booleans()), max_size=2),
)


@given(STEPS)
@settings(max_examples=50, deadline=None)
def test_parameters_survive_the_record(step: Everything) -> None:
    """Through the real writer and the literals of the canonical record."""
    made = new_iri()
    record = finish_step(
        FinishedStep(**FACTS, iri=made, parameters=encode_parameters(step))  # type: ignore[arg-type]
    )
    statements = list(record.quads())
    names = {q.subject: q.object.value for q in statements if q.predicate == PM.parameterName}
    values = {q.subject: q.object for q in statements if q.predicate == MLS.hasValue}
    recorded = {names[node]: scalar(value) for node, value in values.items()}
    assert decode_parameters(Everything, recorded) == step


def circumstances():
    from pressmark.registry import descriptions, environment
    from pressmark.registry.occurrences import Circumstances

    return Circumstances(
        environment.describe(1),
        descriptions.engine("1", "unknown", "0" * 64),
        descriptions.agent("a"),
    )


FACTS = {
    "started_at": "2026-01-01T00:00:00Z",
    "ended_at": "2026-01-01T00:00:01Z",
    "circumstances": circumstances(),
    "kind": PM.Prune,
    "run": new_iri(),
    "name": "test/everything",
    "version": "1",
    "outcome": PM.failed,
}


def test_what_would_not_read_back_is_refused_before_it_is_done() -> None:
    class Vague(Step):
        name = "test/vague"
        activity = PM.Prune
        either: str | tuple[int, ...] = ""
        lost: int | None = 3

    assert encode_parameters(Vague(either="text"))
    with pytest.raises(CompressionError, match="cannot be recorded without loss"):
        encode_parameters(Vague(either=(1, 2)))
    with pytest.raises(CompressionError, match="cannot be recorded without loss"):
        encode_parameters(Vague(lost=None))


@pytest.mark.parametrize(
    ("licenses", "joint"),
    [
        ([], "NOASSERTION"),
        (["MIT", "MIT"], "MIT"),
        (["MIT", "Apache-2.0"], "Apache-2.0 AND MIT"),
        (["MIT OR GPL-2.0-only", "gemma"], "(MIT OR GPL-2.0-only) AND gemma"),
    ],
)
def test_licences_of_several_parents_are_joined(licenses: list[str], joint: str) -> None:
    assert joint_license(licenses) == joint


def test_canonical_json_has_one_form() -> None:
    assert canonical_json({"b": [1, None], "a": "é"}) == '{"a":"é","b":[1,null]}'
