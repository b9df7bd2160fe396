import contextlib
import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pressmark.compression.errors import RecipeError, UnknownStepError
from pressmark.compression.marked_yaml import parse
from pressmark.compression.recipe import DataSource, Recipe
from pressmark.compression.step import step_class

pytestmark = pytest.mark.usefixtures("example_steps")

GOOD = """\
name: demo
inputs:
  base:
  other: alias
data:
  text: {path: a.txt, license: CC0-1.0}
  seen: {packaged: calibration}
steps:
  - step: example/append
    name: once
    parameters: {times: 2}
  - step: example/join
    inputs: {adapter: other}
    data: seen
  - step: example/count
    of: [base, once, example]
    parent: base
    data: text
"""


def refused(text: str, line: int | None, message: str, hint: str = "") -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.from_bytes(text.encode(), "r.yaml")
    first = caught.value.problems[0] if caught.value.problems else caught.value
    assert message in first.message
    assert hint in first.hint
    assert first.line == caught.value.line == line, caught.value.message
    assert first.message.startswith(f"r.yaml:{line}: " if line else "r.yaml: ")


def test_a_recipe_plans_each_execution() -> None:
    recipe = Recipe.from_bytes(GOOD.encode())
    planned = [(s.position, s.name, dict(s.inputs), s.data, s.line) for s in recipe.steps]
    assert planned == [
        (0, "once", {"base": "base"}, None, 9),
        (1, "example", {"base": "once", "adapter": "other"}, "seen", 12),
        (2, "example-base", {"base": "base"}, "text", 15),
        (2, "example-once", {"base": "once", "parent": "base"}, "text", 15),
        (2, "example-example", {"base": "example", "parent": "base"}, "text", 15),
    ]
    assert recipe.steps[0].step == step_class("example/append").parse({"times": 2})
    assert recipe.inputs == {"base": None, "other": "alias"}


def test_the_bytes_are_the_recipe() -> None:
    recipe = Recipe.from_bytes(GOOD.encode())
    assert recipe.to_bytes() == GOOD.encode()
    assert recipe.sha256 == hashlib.sha256(GOOD.encode()).hexdigest()


def test_a_recipe_is_loaded_from_a_file_or_by_name(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD)
    assert Recipe.load(file).folder == tmp_path
    with pytest.raises(RecipeError, match=r"no recipe 'wanda-int'"):
        Recipe.load("wanda-int")
    with pytest.raises(RecipeError, match="cannot be read: No such file"):
        Recipe.load(tmp_path / "other.yaml")


def test_a_single_step_makes_a_recipe_that_reads_back() -> None:
    step = step_class("example/count").parse({})
    source = DataSource(path="t.txt", license="MIT")
    recipe = Recipe.single(step, inputs=("base", "parent"), data=source)
    assert recipe.steps[0].inputs == {"base": "base", "parent": "parent"}
    assert recipe.data["data"] == source
    bring = Recipe.single(step_class("example/bring").parse({"source": "é: [x"}), name="in")
    assert Recipe.from_bytes(bring.source).steps == bring.steps
    assert bring.steps[0].step.parameters() == {"source": "é: [x"}


@pytest.mark.parametrize(
    ("old", "new", "line", "message", "hint"),
    [
        ("name: demo", "nmae: demo", 1, "unknown key 'nmae'", "did you mean 'name'"),
        ("name: demo\n", "", 1, "'name' is missing", "add 'name:'"),
        ("name: demo", "name: [1]", 1, "should be a valid string", ""),
        ("name: demo", "name: a/b", 1, "name: String should match", ""),
        ("name: demo", "name: demo\nseed: -1", 2, "greater than or equal to 0, not -1", ""),
        ("example/append", "example/apend", 9, "no step 'example/apend'", "'example/append'"),
        ("parameters: {times", "paramters: {times", 11, "unknown key 'paramters'", "'parameters'"),
        ("{times: 2}", "{tmes: 2}", 11, "has no parameter 'tmes'", "did you mean 'times'"),
        ("{times: 2}", "{times: 0}", 11, "times: Input should be greater", ""),
        ("{times: 2}", '\n      text: a\n      times: "2"', 13, "a valid integer, not '2'", ""),
        ("{times: 2}", "[2]", 11, "should be an object", ""),
        ("adapter: other", "adaptor: other", 13, "takes no input 'adaptor'", "'adapter'"),
        ("adapter: other", "adapter: oter", 13, "is named 'oter'", "did you mean 'other'"),
        ("inputs: {adapter: other}", "inputs: {}", 12, "needs an input 'adapter'", "inputs:"),
        ("data: seen", "data: sene", 14, "no data set is named 'sene'", "'seen'"),
        ("    data: seen\n", "", 12, "needs calibration data", "one of: text, seen"),
        ("data: seen", "data: text", 18, "for calibration and for evaluation", "no step has"),
        ("name: once", "name: once\n    data: seen", 11, "reads no data", "remove"),
        ("name: once", "name: base", 10, "'base' is taken, in line 3 already", "another"),
        ("name: once", "name: previous", 10, "reserved", ""),
        (
            "  - step: example/join",
            "  - step: example/append\n    name: once\n  - step: example/join",
            13,
            "'once' is taken, in line 10 already",
            "",
        ),
        ("parent: base", "parent: bass", 17, "is named 'bass'", "'base'"),
        ("of: [base, once", "of: [base, onze", 16, "is named 'onze'", "'once'"),
        ("of: [base, once, example]", "of: [example-base]", 16, "is named 'example-base'", ""),
        ("  other: alias", "  other: alias\n  base: x", 5, "duplicate key 'base'", "line 3"),
        ("license: CC0-1.0", "licence: CC0-1.0", 6, "unknown key 'licence'", "'license'"),
        (", license: CC0-1.0", "", 6, "needs a 'license'", ""),
        ("{packaged: calibration}", "{}", 7, "exactly one of", ""),
        (
            "{packaged: calibration}",
            "{packaged: calibration, license: MIT}",
            7,
            "'license' says nothing about a 'packaged' text",
            "",
        ),
        (
            ", license: CC0-1.0",
            ", license: CC0-1.0, revision: main",
            6,
            "'revision' says nothing about a 'path' text",
            "",
        ),
        ("alias", "&a alias", 4, "anchors and aliases", ""),
        ("alias", "!!python/name:os.system", 4, "tags are not read", ""),
        ("name: demo", "name: demo\n\tx: 1", 2, "not valid YAML", ""),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(
    old: str, new: str, line: int, message: str, hint: str
) -> None:
    assert old in GOOD
    refused(GOOD.replace(old, new, 1), line, message, hint)


def problems(text: str) -> list[tuple[int | None, str]]:
    with pytest.raises(RecipeError) as caught:
        Recipe.from_bytes(text.encode(), "r.yaml")
    found = caught.value.problems
    if found:
        assert caught.value.message.startswith(f"r.yaml: {len(found)} problems\n")
        assert all(one.message in caught.value.message for one in found)
        assert all(one.hint in caught.value.message for one in found)
    return [(one.line, one.message.partition(": ")[2]) for one in found]


def test_all_problems_are_told_at_once_and_each_once() -> None:
    text = GOOD.replace("times: 2", "tmes: 2, text: 3").replace("adapter: other", "adaptor: oter")
    text = text.replace("[base, once, example]", "[base, onze, once]").replace("t: base", "t: bass")
    assert problems(text) == [
        (11, "text: Input should be a valid string, not 3"),
        (11, "example/append has no parameter 'tmes'"),
        (13, "nothing before this step is named 'oter'"),
        (13, "example/join takes no input 'adaptor'"),
        (16, "nothing before this step is named 'onze'"),
        (17, "nothing before this step is named 'bass'"),
    ]


def test_the_steps_are_looked_at_even_where_the_document_is_malformed() -> None:
    text = GOOD.replace("name: demo", "nmae: demo\nseed: x").replace("append", "apend")
    text = text.replace("data: seen", "dta: seen").replace("example/count", "example/cont")
    assert problems(text) == [
        (1, "unknown key 'nmae'"),
        (2, "seed: Input should be a valid integer, not 'x'"),
        (10, "there is no step 'example/apend'"),
        (15, "unknown key 'dta'"),
        (16, "there is no step 'example/cont'"),
    ]


def test_unknown_steps_keep_their_class_and_the_cause() -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.from_bytes(GOOD.replace("example/append", "none/such").encode())
    assert isinstance(caught.value.__cause__, UnknownStepError)


def test_of_belongs_to_evaluations() -> None:
    text = "name: a\ninputs: {b: }\nsteps:\n  - step: example/append\n    of: [b]\n"
    refused(text, 5, "'of' lists what an evaluation evaluates")


def test_a_first_step_without_any_input_is_refused() -> None:
    refused("name: a\nsteps:\n  - step: example/append\n", 3, "is named 'previous'", "inputs:")


def test_a_recipe_without_steps_is_refused() -> None:
    refused("name: a\nsteps: []\n", 2, "at least 1 item")


def test_hostile_documents_are_refused_quickly() -> None:
    refused("[" * 50 + "]" * 50, 1, "nested deeper")
    refused("x" * (2 << 20), None, "larger than")
    refused("just text", 1, "a table")
    refused("", 1, "a table")
    refused("a: 1\n---\nb: 2\n", 2, "not valid YAML")
    with pytest.raises(RecipeError, match="not UTF-8"):
        parse(b"\xff\xfe", "r.yaml")


def test_values_follow_yaml_1_2() -> None:
    text = b"{a: no, b: 1e-5, c: 2024-01-01, d: 010, e: 1:30, f: '1', g: ~, h: True, i: .5, j: -3}"
    assert parse(text, "r").data == {
        "a": "no",
        "b": 1e-5,
        "c": "2024-01-01",
        "d": 10,
        "e": "1:30",
        "f": "1",
        "g": None,
        "h": True,
        "i": 0.5,
        "j": -3,
    }


@given(st.text(max_size=200))
@settings(max_examples=50)
def test_any_text_is_a_recipe_or_refused(text: str) -> None:
    with contextlib.suppress(RecipeError):
        Recipe.from_bytes(text.encode("utf-8", "surrogatepass"))


@given(
    st.integers(0, len(GOOD) - 1), st.sampled_from(["", " ", ":", "[", "{", "\n", "-", "x", "0"])
)
@settings(max_examples=50)
def test_any_slip_of_the_pen_is_read_or_refused(place: int, slip: str) -> None:
    with contextlib.suppress(RecipeError):
        recipe = Recipe.from_bytes((GOOD[:place] + slip + GOOD[place + 1 :]).encode())
        assert recipe.steps
