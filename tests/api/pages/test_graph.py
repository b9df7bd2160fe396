"""What is drawn of a lineage, and that it can be read: laws over random histories."""

import random
from itertools import combinations
from typing import Any

import pytest

from pressmark.api.pages.graph import BOX_HEIGHT, BOX_WIDTH, SIZES, Drawing, drawing
from pressmark.registry.lineage import lineage_graph

from ...registry.asking.conftest import MemoryReader  # noqa: TID252 - answers without a disk
from .conftest import History


def merges(seed: int) -> tuple[MemoryReader, list[Any]]:
    """A history in which each artifact is made from one to three earlier ones."""
    draw, history = random.Random(seed), History(seed)
    run = history.run()
    made = [history.imported(run) for _ in range(3)]
    for _ in range(30):
        parents = draw.sample(made, draw.randint(1, 3))
        made.append(history.step(run, draw.choice(["prune/wanda", "quantize/rtn"]), *parents))
    return MemoryReader(history), made


@pytest.fixture(scope="module", params=range(5))
def known(request: pytest.FixtureRequest) -> tuple[MemoryReader, list[Any]]:
    return merges(request.param)


def connected(drawn: Drawing) -> set[int]:
    """The numbers of the boxes that lines lead to from the root."""
    root = next(number for number, box in enumerate(drawn.boxes) if box.is_root)
    found, waiting = {root}, [root]
    while waiting:
        here = waiting.pop()
        for line in drawn.lines:
            if line.edge is None or line.start is None:
                continue
            for there in {line.start, line.end} if here in (line.start, line.end) else ():
                if there not in found:
                    found.add(there)
                    waiting.append(there)
    return found


@pytest.mark.parametrize("limit", [1, 5, 12, SIZES[0]])
def test_whatever_is_drawn_is_connected_and_counted(
    known: tuple[MemoryReader, list[Any]], limit: int
) -> None:
    reader, made = known
    for artifact in (made[0], made[10], made[-1]):
        lineage = lineage_graph(reader, artifact)
        drawn = drawing(lineage, limit)
        shown = [n for n, box in enumerate(drawn.boxes) if box.artifact is not None]
        assert len(shown) == drawn.shown == min(limit, len(lineage.nodes))
        assert connected(drawn) == set(shown)
        assert (drawn.more is None) == (drawn.shown == drawn.total)
        assert any(box.hidden for box in drawn.boxes) == (drawn.shown < drawn.total)


def test_no_box_lies_over_another_and_time_goes_to_the_right(
    known: tuple[MemoryReader, list[Any]],
) -> None:
    reader, made = known
    drawn = drawing(lineage_graph(reader, made[-1]))
    for one, other in combinations(drawn.boxes, 2):
        beside = abs(one.x - other.x) >= BOX_WIDTH or abs(one.y - other.y) >= BOX_HEIGHT
        assert beside, (one, other)
    for line in drawn.lines:
        if line.start is not None:
            assert drawn.boxes[line.start].x < drawn.boxes[line.end].x
    for box in drawn.boxes:
        assert 0 <= box.x <= drawn.width - BOX_WIDTH
        assert 0 <= box.y <= drawn.height - BOX_HEIGHT


def test_every_edge_between_what_is_drawn_is_drawn(
    known: tuple[MemoryReader, list[Any]],
) -> None:
    reader, made = known
    lineage = lineage_graph(reader, made[5])
    drawn = drawing(lineage, 10)
    inside = {box.artifact.iri for box in drawn.boxes if box.artifact}
    expected = [
        e for e in lineage.edges if e.child in inside and (e.parent is None or e.parent in inside)
    ]
    assert {line.edge.about for line in drawn.lines if line.edge} == {e.about for e in expected}


def test_what_is_in_use_is_drawn_before_what_is_not() -> None:
    history = History(7)
    run = history.run()
    base = history.imported(run)
    made = [history.step(run, "prune/wanda", base) for _ in range(20)]
    history.promote(made[0], "prod")
    drawn = drawing(lineage_graph(MemoryReader(history), base), 3)
    assert [box.artifact.iri for box in drawn.boxes if box.artifact] == [base, made[0], made[-1]]
    (rest,) = [box for box in drawn.boxes if box.artifact is None]
    assert rest.hidden == 18
