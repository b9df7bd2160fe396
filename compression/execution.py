"""Executes one step, or its check, in a fresh folder, under stated conditions, and measures it.

The same functions serve the runner, the checks and the re-run in a new process, so that all give a
step the same conditions: seeded generators, a fixed number of threads, an empty folder, inputs that
nobody may change.
"""

from __future__ import annotations

import math
import random
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Generic, TypeVar

import numpy as np
import torch

from pressmark.compression.architecture import CONFIG_FILE
from pressmark.compression.checkpoint import Checkpoint
from pressmark.compression.errors import CompressionError
from pressmark.compression.measuring import Meter
from pressmark.compression.progress import StepLog
from pressmark.compression.step import Context, Evidence, Inputs, Output, Produced, Progress, Step
from pressmark.compression.tensors import TensorFiles, require_finite
from pressmark.compression.workspace import discard
from pressmark.registry.folders import list_files
from pressmark.registry.ids import utc_now
from pressmark.registry.occurrences import Costs

WEIGHTS: Final = "*.safetensors"

Result = TypeVar("Result", Output, Evidence)


@dataclass(frozen=True)
class Conditions:
    """What a step may depend on besides its inputs and parameters."""

    seed: int
    threads: int


@dataclass(frozen=True)
class Execution(Generic[Result]):
    """One call of a step's code, successful or not.

    Attributes:
        started_at: Right before the call.
        ended_at: Right after it.
        costs: What it cost.
        log: The file with what it said.
        result: What it returned; None where it raised.
        error: What it raised; KeyboardInterrupt where the user stopped it.
    """

    started_at: str
    ended_at: str
    costs: Costs
    log: Path
    result: Result | None = None
    error: BaseException | None = None


def execute(
    step: Step,
    inputs: Inputs,
    workdir: Path,
    conditions: Conditions,
    progress: Progress,
    unfinished: Path | None = None,
) -> Execution[Output]:
    """Runs `step.apply` in an empty folder; never raises what the step raises.

    What an earlier attempt at the very same step left in `unfinished` may be taken over; the folder
    is removed when the step succeeds.
    """

    def call(context: Context) -> Output:
        before = _states(inputs.folders)
        output = step.apply(inputs, context)
        _refuse_bad_output(step, output, workdir, context.progress)
        output = _counted(output, context.progress)
        for role, state in _states(inputs.folders).items():
            if state != before[role]:
                raise CompressionError(f"step {step.name} changed its input '{role}'")
        return output

    done = _conduct(call, workdir, conditions, progress, unfinished)
    if unfinished is not None and done.result is not None:
        discard(unfinished)
    return done


def examine(
    step: Step,
    inputs: Inputs,
    output: Produced,
    workdir: Path,
    conditions: Conditions,
    progress: Progress,
) -> Execution[Evidence]:
    """Runs `step.check` in an empty folder; never raises what the check raises."""

    def call(context: Context) -> Evidence:
        evidence = step.check(inputs, output, context)
        if not evidence.claims:
            raise CompressionError(f"the check of step {step.name} claims nothing")
        return evidence

    return _conduct(call, workdir, conditions, progress)


def _conduct(
    call: Callable[[Context], Result],
    workdir: Path,
    conditions: Conditions,
    progress: Progress,
    unfinished: Path | None = None,
) -> Execution[Result]:
    result: Result | None = None
    failure: BaseException | None = None
    workdir.mkdir(parents=True)
    with StepLog(workdir / "log.txt", progress) as log, _conditions(conditions):
        context = Context(workdir, log, conditions.seed, conditions.threads, unfinished)
        started_at = utc_now()
        with Meter() as meter:
            try:
                result = call(context)
            except (Exception, KeyboardInterrupt) as error:
                failure = error
        ended_at = utc_now()
        if failure is not None:
            log.keep("".join(traceback.format_exception(failure)))
    return Execution(started_at, ended_at, meter.costs, log.path, result, failure)


@contextmanager
def _conditions(conditions: Conditions) -> Iterator[None]:
    """Seeds every generator and sets the threads; both are put back afterwards."""
    threads, states = torch.get_num_threads(), (random.getstate(), np.random.get_state())
    with torch.random.fork_rng(devices=()):
        random.seed(conditions.seed)
        np.random.seed(conditions.seed)
        torch.manual_seed(conditions.seed)
        torch.set_num_threads(conditions.threads)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            random.setstate(states[0])
            np.random.set_state(states[1])


def _refuse_bad_output(step: Step, output: Output, workdir: Path, progress: Progress) -> None:
    for measurement in output.measurements:
        if not math.isfinite(measurement.value):
            raise CompressionError(
                f"step {step.name} measured {measurement.name} = {measurement.value}",
                "a result that is no number cannot be recorded",
            )
    if step.produces is not None:
        _refuse_bad_weights(step, _made_folder(step, output.folder, workdir), progress)
    elif output.folder is not None:
        raise CompressionError(f"step {step.name} evaluates, so it must not make a folder")


def _made_folder(step: Step, folder: Path | None, workdir: Path) -> Path:
    if folder is None or not folder.is_relative_to(workdir):
        raise CompressionError(
            f"step {step.name} put its output elsewhere", "a step writes into context.output"
        )
    if not any(path.is_file() for path in folder.rglob("*")):
        raise CompressionError(f"step {step.name} left no file in its output folder")
    if link := next((path for path in folder.rglob("*") if path.is_symlink()), None):
        raise CompressionError(f"step {step.name} left a link in its output: {link.name}")
    list_files(folder)  # refuses names that could not be written again everywhere
    return folder


def _refuse_bad_weights(step: Step, folder: Path, progress: Progress) -> None:
    """A step may divide by zero or overflow: nothing that is not finite becomes an artifact."""
    for file in sorted(folder.rglob(WEIGHTS)):
        hint = f"step {step.name} {step.version} made it; report that, with the step's parameters"
        require_finite(TensorFiles([file]), hint, progress)


def _counted(output: Output, progress: Progress) -> Output:
    """Adds to a checkpoint how many parameters it has, and how many of them are not zero."""
    folder = output.folder
    if folder is None or not (folder / CONFIG_FILE).exists() or not any(folder.glob(WEIGHTS)):
        return output
    made = Checkpoint.open(folder)
    counts = {
        "parameterCount": made.parameter_count,
        "nonzeroParameterCount": made.count_nonzero(progress),
    }
    return replace(output, attributes=counts | dict(output.attributes))


def _states(folders: Mapping[str, Path]) -> dict[str, dict[Path, tuple[int, int]]]:
    """Size and time of change of each file, by role."""
    return {
        role: {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}
        for role, folder in folders.items()
    }
