"""What the names in a recipe stand for: artifacts of the registry and texts on disk."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pyoxigraph import NamedNode

from pressmark.compression.data import DataSet, refuse_shared_text
from pressmark.compression.errors import RecipeError
from pressmark.compression.history import StoredArtifact, calibrated_on, load_artifact
from pressmark.compression.recipe import DataSource, Recipe
from pressmark.compression.step import DataRole, closest
from pressmark.registry.errors import InvalidInputError
from pressmark.registry.folders import safe_name
from pressmark.registry.lifecycle import refuse_retired
from pressmark.registry.registry import Registry
from pressmark.registry.search import resolve

_HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9_][\w.-]*")

Input = NamedNode | Path | str
"""How an artifact is named: its IRI, a folder that holds it, or any name that `resolve` knows."""


def confine(recipe: Recipe) -> None:
    """Refuses a recipe that would read this machine's disk outside of the recipe's own folder.

    For recipes that somebody sent, with the texts that they name beside them.

    Raises:
        RecipeError: A step or a data set would; or a text was not sent.
    """
    problems = [
        RecipeError(
            f"{planned.step.name} would read the disk of the machine that runs it",
            "name a model of the hub, or register the files and name the artifact",
            file="recipe",
            line=planned.line,
        )
        for planned in recipe.steps
        if planned.step.reads_disk()
    ]
    problems += [problem for source in recipe.data.values() if (problem := _astray(source, recipe))]
    if problems:
        raise RecipeError.of_all(problems)


def _astray(source: DataSource, recipe: Recipe) -> RecipeError | None:
    """What is wrong with a text that would be read from elsewhere than beside the recipe."""
    if source.path and not _is_sent(source.path, recipe.folder):
        return RecipeError(
            f"the text {source.path} did not come with the recipe",
            "upload it under this relative name and name the upload, or take a hub text",
            file="recipe",
        )
    # The library that reads hub texts takes the name of a folder, and of a format, as well.
    if source.hub and (not _HUB_ID.fullmatch(source.hub) or Path(source.hub).exists()):
        return RecipeError(
            f"{source.hub} is no text of the hub", "such as owner/name", file="recipe"
        )
    return None


def _is_sent(path: str, folder: Path) -> bool:
    try:
        return (folder / safe_name(path)).is_file()
    except InvalidInputError:
        return False


def bind_inputs(
    registry: Registry, recipe: Recipe, given: Mapping[str, Input]
) -> dict[str, StoredArtifact]:
    """The artifact behind each input of a recipe.

    Raises:
        RecipeError: An input is missing, or something was given that the recipe does not name.
        NotFoundError: Nothing is known under a given name.
        InvalidInputError: An input is retired.
    """
    for name in given:
        if name not in recipe.inputs:
            raise RecipeError(
                f"recipe '{recipe.name}' has no input '{name}'",
                closest(name, recipe.inputs, "inputs"),
            )
    bound: dict[str, StoredArtifact] = {}
    for name, default in recipe.inputs.items():
        value = given.get(name, default)
        if value is None:
            raise RecipeError(
                f"recipe '{recipe.name}' needs an artifact for its input '{name}'",
                f"name one: {name}=ARTIFACT",
            )
        bound[name] = load_artifact(registry, _named(registry, value))
        refuse_retired(registry, bound[name].iri, f"it cannot be the input '{name}'")
    return bound


def _named(registry: Registry, value: Input) -> NamedNode:
    return value if isinstance(value, NamedNode) else resolve(registry, str(value))


def data_uses(recipe: Recipe) -> dict[str, DataRole]:
    """What the steps of a recipe do with each data set that they read, in the order of use."""
    return {p.data: p.step.needs_data for p in recipe.steps if p.data and p.step.needs_data}


def load_data(recipe: Recipe) -> dict[str, DataSet]:
    """The data sets that a recipe's steps read.

    Raises:
        DataSetError: One is missing, or text is used both to calibrate and to evaluate.
    """
    uses = data_uses(recipe)
    loaded = {name: load_source(recipe.data[name], recipe.folder) for name in uses}
    for name, role in uses.items():
        for other, other_role in uses.items():
            if (role, other_role) == ("calibration", "evaluation"):
                refuse_shared_text(loaded[name], loaded[other])
    return loaded


def refuse_seen_text(
    registry: Registry,
    recipe: Recipe,
    inputs: Mapping[str, StoredArtifact],
    datasets: Mapping[str, DataSet],
) -> None:
    """Refuses to judge an artifact by a text that it, or an ancestor, was fitted to.

    Raises:
        DataSetError: An evaluation would read text that calibrated one of the inputs.
    """
    uses = {p.data for p in recipe.steps if p.step.needs_data == "evaluation"}
    seen = (
        {data for a in inputs.values() for data in calibrated_on(registry, a.iri)} if uses else ()
    )
    for data in seen:
        for name in uses:
            refuse_shared_text(data.load(registry), datasets[name or ""])


def load_source(source: DataSource, folder: Path) -> DataSet:
    """One data set; `folder` is what a relative path is relative to."""
    if source.packaged:
        return DataSet.packaged(source.packaged)
    if source.path:
        path = folder / source.path
        return DataSet.from_file(path, source.license or "", source.column)
    return DataSet.from_hub(
        source.hub or "",
        source.license or "",
        revision=source.revision,
        subset=source.subset,
        split=source.split,
        column=source.column,
    )
