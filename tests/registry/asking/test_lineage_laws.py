"""Lineage on random histories, against a plain walk over what the test itself made."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyoxigraph import NamedNode

from pressmark.ontology.terms import PM
from pressmark.registry.lineage import Evidence, ancestors, assurance, descendants

Parents = dict[NamedNode, tuple[NamedNode, ...]]
STEPS = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=3), max_size=8)
VERDICTS = st.lists(st.tuples(st.integers(0, 99), st.booleans(), st.booleans()), max_size=6)


def made(history: Any, choices: list[list[int]]) -> Parents:
    """Two imports, and artifacts made from one to three of those before."""
    run = history.run()
    parents: Parents = {history.imported(run): () for _ in range(2)}
    for choice in choices:
        known = list(parents)
        chosen = tuple(dict.fromkeys(known[number % len(known)] for number in choice))
        artifact = history.step(run, "prune/wanda", *chosen)
        history.evaluate(run, artifact)  # derived from it too, but no artifact
        parents[artifact] = chosen
    return parents


def distances(root: NamedNode, following: Callable[[NamedNode], Any]) -> dict[NamedNode, int]:
    """Levels of a breadth-first walk, written plainly."""
    found, level = {root: 0}, [root]
    for depth in range(1, 100):
        level = [there for here in level for there in following(here) if there not in found]
        found |= dict.fromkeys(level, depth)
    return found


@settings(max_examples=25, suppress_health_check=list(HealthCheck), deadline=None)
@given(choices=STEPS, limit=st.none() | st.integers(0, 3))
def test_lineage_is_the_walk_over_the_parents(
    choices: list[list[int]], limit: int | None, new_history: Any, reading: Any
) -> None:
    history = new_history(1)
    parents = made(history, choices)
    reader = reading(history)
    for artifact in parents:
        children = {a: [c for c, of in parents.items() if a in of] for a in parents}
        back = distances(artifact, parents.__getitem__)
        on = distances(artifact, children.__getitem__)
        if limit is not None:
            back = {a: d for a, d in back.items() if d <= limit}
            on = {a: d for a, d in on.items() if d <= limit}
        found = ancestors(reader, artifact, limit)
        assert {n.iri: n.depth for n in found.nodes} == back
        assert sorted((e.child.value, e.parent.value) for e in found.edges if e.parent) == sorted(
            (a.value, p.value) for a in back for p in parents[a] if p in back
        )
        assert {n.iri: -n.depth for n in descendants(reader, artifact, limit).nodes} == on


@settings(max_examples=25, suppress_health_check=list(HealthCheck), deadline=None)
@given(choices=STEPS, verdicts=VERDICTS)
def test_assurance_is_the_least_over_the_chain(
    choices: list[list[int]], verdicts: list[tuple[int, bool, bool]], new_history: Any, reading: Any
) -> None:
    history = new_history(2)
    parents = made(history, choices)
    edges = {(a, e): Evidence.NONE for a in parents for e in names(parents[a])}
    for number, repeated, holds in verdicts:
        artifact, edge = key = list(edges)[number % len(edges)]
        kind = PM.Reproduce if repeated else PM.Check
        history.check(artifact, edge=edge, holds=holds, kind=kind)
        level = Evidence.REPRODUCED if repeated else Evidence.CHECKED
        refuted = not holds or edges[key] is Evidence.REFUTED
        edges[key] = Evidence.REFUTED if refuted else max(edges[key], level)
    reader = reading(history)
    for artifact in parents:
        chain = distances(artifact, parents.__getitem__)
        expected = min(level for (child, _), level in edges.items() if child in chain)
        assert assurance(reader, artifact).evidence is expected


def names(parents: tuple[NamedNode, ...]) -> list[str]:
    return [f"derivation-{number}" for number in range(len(parents))] or ["generation"]
