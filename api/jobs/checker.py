"""Checks recipes before they become jobs, in a process of its own.

Only the steps themselves know their parameters, and most of them import torch, which the server
does without. So one process more has it, is asked through a pipe, and ends with the server.
"""

import multiprocessing
import os
import threading
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from multiprocessing.connection import wait
from pathlib import Path
from typing import Final

from pressmark.api.errors import BusyError, MissingPackageError, WorkerError
from pressmark.api.jobs.folders import FOLDER
from pressmark.api.jobs.jobs import Forecast, Step
from pressmark.registry.registry import Registry
from pressmark.registry.search import resolve

_SECONDS: Final = 120.0
#: What a recipe is called where its problems are told.
_FILE: Final = "recipe"


@dataclass(frozen=True)
class Question:
    """A recipe that somebody sent.

    Attributes:
        recipe: Its text.
        folder: Where the files are that came with it.
        inputs: Recipe input -> any name of an artifact.
        seed: Instead of the recipe's.
        cache: Whether earlier results may stand in for steps.
        sequence: The last entry of the journal: what somebody saw before asking is known.
    """

    recipe: str
    folder: str
    inputs: dict[str, str]
    seed: int | None
    cache: bool
    sequence: int


@dataclass(frozen=True)
class Plan:
    """What a recipe would do.

    Attributes:
        name: The recipe's name.
        seed: Of all random numbers.
        inputs: Recipe input -> IRI of the artifact.
        steps: What would be executed, in order, with what it would cost.
        free_bytes: Free space where the registry works.
    """

    name: str
    seed: int
    inputs: dict[str, str]
    steps: tuple[Step, ...]
    free_bytes: int


class Checker:
    """Checks recipes; its process starts with the first question.

    Args:
        root: The registry's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._mutex = threading.Lock()
        self._executor: Executor | None = None

    def plan(self, question: Question) -> Plan:
        """Checks a recipe completely, and tells what it would do.

        Raises:
            MissingPackageError: What runs recipes is not installed here.
            RecipeError: Everything that is wrong with it, with lines.
            DataSetError: A text is missing, or may not be used like that.
            NotFoundError: Nothing is known under an input's name.
            AmbiguousNameError: Several artifacts have it.
            BusyError: It took too long.
            WorkerError: The process ended.
        """
        require_compression()
        try:
            return self._running().submit(_planned, str(self._root), question).result(_SECONDS)
        except TimeoutError:
            raise BusyError(
                f"the recipe was not checked within {_SECONDS:g} seconds",
                "try again; a text of the hub may take long to fetch",
            ) from None
        except BrokenProcessPool:
            self.close()
            raise WorkerError(
                "the process that checks recipes ended", "try again; the server's log says more"
            ) from None

    def close(self) -> None:
        """Ends the process; the next question starts another one."""
        with self._mutex:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)

    def _running(self) -> Executor:
        with self._mutex:
            if self._executor is None:
                folder = self._root / FOLDER
                folder.mkdir(mode=0o700, exist_ok=True)
                self._executor = ProcessPoolExecutor(
                    max_workers=1,
                    mp_context=multiprocessing.get_context("spawn"),
                    initializer=_begin,
                    initargs=(str(folder),),
                )
            return self._executor


def require_compression() -> None:
    """Refuses work that needs torch where that is not installed.

    Raises:
        MissingPackageError: It is not.
    """
    if find_spec("torch") is None:
        raise MissingPackageError(
            "this service runs no recipes: the package torch is not installed",
            "pip install 'pressmark[compress]' where the service runs",
        )


# ---------------------------------------------------------------------- in the process itself


def _begin(folder: str) -> None:
    os.chdir(folder)  # no relative path leads anywhere else
    threading.Thread(target=_end_with_server, daemon=True).start()


def _end_with_server() -> None:
    server = multiprocessing.parent_process()
    assert server is not None
    wait([server.sentinel])
    os._exit(0)


@cache
def _registry(root: str) -> Registry:
    return Registry.open(root)


def _planned(root: str, question: Question) -> Plan:
    from pressmark.compression.recipe import Recipe
    from pressmark.compression.recipe_inputs import confine
    from pressmark.compression.runner import Runner

    registry = _registry(root)
    registry.await_entry(question.sequence)
    recipe = Recipe.from_bytes(question.recipe.encode(), _FILE, Path(question.folder))
    confine(recipe)
    named = {name: default for name, default in recipe.inputs.items() if default}
    named |= question.inputs
    inputs = {name: resolve(registry, value, paths=False) for name, value in named.items()}
    runner = Runner(registry, cache=question.cache)
    forecast = runner.forecast(recipe, inputs, seed=question.seed)
    steps = tuple(
        Step(s.name, s.step, forecast=Forecast(s.seconds, s.bytes, s.reused, s.measured))
        for s in forecast.steps
    )
    seed = recipe.seed if question.seed is None else question.seed
    given = {name: iri.value for name, iri in inputs.items()}
    return Plan(recipe.name, seed, given, steps, forecast.free_bytes)
