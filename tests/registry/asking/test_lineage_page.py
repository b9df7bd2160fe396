"""Pages of a lineage: put together they are the whole, whatever is added between two of them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyoxigraph import NamedNode

from pressmark.ontology.terms import PM
from pressmark.registry.errors import NotFoundError
from pressmark.registry.lineage import (
    Evidence,
    Node,
    Origin,
    ancestors,
    descendants,
    lineage_graph,
)
from pressmark.registry.lineage_page import Direction, LineageFilter, LineagePage, lineage_page

WHOLE = {
    Direction.ANCESTORS: ancestors,
    Direction.DESCENDANTS: descendants,
    Direction.BOTH: lineage_graph,
}
STEPS = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=3), max_size=8)


def pages(reader: Any, root: NamedNode, limit: int, *way: Any, **asked: Any) -> list[LineagePage]:
    found = [lineage_page(reader, root, *way, limit=limit, **asked)]
    while found[-1].next is not None:
        found.append(lineage_page(reader, root, *way, limit=limit, after=found[-1].next, **asked))
    return found


def grown(history: Any, choices: list[list[int]]) -> dict[NamedNode, list[NamedNode]]:
    """Two imports, and artifacts made of one to three of those before: the parents of each."""
    run = history.run()
    parents: dict[NamedNode, list[NamedNode]] = {history.imported(run): [] for _ in range(2)}
    for choice in choices:
        known = list(parents)
        chosen = list(dict.fromkeys(known[number % len(known)] for number in choice))
        parents[history.step(run, "prune/wanda", *chosen)] = chosen
    return parents


@settings(max_examples=25, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    choices=STEPS,
    depth=st.none() | st.integers(1, 3),
    limit=st.integers(1, 4),
    which=st.integers(0, 99),
    way=st.sampled_from(Direction),
)
def test_the_pages_together_are_the_whole(
    choices: list[list[int]],
    depth: int | None,
    limit: int,
    which: int,
    way: Direction,
    new_history: Any,
    reading: Any,
) -> None:
    history = new_history(1)
    parents = grown(history, choices)
    reader, root = reading(history), list(parents)[which % len(parents)]
    whole = WHOLE[way](reader, root, depth)
    found = pages(reader, root, limit, way, depth=depth)
    nodes = [one for page in found for one in page.nodes]
    assert {one.iri: one.depth for one in nodes} == {one.iri: one.depth for one in whole.nodes}
    assert len(nodes) == len(whole.nodes)
    order = [(abs(one.depth), one.artifact.sequence or 0, one.iri.value) for one in nodes]
    assert order == sorted(order)
    edges = [(e.child, e.parent) for page in found for e in page.edges if e.parent]
    reached = {one.iri for one in nodes}
    assert sorted(map(str, edges)) == sorted(
        str((c, p)) for c in reached for p in parents[c] if p in reached
    )
    assert {e for e in whole.edges if e.parent is None} == {
        e for page in found for e in page.edges if e.parent is None
    }
    for page in found:
        assert {one.child for one in page.edges} <= {one.iri for one in page.nodes}
        assert 0 < len(page.nodes) <= limit


@settings(max_examples=15, suppress_health_check=list(HealthCheck), deadline=None)
@given(choices=STEPS, more=STEPS, limit=st.integers(1, 3))
def test_what_was_there_is_listed_once_whatever_is_added_meanwhile(
    choices: list[list[int]], more: list[list[int]], limit: int, new_history: Any, reading: Any
) -> None:
    history = new_history(1)
    known = list(grown(history, choices))
    root = known[0]
    before = {one.iri for one in descendants(reading(history), root).nodes}
    listed, after, run = [], None, history.run()
    for choice in [*more, *([] for _ in range(len(known)))]:
        page = lineage_page(reading(history), root, Direction.DESCENDANTS, limit=limit, after=after)
        listed += [one.iri for one in page.nodes]
        after = page.next
        if after is None:
            break
        if choice:
            parents = dict.fromkeys(known[number % len(known)] for number in choice)
            known.append(history.step(run, "prune/wanda", *parents))
    while after is not None:
        page = lineage_page(reading(history), root, Direction.DESCENDANTS, limit=limit, after=after)
        listed += [one.iri for one in page.nodes]
        after = page.next
    assert before <= set(listed)
    assert len(listed) == len(set(listed))


def time_of(artifact: str) -> Callable[[Any], datetime]:
    def made(world: Any) -> datetime:
        nodes = lineage_graph(world.reader, world.base).nodes
        (one,) = (n for n in nodes if n.iri == getattr(world, artifact))
        return datetime.fromisoformat(one.artifact.generated_at or "")

    return made


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ({}, ["base", "pruned", "int8", "int4", "elsewhere"]),
        ({"kind": PM.QuantizedModel}, ["int8", "int4", "elsewhere"]),
        ({"step": "quantize/rtn"}, ["int8", "int4"]),
        ({"step": "Quantize"}, ["int8", "int4"]),
        ({"step": "Registration"}, ["elsewhere"]),
        ({"origin": Origin.DECLARED}, ["elsewhere"]),
        ({"evidence": Evidence.REFUTED}, ["int4"]),
        ({"evidence": Evidence.REPRODUCED}, ["int8"]),
        ({"since": time_of("int4")}, ["int4", "elsewhere"]),
        ({"until": time_of("int8")}, ["base", "pruned"]),
        ({"since": time_of("int8"), "until": time_of("int4")}, ["int8"]),
        ({"kind": PM.PrunedModel, "evidence": Evidence.NONE}, []),
    ],
)
def test_a_filter_chooses_what_is_listed_not_what_is_walked(
    world: Any, only: dict[str, Any], expected: list[str]
) -> None:
    chosen = LineageFilter(**{k: v(world) if callable(v) else v for k, v in only.items()})
    for limit in (1, 2, 100):
        found = pages(world.reader, world.base, limit, Direction.DESCENDANTS, only=chosen)
        nodes: list[Node] = [one for page in found for one in page.nodes]
        assert [world.name(one.iri) for one in nodes] == expected
        assert all(chosen.fits_edge(one) for page in found for one in page.edges)


def test_what_is_known_by_claim_has_no_time(world: Any) -> None:
    always = LineageFilter(since=datetime(1, 1, 1, tzinfo=UTC))
    found = lineage_page(world.reader, world.elsewhere, only=always)
    assert [one.name for one in found.nodes if one.artifact.content is None] == []
    everything = lineage_page(world.reader, world.elsewhere)
    assert "vendor/original" in {one.name for one in everything.nodes}


def test_a_fraction_of_a_second_counts(world: Any) -> None:
    exact = time_of("int8")(world)
    later = LineageFilter(since=exact + timedelta(microseconds=1))
    found = lineage_page(world.reader, world.base, Direction.DESCENDANTS, only=later)
    assert world.int8 not in {one.iri for one in found.nodes}


def test_what_is_not_there(world: Any) -> None:
    with pytest.raises(NotFoundError, match="no artifact"):
        lineage_page(world.reader, world.run)
    with pytest.raises(NotFoundError, match="not in this lineage"):
        lineage_page(world.reader, world.base, after=world.run)
