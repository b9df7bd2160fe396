"""Sugiyama's layered drawing of a graph: every node stands in a later layer than all before it."""

from collections.abc import Sequence
from dataclasses import dataclass

import igraph

Point = tuple[float, float]


@dataclass(frozen=True)
class Layered:
    """Where nodes stand and edges bend, in steps of 1; the first coordinate is never negative.

    Attributes:
        places: For each node its place within its layer, and its layer.
        bends: For each edge the places that it passes on its way over several layers.
    """

    places: tuple[Point, ...]
    bends: tuple[tuple[Point, ...], ...]


def layered(count: int, links: Sequence[tuple[int, int]]) -> Layered:
    """Places a graph without cycles in layers, with few crossings.

    A node's layer is the longest path that leads to it. Order within layers and bends are those of
    Sugiyama, Tagawa and Toda (1981), as igraph has them.

    Args:
        count: How many nodes there are.
        links: The edges, each from a node to a later one.
    """
    graph = igraph.Graph(n=count, edges=links, directed=True)
    layout = graph.layout_sugiyama(layers=_layers(count, links), hgap=1, vgap=1)
    bends = [[(x, y) for x, y in points] for points in layout.edge_routing]
    everywhere = [*layout.coords, *(point for points in bends for point in points)]
    left = min((x for x, _ in everywhere), default=0.0)
    return Layered(
        tuple((x - left, y) for x, y in layout.coords),
        tuple(tuple((x - left, y) for x, y in points) for points in bends),
    )


def _layers(count: int, links: Sequence[tuple[int, int]]) -> list[int]:
    """The longest path from an origin to each node."""
    layers = [0] * count
    for _ in range(count):
        before = list(layers)
        for start, end in links:
            layers[end] = max(layers[end], layers[start] + 1)
        if layers == before:
            break
    return layers
