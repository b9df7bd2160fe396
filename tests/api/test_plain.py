"""`plain` and `rebuilt`: a value survives the way through JSON."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyoxigraph import NamedNode

from pressmark.api.accounts import NewToken, TokenList
from pressmark.api.plain import UnexpectedShapeError, plain, rebuilt
from pressmark.compression.results import CheckResult, Forecast, Reproduction, RunResult
from pressmark.registry.backup import Backup
from pressmark.registry.diff import Difference
from pressmark.registry.fsck import Report as FsckReport
from pressmark.registry.gc import Swept
from pressmark.registry.kept_reports import KeptReport
from pressmark.registry.lifecycle import AliasChange
from pressmark.registry.lineage import Assurance, Lineage
from pressmark.registry.lineage_page import LineagePage
from pressmark.registry.registry import Receipt
from pressmark.registry.report.model import Report
from pressmark.registry.transfer import Transfer
from pressmark.registry.verification import Verification
from pressmark.registry.views import ArtifactView, HeadView, WhereView

CLASSES = (
    *(ArtifactView, Lineage, Assurance, Difference, Verification, HeadView, WhereView, Report),
    *(KeptReport, LineagePage, RunResult, CheckResult, Forecast, Reproduction, TokenList, NewToken),
    *(AliasChange, Transfer, Backup, FsckReport, Swept, Receipt),
)

iris = st.uuids().map(lambda uuid: NamedNode(f"urn:uuid:{uuid}"))
st.register_type_strategy(NamedNode, iris)
st.register_type_strategy(Path, st.text(alphabet="abc", min_size=1).map(Path))
st.register_type_strategy(float, st.floats(allow_nan=False))


@given(st.data())
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__module__ + "." + cls.__name__)
def test_what_is_rebuilt_from_its_json_is_what_it_was(cls: type, data: st.DataObject) -> None:
    value = data.draw(st.from_type(cls))
    assert rebuilt(cls, json.loads(json.dumps(plain(value)))) == value


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: float | None


def test_what_a_newer_release_says_more_is_left_out() -> None:
    assert rebuilt(Point, {"x": 1, "y": None, "z": 3}) == Point(1, None)


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"x": 1}, r"\$.*'y'"),
        ({"x": True, "y": 1.0}, r"\$\.x"),
        ({"x": "1", "y": 1.0}, r"\$\.x"),
        ({"x": 1, "y": "one"}, r"\$\.y"),
        ([1, 2], r"\$: dict"),
    ],
)
def test_another_shape_is_refused_where_it_differs(value: Any, place: str) -> None:
    with pytest.raises(UnexpectedShapeError, match=place):
        rebuilt(Point, value)


def test_a_list_of_a_class_can_be_rebuilt() -> None:
    assert rebuilt(list[Point], [{"x": 1, "y": 2}]) == [Point(1, 2.0)]
