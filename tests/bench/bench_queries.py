"""How long the packaged questions take in a registry of 100,000 artifacts.

What is timed is `Registry.rows` on a reader's snapshot, answer included, in one thread. The
artifacts are those of `histories`: bases, each with a thousand descendants in chains of four. Each
answer about an artifact is for another one than the answer before.
"""

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench_commit import filled
from machine import scratch
from pyoxigraph import Literal, NamedNode
from table import Row, milliseconds, percentile, print_rows

from pressmark.registry import lineage, search
from pressmark.registry.lineage_page import Direction, lineage_page
from pressmark.registry.registry import Registry

TITLE = "Questions to a registry"
SIZE, QUICK_SIZE = 100_000, 2_000
REPEATED = 30
AIM_ANCESTORS, AIM_DESCENDANTS, AIM_PAGE = 0.001, 0.050, 0.100


def rows(quick: bool = False) -> Iterator[Row]:
    """One row for each question."""
    size = QUICK_SIZE if quick else SIZE
    with scratch() as folder:
        registry, _ = filled(Path(folder) / "registry", size)
        with Registry.open(registry.root) as reader:
            for what, ask, aim in questions(reader):
                yield row(f"{what} at {size:,} artifacts", ask, aim)


def questions(reader: Registry) -> Iterator[tuple[str, Callable[[], Any], float | None]]:
    """What is asked, how, and how many seconds it may take."""
    base = oldest(reader)
    made = reader.rows("descendants", artifact=base)[-REPEATED:]
    leaves = itertools.cycle([row["descendant"] for row in made])

    def of_leaf(name: str, parameter: str = "artifact") -> Callable[[], Any]:
        return lambda: reader.rows(name, **{parameter: next(leaves)})

    def by_identifier() -> Any:
        fragment = Literal(next(leaves).value[-8:])
        return reader.rows("artifacts_by_identifier", fragment=fragment)

    yield "ancestors of one artifact", of_leaf("ancestors"), AIM_ANCESTORS
    yield "the same with assurance", of_leaf("assurance"), None
    yield "the same as a graph", lambda: lineage.ancestors(reader, next(leaves)).nodes, None
    yield "descendants", lambda: reader.rows("descendants", artifact=base), AIM_DESCENDANTS
    yield "the same as a graph", lambda: lineage.descendants(reader, base).nodes, None
    yield (
        "a page of 100 of them over a walk of all",
        lambda: lineage_page(reader, base, Direction.DESCENDANTS).nodes,
        AIM_PAGE,
    )
    yield "impact, with status and aliases", lambda: reader.rows("impact", thing=base), None
    yield "recipe and parameters", of_leaf("recipe"), None
    yield "records that tell of one artifact", of_leaf("records_about", "resource"), None
    yield "by a part of the UUID", by_identifier, None
    yield "newest 50 artifacts", lambda: search.find(reader), None


def oldest(reader: Registry) -> NamedNode:
    """The first artifact of all: a base with a thousand descendants."""
    first = [Literal(number) for number in range(1, 10)]
    found = reader.rows("artifacts_page", sequence=first)[-1]["artifact"]
    assert isinstance(found, NamedNode)
    return found


def row(what: str, ask: Callable[[], Any], aim: float | None) -> Row:
    """The median of `REPEATED` answers."""
    found, seconds = len(ask()), []
    for _ in range(REPEATED):
        begun = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - begun)
    median = percentile(seconds, 0.5)
    label = f"{what} ({found:,} rows)"
    if aim is None:
        return Row(label, milliseconds(median))
    return Row(label, milliseconds(median), f"<= {milliseconds(aim)}", median <= aim)


if __name__ == "__main__":
    print_rows(TITLE, rows())
