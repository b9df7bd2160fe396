from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyoxigraph import NamedNode

from pressmark.ontology.terms import PM
from pressmark.registry.errors import NotFoundError
from pressmark.registry.lineage import (
    Assurance,
    Edge,
    Evidence,
    Lineage,
    Origin,
    ancestors,
    assurance,
    chain_assurance,
    descendants,
    lineage_graph,
)


def edges(world: Any, lineage: Lineage | Assurance) -> list[tuple[str, str | None, str]]:
    return [
        (world.name(e.child), world.name(e.parent) if e.parent else None, e.label)
        for e in lineage.edges
    ]


def nodes(world: Any, lineage: Lineage) -> dict[str, int]:
    return {world.name(n.iri): n.depth for n in lineage.nodes}


def test_ancestors_lead_back_to_the_import(world: Any) -> None:
    lineage = ancestors(world.reader, world.int8)
    assert edges(world, lineage) == [
        ("int8", "pruned", "executed, reproduced"),
        ("pruned", "base", "executed, checked"),
        ("base", None, "executed, checked"),
    ]
    assert nodes(world, lineage) == {"int8": 0, "pruned": 1, "base": 2}
    assert [world.name(n.iri) for n in lineage.origins] == ["base"]
    assert [e.step_name for e in lineage.edges] == ["quantize/rtn", "prune/wanda", "import"]


def test_depth_is_counted_in_edges(world: Any) -> None:
    assert nodes(world, ancestors(world.reader, world.int8, depth=0)) == {"int8": 0}
    one = ancestors(world.reader, world.int8, depth=1)
    assert nodes(world, one) == {"int8": 0, "pruned": 1}
    assert edges(world, one) == [("int8", "pruned", "executed, reproduced")]


def test_descendants_have_negative_depths(world: Any) -> None:
    lineage = descendants(world.reader, world.base)
    assert nodes(world, lineage) == {
        "base": 0, "pruned": -1, "int8": -2, "int4": -2, "elsewhere": -2,
    }  # fmt: skip
    assert edges(world, lineage) == [
        ("elsewhere", "pruned", "declared, unverified"),
        ("int4", "pruned", "executed, refuted"),
        ("int8", "pruned", "executed, reproduced"),
        ("pruned", "base", "executed, checked"),
    ]
    assert nodes(world, descendants(world.reader, world.base, depth=1)) == {"base": 0, "pruned": -1}
    assert descendants(world.reader, world.int8).edges == ()


def test_both_directions_in_one_picture(world: Any) -> None:
    lineage = lineage_graph(world.reader, world.pruned)
    assert nodes(world, lineage) == {
        "pruned": 0, "base": 1, "int8": -1, "int4": -1, "elsewhere": -1,
    }  # fmt: skip
    assert [world.name(e.child) for e in lineage.to_children(world.pruned)] == [
        "elsewhere", "int4", "int8",
    ]  # fmt: skip
    assert [world.name(e.parent) for e in lineage.to_parents(world.pruned)] == ["base"]


def test_a_parent_known_by_claim_only_ends_the_path(world: Any) -> None:
    lineage = ancestors(world.reader, world.elsewhere)
    claimed = [n for n in lineage.nodes if n.artifact.status == "external"]
    assert [n.name for n in claimed] == ["vendor/original"]
    assert {world.name(n.iri) for n in lineage.origins} == {"base", claimed[0].iri.value}


def test_a_chain_is_as_sure_as_its_weakest_edge_on_each_axis(world: Any) -> None:
    assert assurance(world.reader, world.int8).label == "executed, checked"
    assert assurance(world.reader, world.elsewhere).label == "declared, unverified"
    assert assurance(world.reader, world.int4).label == "executed, refuted"
    weakest = assurance(world.reader, world.int4).weakest
    assert [world.name(edge.child) for edge in weakest] == ["int4"]
    assert [world.name(e.child) for e in assurance(world.reader, world.int8).weakest] == [
        "pruned", "base",
    ]  # fmt: skip


def test_one_refutation_outweighs_a_later_success(
    new_history: Callable[..., Any], reading: Callable[[Any], Any]
) -> None:
    history = new_history(9)
    run = history.run()
    base = history.imported(run)
    pruned = history.step(run, "prune/wanda", base)
    history.check(pruned, holds=False)
    history.check(pruned)
    history.check(pruned, kind=PM.Reproduce)
    assert assurance(reading(history), pruned).evidence is Evidence.REFUTED


def test_what_is_no_artifact_has_no_lineage(world: Any) -> None:
    for iri in (NamedNode("urn:uuid:00000000-0000-7000-8000-000000000000"), world.run):
        with pytest.raises(NotFoundError, match=iri.value):
            ancestors(world.reader, iri)


IRIS = st.integers(0, 9).map(lambda n: NamedNode(f"urn:x:{n}"))
EDGES = st.builds(
    Edge,
    child=IRIS,
    parent=IRIS,
    activity=IRIS,
    activity_kind=IRIS,
    step_name=st.none(),
    about=IRIS,
    sequence=st.integers(1, 9),
    origin=st.sampled_from(Origin),
    evidence=st.sampled_from(Evidence),
)


@settings(max_examples=50)
@given(st.lists(EDGES, min_size=1), EDGES)
def test_adding_an_edge_never_makes_a_chain_surer(chain: list[Edge], more: Edge) -> None:
    before, after = chain_assurance(chain), chain_assurance([*chain, more])
    assert after.origin <= before.origin
    assert after.evidence <= before.evidence
    assert (after.evidence is Evidence.REFUTED) == any(
        edge.evidence is Evidence.REFUTED for edge in (*chain, more)
    )
