"""Recipes: what to do, as data.

A recipe names its inputs and data sets and lists steps. Names, types and ranges of everything in it
are checked before any work is done; all that is wrong is told at once, with file, lines and
suggestions. What depends on a model's shapes (a group size that must divide its widths) is refused
when the step begins, before it computes anything; the steps before it are then kept. The bytes of
the file are the recipe: they are stored verbatim and named by their digest.

Example::

    name: wanda-int8
    description: Half of the weights to zero, the rest to eight bits.
    inputs:
      base:                       # must be given when the recipe is run
    data:
      calibration: {packaged: calibration}
      evaluation: {path: my-text.txt, license: CC-BY-4.0}
    steps:
      - step: prune/wanda
        name: pruned              # name of the output; the step's family if left out
        inputs: {base: base}      # by role; the previous output if left out
        parameters: {sparsity: 0.5}
        data: calibration
      - step: quantize/rtn
        name: int8
        parameters: {bits: 8}
      - step: evaluate/perplexity
        of: [base, pruned, int8]  # one evaluation each
        parent: base              # what the others are compared with
        data: evaluation
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from pressmark.compression import marked_yaml
from pressmark.compression.errors import CompressionError, RecipeError
from pressmark.compression.marked_yaml import Document
from pressmark.compression.step import Step, closest, step_class

PREVIOUS: Final = "previous"
"""The reference to whatever artifact was made last (or to the first input)."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class _Strict(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", strict=True)


class DataSource(_Strict):
    """Where a recipe's data set comes from: exactly one of packaged, path and hub.

    Attributes:
        packaged: Name of a text that Pressmark ships.
        path: A local .txt, .jsonl, .json or .parquet file, relative to the recipe's folder.
        hub: A Hugging Face data set id.
        license: SPDX identifier; needed for `path` and `hub`, known for `packaged`.
        subset: Configuration of a hub data set.
        split: Split of a hub data set.
        revision: Commit of a hub data set.
        column: Text column of a hub data set, or of a file with columns.
    """

    _BELONGING: ClassVar[Mapping[str, frozenset[str]]] = {
        "packaged": frozenset(),
        "path": frozenset({"license", "column"}),
        "hub": frozenset({"license", "subset", "split", "revision", "column"}),
    }

    packaged: str | None = None
    path: str | None = None
    hub: str | None = None
    license: str | None = None
    subset: str | None = None
    split: str | None = None
    revision: str | None = None
    column: str = "text"

    @model_validator(mode="after")
    def _one_origin(self) -> DataSource:
        origins = [origin for origin in self._BELONGING if getattr(self, origin)]
        if len(origins) != 1:
            raise ValueError("give exactly one of 'packaged', 'path' and 'hub'")
        given = {key for key in self.model_fields_set if getattr(self, key) is not None}
        if idle := sorted(given - self._BELONGING[origins[0]] - {origins[0]}):
            raise ValueError(f"'{idle[0]}' says nothing about a '{origins[0]}' text")
        if not self.packaged and not self.license:
            raise ValueError("a text that is not packaged needs a 'license'")
        return self


class _StepItem(_Strict):
    step: str
    name: Name | None = None
    inputs: dict[str, Name] = {}
    parameters: dict[str, Any] = {}
    data: Name | None = None
    of: list[Name] | None = None
    parent: Name | None = None


class _RecipeFile(_Strict):
    name: Name
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    inputs: dict[Name, str | None] = {}
    data: dict[Name, DataSource] = {}
    steps: Annotated[list[_StepItem], Field(min_length=1)]


@dataclass(frozen=True)
class PlannedStep:
    """One execution of one step.

    Attributes:
        position: The step's place in the recipe, from 0; evaluations `of` several share one.
        step: The step with its parameters.
        name: Name of the output, or of the evaluation; unique in the recipe.
        inputs: Role -> name of a recipe input or of an earlier output.
        data: Name of the data set, if the step takes one.
        line: The line in the recipe, from 1.
    """

    position: int
    step: Step
    name: str
    inputs: Mapping[str, str]
    data: str | None
    line: int


@dataclass(frozen=True)
class Recipe:
    """A checked recipe.

    Attributes:
        name: The recipe's name.
        description: What it is for.
        seed: The seed it runs with unless told otherwise.
        inputs: Name -> default artifact (name, path), or None where one must be given.
        data: The named data sets.
        steps: What is executed, in order.
        source: The bytes it was read from.
        folder: What relative paths are relative to.
    """

    name: str
    description: str
    seed: int
    inputs: Mapping[str, str | None]
    data: Mapping[str, DataSource]
    steps: tuple[PlannedStep, ...]
    source: bytes
    folder: Path

    @classmethod
    def load(cls, name: str | Path) -> Recipe:
        """Reads a recipe file, or a packaged recipe by name.

        Raises:
            RecipeError: There is none, or it cannot be run as it stands.
        """
        return cls.from_bytes(*recipe_source(name))

    @classmethod
    def from_bytes(cls, source: bytes, file: str = "recipe", folder: Path | None = None) -> Recipe:
        """Checks a recipe given as YAML text.

        Args:
            source: UTF-8 YAML.
            file: What to call it in messages.
            folder: What its relative paths are relative to; the working folder if None.

        Raises:
            RecipeError: With file, line and what to do.
        """
        document = marked_yaml.parse(source, file)
        read = _validated(document)
        planner = _Planner(document, read)
        steps = tuple(planner.plan())
        if planner.problems:
            raise RecipeError.of_all(planner.problems)
        return cls(
            name=read.name,
            description=read.description,
            seed=read.seed,
            inputs=read.inputs,
            data=read.data,
            steps=steps,
            source=source,
            folder=folder or Path.cwd(),
        )

    @classmethod
    def single(
        cls,
        step: Step,
        *,
        name: str | None = None,
        inputs: Iterable[str] | None = None,
        data: DataSource | None = None,
    ) -> Recipe:
        """A recipe of one step, for work that was asked for without a recipe file.

        Args:
            step: What to do.
            name: Name of the output.
            inputs: The roles that will be given; the step's required roles if None.
            data: Its data set.
        """
        roles = tuple(step.roles if inputs is None else inputs)
        item: dict[str, Any] = {"step": step.name, "parameters": step.parameters()}
        item |= {"name": name} if name else {}
        item |= {"inputs": {role: role for role in roles}} if roles else {}
        item |= {"data": "data"} if data else {}
        document: dict[str, Any] = {"name": step.name.replace("/", "-")}
        document |= {"inputs": dict.fromkeys(roles)} if roles else {}
        document |= {"data": {"data": data.model_dump(exclude_defaults=True)}} if data else {}
        text = yaml.safe_dump(document | {"steps": [item]}, sort_keys=False, allow_unicode=True)
        return cls.from_bytes(text.encode(), f"{step.name} alone")

    def to_bytes(self) -> bytes:
        """The verbatim source. Law: `Recipe.from_bytes(r.to_bytes())` plans the same steps."""
        return self.source

    @property
    def sha256(self) -> str:
        """The digest that names this recipe, in hex."""
        return hashlib.sha256(self.source).hexdigest()


def recipe_source(name: str | Path) -> tuple[bytes, str, Path]:
    """The text of a recipe file or of a packaged recipe, unchecked.

    Returns:
        The bytes, what to call them in messages, and where relative paths in them begin.

    Raises:
        RecipeError: There is none.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return _read(path), str(path), path.parent
    packaged = resources.files("pressmark.compression").joinpath("recipes", f"{name}.yaml")
    if not packaged.is_file():
        hint = closest(str(name), packaged_recipes(), "recipes") + ", or give a .yaml file"
        raise RecipeError(f"there is no recipe '{name}'", hint)
    return packaged.read_bytes(), f"{name}.yaml", Path.cwd()


def packaged_recipes() -> tuple[str, ...]:
    """Names of the recipes that Pressmark ships, sorted."""
    folder = resources.files("pressmark.compression").joinpath("recipes")
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecipeError(
            f"cannot be read: {error.strerror}",
            f"packaged recipes: {', '.join(packaged_recipes())}",
            file=path,
        ) from error


def _validated(document: Document) -> _RecipeFile:
    if not isinstance(document.data, dict):
        hint = f"begin with a packaged one: {', '.join(packaged_recipes())}"
        raise document.error("a recipe is a table with 'name' and 'steps'", (), hint)
    try:
        return _RecipeFile.model_validate_json(json.dumps(document.data), strict=True)
    except ValidationError as error:
        problems = [_refusal(document, found) for found in _news(error)]
        damaged = {found["loc"][:2] for found in _news(error)}
        for position, item in enumerate(_readable_steps(document.data)):
            if item and ("steps", position) not in damaged:
                checked = _checked_step(document, position, item["step"], item["parameters"])
                problems += checked if isinstance(checked, list) else []
        raise RecipeError.of_all(problems) from error


def _readable_steps(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The items of a recipe that can be looked at although others are malformed; else {}."""
    items = data.get("steps")
    for item in items if isinstance(items, list) else ():
        parameters = item.get("parameters", {}) if isinstance(item, dict) else None
        named = isinstance(item, dict) and isinstance(item.get("step"), str)
        readable = named and isinstance(parameters, dict)
        yield {"step": item["step"], "parameters": parameters} if readable else {}


def _news(error: ValidationError) -> list[ErrorDetails]:
    """What is worth telling: a misspelt key also leaves another one missing."""
    errors = error.errors(include_url=False)
    misspelt = {found["loc"][:-1] for found in errors if found["type"] == "extra_forbidden"}
    return [e for e in errors if e["type"] != "missing" or e["loc"][:-1] not in misspelt]


def _refusal(document: Document, found: ErrorDetails, prefix: marked_yaml.Path = ()) -> RecipeError:
    path = (*prefix, *found["loc"])
    key = str(path[-1]) if path else "recipe"
    if found["type"] == "extra_forbidden":
        return document.error(f"unknown key '{key}'", path, closest(key, _keys(path), "keys"))
    if found["type"] == "missing":
        return document.error(f"'{key}' is missing", path[:-1], f"add '{key}:'")
    message = found["msg"].removeprefix("Value error, ")
    given = "" if isinstance(found["input"], dict | list) else f", not {found['input']!r}"
    return document.error(f"{key}: {message}{given}", path, "correct the value in the recipe")


def _checked_step(
    document: Document, position: int, name: str, parameters: Mapping[str, Any]
) -> Step | list[RecipeError]:
    """The step with its parameters, or everything that is wrong with them."""
    try:
        kind = step_class(name)
    except CompressionError as error:
        problem = document.error(error.message, ("steps", position, "step"), error.hint)
        problem.__cause__ = error
        return [problem]
    try:
        return kind.parse(parameters)
    except ValidationError as error:
        path = ("steps", position, "parameters")
        return [_parameter_refusal(document, kind, found, path) for found in _news(error)]


def _parameter_refusal(
    document: Document, kind: type[Step], found: ErrorDetails, path: marked_yaml.Path
) -> RecipeError:
    if found["type"] == "extra_forbidden" and len(found["loc"]) == 1:
        key = str(found["loc"][0])
        hint = closest(key, kind.model_fields, f"parameters of {kind.name}")
        return document.error(f"{kind.name} has no parameter '{key}'", (*path, key), hint)
    return _refusal(document, found, path)


def _keys(path: marked_yaml.Path) -> Iterable[str]:
    """The keys that may stand beside the one at `path`."""
    models: dict[int, type[BaseModel]] = {1: _RecipeFile}
    if path[0] == "steps":
        models[3] = _StepItem
    if path[0] == "data":
        models[3] = DataSource
    model = models.get(len(path))
    return model.model_fields if model else ()


class _Planner:
    """Turns the items of a recipe file into executions, and notes what cannot work.

    It goes on after a problem as if there were none, so that one mistake is told once.
    """

    def __init__(self, document: Document, read: _RecipeFile) -> None:
        self.document = document
        self.read = read
        self.artifacts: dict[str, int] = {
            name: document.line(("inputs", name)) for name in read.inputs
        }
        self.taken = dict(self.artifacts)
        self.previous = next(iter(read.inputs), None)
        self.uses: dict[str, str] = {}
        self.problems: list[RecipeError] = []

    def plan(self) -> Iterator[PlannedStep]:
        """Gives the executions in order, and notes every problem on the way."""
        if PREVIOUS in self.artifacts:
            self._note(
                "'previous' is a reserved name", ("inputs", PREVIOUS), "give the input another name"
            )
        for position, item in enumerate(self.read.steps):
            step = _checked_step(self.document, position, item.step, item.parameters)
            if isinstance(step, list):
                self.problems += step
                self._assume(item, ("steps", position))
            else:
                yield from self._expand(position, item, step)

    def _note(self, message: str, path: marked_yaml.Path, hint: str) -> None:
        problem = self.document.error(message, path, hint)
        if problem.message not in (known.message for known in self.problems):
            self.problems.append(problem)

    def _assume(self, item: _StepItem, at: marked_yaml.Path) -> None:
        """Take the output of a step that cannot work as made: what follows may be right."""
        self.previous = item.name or item.step.partition("/")[0]
        self.taken.setdefault(self.previous, self.document.line((*at, "name")))
        self.artifacts.setdefault(self.previous, self.taken[self.previous])

    def _expand(self, position: int, item: _StepItem, step: Step) -> Iterator[PlannedStep]:
        at = ("steps", position)
        data = self._data(at, item, step)
        for inputs, name in self._targets(at, item, step):
            self._check_roles(at, step, inputs)
            self._claim(name, (*at, "name"))
            yield PlannedStep(position, step, name, inputs, data, self.document.line(at))
            if step.produces is not None:
                self.previous = name
                self.artifacts[name] = self.taken[name]

    def _targets(
        self, at: marked_yaml.Path, item: _StepItem, step: Step
    ) -> Iterator[tuple[dict[str, str], str]]:
        """Role bindings and output name of each execution: one, or one for each of `of`."""
        base = {role: self._known(ref, (*at, "inputs", role)) for role, ref in item.inputs.items()}
        name = item.name or step.name.partition("/")[0]
        if item.of is None:
            if item.parent is not None:
                base["parent"] = self._known(item.parent, (*at, "parent"))
            yield self._chained(step, base, at), name
            return
        if step.produces is not None or "base" in base or not item.of:
            hint = "use 'inputs' instead"
            self._note("'of' lists what an evaluation evaluates", (*at, "of"), hint)
            self._assume(item, at)
            return
        for index, ref in enumerate(item.of):
            target = self._known(ref, (*at, "of", index))
            yield base | {"base": target} | self._parent(at, item, target), f"{name}-{target}"

    def _parent(self, at: marked_yaml.Path, item: _StepItem, target: str) -> dict[str, str]:
        if item.parent is None:
            return {}
        parent = self._known(item.parent, (*at, "parent"))
        return {} if parent == target else {"parent": parent}

    def _chained(self, step: Step, inputs: dict[str, str], at: marked_yaml.Path) -> dict[str, str]:
        first = step.roles[0] if step.roles else None
        if first is None or first in inputs:
            return inputs
        return {first: self._known(PREVIOUS, at)} | inputs

    def _known(self, reference: str, path: marked_yaml.Path) -> str:
        if reference == PREVIOUS and self.previous is not None:
            return self.previous
        if reference not in self.artifacts:
            hint = closest(reference, self.artifacts, "names here")
            if reference == PREVIOUS:
                hint = "name an input under 'inputs:' at the top of the recipe"
            self._note(f"nothing before this step is named '{reference}'", path, hint)
        return reference

    def _check_roles(self, at: marked_yaml.Path, step: Step, inputs: Mapping[str, str]) -> None:
        allowed = (*step.roles, *step.optional_roles)
        unknown = [role for role in inputs if role not in allowed]
        for role in unknown:
            hint = closest(role, allowed, "inputs")
            self._note(f"{step.name} takes no input '{role}'", (*at, "inputs", role), hint)
        for role in () if unknown else step.roles:  # a misspelt role is also a missing one
            if role not in inputs:
                self._note(f"{step.name} needs an input '{role}'", at, "add it under 'inputs:'")

    def _claim(self, name: str, path: marked_yaml.Path) -> None:
        hint = "give this step another 'name:'"
        if name == PREVIOUS:
            self._note("'previous' is a reserved name", path, hint)
        if name in self.taken:
            line = self.taken[name]
            self._note(f"the name '{name}' is taken, in line {line} already", path, hint)
        self.taken.setdefault(name, self.document.line(path))

    def _data(self, at: marked_yaml.Path, item: _StepItem, step: Step) -> str | None:
        if step.needs_data is None:
            if item.data is not None:
                self._note(f"{step.name} reads no data", (*at, "data"), "remove it")
            return None
        if item.data is None:
            hint = f"add 'data:' with one of: {', '.join(self.read.data) or 'none declared yet'}"
            self._note(f"{step.name} needs {step.needs_data} data", at, hint)
        elif item.data not in self.read.data:
            hint = closest(item.data, self.read.data, "data sets")
            self._note(f"no data set is named '{item.data}'", (*at, "data"), hint)
        elif self.uses.setdefault(item.data, step.needs_data) != step.needs_data:
            hint = "evaluate on a text that no step has seen"
            problem = f"'{item.data}' is used for calibration and for evaluation"
            self._note(problem, (*at, "data"), hint)
        return item.data
