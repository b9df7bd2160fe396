"""``/compare``: what is different between two artifacts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from pressmark.api.pages.access import visitor
from pressmark.api.pages.rendering import number, page
from pressmark.api.service.dependencies import Store
from pressmark.api.telling import chosen
from pressmark.registry.diff import Difference, MetricChange, Status, TensorChange, diff
from pressmark.registry.errors import InvalidInputError
from pressmark.registry.search import resolve

routes = APIRouter(dependencies=[Depends(visitor)])
_TENSORS: Final = 50


@dataclass(frozen=True)
class Measured:
    """What was measured of both in the same way: on which data, with which settings."""

    data: str
    settings: str
    metrics: Sequence[MetricChange]


@routes.get("/compare")
def compare(
    request: Request,
    registry: Store,
    artifact: Annotated[list[Annotated[str, Query(max_length=200)]] | None, Query()] = None,
    everything: bool = False,
) -> Response:
    """Two artifacts side by side; with fewer than two names, the form that asks for them."""
    names = [name.strip() for name in artifact or () if name.strip()]
    if len(names) > 2:
        raise InvalidInputError(
            f"{len(names)} artifacts were chosen, and two can be compared", "tick exactly two"
        )
    if len(names) < 2:
        return page(request, "compare", names=[*names, "", ""][:2], found=None)
    found = diff(registry, *(resolve(registry, name, paths=False) for name in names))
    changed = [tensor for tensor in found.tensors if tensor.status is not Status.SAME]
    return page(
        request,
        "compare",
        names=names,
        found=found,
        rows=_rows(found),
        measured=_measured(found, everything=everything),
        counts=Counter(str(tensor.status) for tensor in found.tensors),
        tensors=_shown(changed, everything=everything),
        hidden=0 if everything else max(0, len(changed) - _TENSORS),
        everything=everything,
    )


def _shown(tensors: list[TensorChange], *, everything: bool) -> list[TensorChange]:
    return tensors if everything else tensors[:_TENSORS]


def _rows(found: Difference) -> dict[str, list[tuple[object, ...]]]:
    """What is different, a row for each: where, and both sides."""
    return {
        "facts": [(f.name.replace("_", " "), f.one, f.other) for f in found.facts],
        "parameters": [(p.step, p.name, p.one, p.other) for p in found.parameters],
        "measurements": [
            (m.step, m.metric, _number(m.one), _number(m.other)) for m in found.measurements
        ],
    }


def _number(value: float | None) -> str | None:
    return None if value is None else number(value)


def _measured(found: Difference, *, everything: bool) -> list[Measured]:
    def key(one: MetricChange) -> tuple[str, str]:
        return one.dataset, one.settings

    return [
        Measured(*data, chosen(metrics, lambda one: one.metric, everything=everything)[0])
        for data, metrics in groupby(sorted(found.metrics, key=key), key=key)
    ]
