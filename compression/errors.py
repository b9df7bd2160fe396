"""What can go wrong while compressing, as one tree under the registry's root error.

* PressmarkError (pressmark.registry.errors)
  * CompressionError
    * RecipeError            a recipe that cannot be run, with its file and line
      * UnknownStepError     no installed step has this name
    * DataSetError           a data set that is missing, empty or not what was recorded
    * ModelFileError         a damaged, hostile or unsupported model folder, with file and tensor
    * StepFailedError        a step raised; the run is recorded as failed
    * StepRefutedError       a step's own check contradicts its output; recorded as refuted
    * RunAbortedError        the user stopped a run; it can be resumed
    * NotReproducibleError   a record does not say enough to run its step again

Every error says what happened, to which file, tensor or artifact, and what to do (`hint`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pressmark.registry.errors import PressmarkError


class CompressionError(PressmarkError):
    """Root of the errors of this package."""

    advice = "change the recipe, its inputs or its parameters, and run it again"


class RecipeError(CompressionError):
    """A recipe was refused before any work was done.

    Attributes:
        file: The recipe's file, or a name for text that has none.
        line: The line the refusal is about, counted from 1; None when it is about the whole file.
        problems: One error for each thing that is wrong, where there are several.
    """

    problems: tuple[RecipeError, ...] = ()

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        file: Path | str | None = None,
        line: int | None = None,
    ) -> None:
        self.file = file
        self.line = line
        where = ":".join(str(part) for part in (file, line) if part is not None)
        super().__init__(f"{where}: {message}" if where else message, hint)

    @classmethod
    def of_all(cls, problems: Sequence[RecipeError]) -> RecipeError:
        """One error that tells everything that is wrong with a recipe, in the order of lines."""
        if len(problems) == 1:
            return problems[0]
        ordered = tuple(sorted(problems, key=lambda problem: problem.line or 0))
        told = (f"  {one.message}{f' ({one.hint})' if one.hint else ''}" for one in ordered)
        whole = cls(
            "\n".join((f"{len(ordered)} problems", *told)),
            "mend these lines; nothing was done yet",
            file=ordered[0].file,
        )
        whole.line, whole.problems = ordered[0].line, ordered
        return whole


class UnknownStepError(RecipeError):
    """No installed distribution offers a step of this name."""


class DataSetError(CompressionError):
    """A data set is missing, empty, unlicensed or does not have the recorded digest."""

    advice = "name another data set, or correct this one"


class ModelFileError(CompressionError):
    """A model folder is damaged, hostile or not supported.

    Attributes:
        file: The file that was refused, as named inside the folder.
        tensor: The tensor the refusal is about, if it is about one.
    """

    advice = "fetch the model's files again, or take another model"

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        file: Path | str | None = None,
        tensor: str | None = None,
    ) -> None:
        self.file = file
        self.tensor = tensor
        where = ", ".join(
            part for part in (str(file or ""), f"tensor {tensor}" if tensor else "") if part
        )
        super().__init__(f"{where}: {message}" if where else message, hint)


class StepFailedError(CompressionError):
    """A step raised an error; it is recorded as failed and made no artifact."""

    advice = "pressmark ls --runs lists the run; mend the cause and resume it"


class StepRefutedError(CompressionError):
    """A step's own check contradicts the bytes that it wrote; recorded as refuted."""

    advice = "the step is wrong: report it, and do not use what it made"


class RunAbortedError(CompressionError):
    """The user stopped a run; what was finished is kept and the run can be resumed."""

    advice = "pressmark run --resume RUN goes on"


class NotReproducibleError(CompressionError):
    """A record does not say enough, or its inputs are gone, to run the step again."""

    advice = "pressmark show lists what the record says"
