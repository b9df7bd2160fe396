"""Runs of one step, which need no recipe: import a model, evaluate an artifact.

Each is a run of one step like any other: recorded, checked, and resumable.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyoxigraph import NamedNode

from pressmark.compression.evaluate.perplexity import Perplexity
from pressmark.compression.importer import Import
from pressmark.compression.recipe import DataSource, Recipe
from pressmark.compression.recipe_inputs import Input
from pressmark.compression.results import RunResult
from pressmark.compression.runner import Runner
from pressmark.registry.registry import Registry


def import_model(
    registry: Registry,
    source: str | Path,
    name: str,
    *,
    license: str | None = None,  # noqa: A002 - the field's word
    revision: str | None = None,
    exclude: Sequence[str] = (),
    **options: Any,
) -> NamedNode:
    """Takes a model into a registry, its bytes unchanged.

    Args:
        registry: Where to.
        source: A model folder, a GGUF file, or a hub id.
        name: What to call the artifact, and the line that begins with it.
        license: SPDX identifier, where the files do not state one or state it wrongly.
        revision: Branch, tag or commit of a hub id.
        exclude: Patterns (`fnmatch`) of file names to leave out, such as "*.bin".
        options: For the `Runner`.

    Returns:
        The artifact.

    Raises:
        CompressionError: The source is nowhere, damaged or hostile; nothing was recorded.
    """
    step = Import(source=str(source), revision=revision, license=license, exclude=tuple(exclude))
    return Runner(registry, **options).run(Recipe.single(step, name=name)).artifacts[name]


def evaluate(
    registry: Registry,
    artifact: Input,
    data: DataSource,
    *,
    parent: Input | None = None,
    step: Perplexity | None = None,
    **options: Any,
) -> RunResult:
    """Measures how well an artifact predicts a text, and how far it is from another.

    Args:
        registry: Where the artifact is.
        artifact: What to evaluate.
        data: The text.
        parent: What to compare with: KL divergence and top-1 agreement.
        step: The parameters; `Perplexity()` by default.
        options: For the `Runner`.
    """
    given = {"base": artifact} | ({} if parent is None else {"parent": parent})
    recipe = Recipe.single(step or Perplexity(), inputs=given, data=data)
    return Runner(registry, **options).run(recipe, given)
