"""Checks recipes before they become jobs, in a process of its own.

Only the steps themselves know their parameters, and most of them import torch, which the server
does without. So one process more has it, is asked through a pipe, and ends with the server.
"""

import asyncio
import multiprocessing
import os
import shutil
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyoxigraph import NamedNode

from pressmark.api.errors import BusyError, WorkerError
from pressmark.api.jobs.folders import nowhere
from pressmark.api.jobs.jobs import Forecast, Step
from pressmark.registry.errors import MissingPackageError, PressmarkError
from pressmark.registry.registry import Registry
from pressmark.registry.search import resolve

if TYPE_CHECKING:
    from pressmark.compression.recipe import Recipe

#: How long one check may take, and how long one waits for those before it.
_SECONDS: Final = 120.0
_WAIT: Final = 30.0
_TURNS: Final = 2
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
        dry_run: Whether nothing is to be done, so that texts may be fetched now.
    """

    recipe: str
    folder: str
    inputs: dict[str, str]
    seed: int | None
    cache: bool
    sequence: int
    dry_run: bool


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
    """Checks recipes, one at a time; its process starts with the first question.

    Args:
        root: The registry's folder.

    Attributes:
        turns: For coroutines to wait in: many that ask at once would take every thread of the
            server, and wait for one process.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        nowhere(root)  # made first, so that the folder of all jobs is its owner's alone
        self.turns = asyncio.Semaphore(_TURNS)
        self._mutex = threading.Lock()
        self._process: _Process | None = None

    def plan(self, question: Question) -> Plan:
        """Checks a recipe completely, and tells what it would do.

        Raises:
            MissingPackageError: What runs recipes is not installed here.
            RecipeError: Everything that is wrong with it, with lines.
            DataSetError: A text is missing, or may not be used like that.
            NotFoundError: Nothing is known under an input's name.
            AmbiguousNameError: Several artifacts have it.
            BusyError: It took too long, or others did.
            WorkerError: The process ended.
        """
        require_compression()
        if not self._mutex.acquire(timeout=_WAIT):
            raise BusyError("another recipe is being checked", "try again in a moment")
        try:
            answer = self._running().ask(question)
        except BaseException:
            self._end()
            raise
        finally:
            self._mutex.release()
        if isinstance(answer, PressmarkError):
            raise answer
        return answer

    def close(self) -> None:
        """Ends the process; the next question starts another one."""
        with self._mutex:
            self._end()

    def _running(self) -> "_Process":
        if self._process is None:
            self._process = _Process(self._root)
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end()


class _Process:
    """The process and the pipe to it."""

    def __init__(self, root: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, root), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, question: Question) -> Plan | PressmarkError:
        """Gives the process's answer.

        Raises:
            BusyError: There is none for too long.
            WorkerError: The process ended.
        """
        try:
            self._connection.send(question)
            if not self._connection.poll(_SECONDS):
                raise BusyError(
                    f"the recipe was not checked within {_SECONDS:g} seconds",
                    "try again; a text of the hub may take long to fetch",
                )
            answer: Plan | PressmarkError = self._connection.recv()
        except (EOFError, OSError):
            raise WorkerError(
                "the process that checks recipes ended", "try again; the server's log says more"
            ) from None
        return answer

    def end(self) -> None:
        self._connection.close()
        self._process.kill()
        self._process.join()


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


def _serve(connection: Connection, root: Path) -> None:
    """Answers questions until the server is gone."""
    os.chdir(nowhere(root))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this
    with suppress(EOFError):
        while True:
            connection.send(_answer(root, connection.recv()))


def _answer(root: Path, question: Question) -> Plan | PressmarkError:
    try:
        return _planned(root, question)
    except PressmarkError as error:
        return error.with_traceback(None)


@cache
def _registry(root: Path) -> Registry:
    return Registry.open(root)


def _planned(root: Path, question: Question) -> Plan:
    from pressmark.compression.recipe import Recipe
    from pressmark.compression.recipe_inputs import confine

    registry = _registry(root)
    registry.await_entry(question.sequence)
    recipe = Recipe.from_bytes(question.recipe.encode(), _FILE, Path(question.folder))
    confine(recipe)
    named = {name: default for name, default in recipe.inputs.items() if default}
    named |= question.inputs
    inputs = {name: resolve(registry, value, paths=False) for name, value in named.items()}
    steps, free = _forecast(registry, recipe, inputs, question)
    seed = recipe.seed if question.seed is None else question.seed
    given = {name: iri.value for name, iri in inputs.items()}
    return Plan(recipe.name, seed, given, steps, free)


def _forecast(
    registry: Registry, recipe: "Recipe", inputs: dict[str, NamedNode], question: Question
) -> tuple[tuple[Step, ...], int]:
    """The steps with their costs; without these where a text would have to be fetched first."""
    from pressmark.compression.recipe_inputs import bind_inputs
    from pressmark.compression.runner import Runner

    if any(source.hub for source in recipe.data.values()) and not question.dry_run:
        bind_inputs(registry, recipe, inputs)
        planned = tuple(Step(each.name, each.step.name) for each in recipe.steps)
        return planned, shutil.disk_usage(registry.root).free
    forecast = Runner(registry, cache=question.cache).forecast(recipe, inputs, seed=question.seed)
    steps = (
        Step(s.name, s.step, forecast=Forecast(s.seconds, s.bytes, s.reused, s.measured))
        for s in forecast.steps
    )
    return tuple(steps), forecast.free_bytes
