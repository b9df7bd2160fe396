"""The plan file: exact, versioned, strict."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pressmark.compression.errors import ModelFileError
from pressmark.compression.plan import LAYOUTS, PackedWeight, Plan, Quantization

PACKED = st.builds(
    PackedWeight,
    shape=st.lists(st.integers(1, 1 << 20), min_size=1, max_size=2).map(tuple),
    dtype=st.sampled_from(["bfloat16", "float16", "float32"]),
    layout=st.sampled_from(LAYOUTS),
)
PLANS = st.builds(
    Plan,
    quantization=st.none()
    | st.builds(
        Quantization,
        bits=st.integers(2, 8),
        group_size=st.none() | st.integers(1, 1024),
        symmetric=st.booleans(),
        weights=st.dictionaries(st.text(max_size=9), PACKED, max_size=4),
    ),
)


@settings(max_examples=50)
@given(PLANS)
def test_round_trip(plan: Plan) -> None:
    assert Plan.from_json(plan.to_json()) == plan


def test_weights_are_sorted_whatever_their_order() -> None:
    packed = PackedWeight((2, 2), "bfloat16")
    one, other = (
        Plan(Quantization(8, None, True, dict.fromkeys(names, packed))) for names in ("ab", "ba")
    )
    assert one.to_json() == other.to_json()


def test_without_a_file_the_plan_is_empty(tmp_path: Any) -> None:
    assert Plan.read(tmp_path) == Plan()
    assert Plan().is_empty


def good() -> dict[str, Any]:
    weight = {"shape": [2, 2], "dtype": "bfloat16", "layout": "dense"}
    grid = {"bits": 4, "group_size": 32, "symmetric": False, "weights": {"w": weight}}
    return {"version": 1, "quantization": grid}


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (["version"], 2, "'version' is 2"),
        (["version"], True, "'version' is True"),
        (["colour"], "red", "'colour' is not a key"),
        (["quantization"], [], "'quantization' must be a table"),
        (["quantization", "bits"], 9, "'quantization.bits' is 9"),
        (["quantization", "bits"], "4", "'quantization.bits' is '4'"),
        (["quantization", "group_size"], 0, "'quantization.group_size' is 0"),
        (["quantization", "symmetric"], 1, "'quantization.symmetric' is 1"),
        (["quantization", "zero"], 1, "'quantization.zero' is not a key"),
        (["quantization", "weights"], [], "'quantization.weights' must map"),
        (["quantization", "weights", "w", "shape"], [2, -2], "weights.w.shape' is"),
        (["quantization", "weights", "w", "shape"], [1 << 40, 1 << 40], "more than any file"),
        (["quantization", "weights", "w", "dtype"], "int8", "weights.w.dtype' is 'int8'"),
        (["quantization", "weights", "w", "layout"], "csr", "weights.w.layout' is 'csr'"),
        (["quantization", "weights", "w", "path"], "/", "weights.w.path' is not a key"),
    ],
)
def test_refuses_by_key(path: list[str], value: Any, says: str) -> None:
    document: Any = good()
    Plan.from_json(json.dumps(document).encode())
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(ModelFileError) as refused:
        Plan.from_json(json.dumps(document).encode())
    assert str(refused.value).startswith("pressmark.json: ")
    assert says in str(refused.value)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b"nan"])
def test_refuses_what_is_no_plan(data: bytes) -> None:
    with pytest.raises(ModelFileError, match=r"pressmark\.json"):
        Plan.from_json(data)


def test_refuses_a_missing_key() -> None:
    document = good()
    del document["quantization"]["bits"]
    with pytest.raises(ModelFileError, match=r"'quantization\.bits' is missing"):
        Plan.from_json(json.dumps(document).encode())
