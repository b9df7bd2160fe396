"""Small steps over text files, as another distribution would offer them."""

import random
import time
from pathlib import Path

import torch
from pydantic import Field
from safetensors.torch import save_file

from pressmark.compression.errors import ModelFileError
from pressmark.compression.step import (
    Claim,
    Context,
    Evidence,
    Inputs,
    Measurement,
    Output,
    Produced,
    Progress,
    Step,
)
from pressmark.ontology.terms import PM

NAME = "text.txt"


def text(folder: Path) -> str:
    return (folder / NAME).read_text()


def put(context: Context, content: str) -> Path:
    (context.output / NAME).write_text(content)
    return context.output


class Bring(Step):
    name = "example/bring"
    activity = PM.Import
    produces = PM.BaseModel
    roles = ()
    source: str

    def apply(self, inputs: Inputs, context: Context) -> Output:
        put(context, Path(self.source).read_text())
        attributes = {"importedFrom": self.source, "sourceRevision": "1"}
        return Output(context.output, license="CC0-1.0", attributes=attributes)

    def check(self, inputs: Inputs, output: Produced, context: Context) -> Evidence:
        return Evidence((Claim("there is text", bool(text(output.folder))),))


class Append(Step):
    """Appends `text`, `times` over."""

    name = "example/append"
    activity = PM.Convert
    produces = PM.ConvertedModel
    text: str = "!"
    times: int = Field(default=1, ge=1, le=1000)
    marks: tuple[int, ...] = ()
    note: str | None = None

    def apply(self, inputs: Inputs, context: Context) -> Output:
        context.progress.log(f"appending {self.text}")
        added = self.text * self.times
        folder = put(context, text(inputs.folder()) + added)
        return Output(folder, (Measurement("letters", len(added)),))

    def check(self, inputs: Inputs, output: Produced, context: Context) -> Evidence:
        wanted = text(inputs.folder()) + self.text * self.times
        return Evidence((Claim("the parent and the text", wanted == text(output.folder)),))


class Join(Append):
    """Joins two inputs and the calibration text."""

    name = "example/join"
    activity = PM.Merge
    produces = PM.MergedModel
    roles = ("base", "adapter")
    needs_data = "calibration"

    def apply(self, inputs: Inputs, context: Context) -> Output:
        trace = context.scratch / "trace.txt"
        trace.write_text("seen\n")
        joined = text(inputs.folder()) + text(inputs.folder("adapter"))
        return Output(put(context, joined), byproducts=(trace,))

    def check(self, inputs: Inputs, output: Produced, context: Context) -> Evidence:
        joined = text(inputs.folder()) + text(inputs.folder("adapter"))
        return Evidence((Claim("both parents", joined == text(output.folder)),))


class Count(Step):
    name = "example/count"
    activity = PM.Evaluate
    optional_roles = ("parent",)
    needs_data = "evaluation"

    def apply(self, inputs: Inputs, context: Context) -> Output:
        measurements = [Measurement("letters", len(text(inputs.folder())))]
        if "parent" in inputs:
            measurements.append(Measurement("parent_letters", len(text(inputs.folder("parent")))))
        return Output(None, tuple(measurements))

    def check(self, inputs: Inputs, output: Produced, context: Context) -> Evidence:
        same = output.measurements["letters"] == len(text(inputs.folder()))
        return Evidence((Claim("the letters are as many", same),))


class Dice(Append):
    """Appends what the seeded generator gives."""

    name = "example/dice"

    def apply(self, inputs: Inputs, context: Context) -> Output:
        return Output(put(context, text(inputs.folder()) + str(random.random())))

    def check(self, inputs: Inputs, output: Produced, context: Context) -> Evidence:
        kept = text(output.folder).startswith(text(inputs.folder()))
        return Evidence((Claim("the parent is the beginning", kept),))


class Clock(Dice):
    """Appends the time: what no step may do."""

    name = "example/clock"

    def apply(self, inputs: Inputs, context: Context) -> Output:
        return Output(put(context, text(inputs.folder()) + str(time.time_ns())))


class Fail(Append):
    name = "example/fail"

    def apply(self, inputs: Inputs, context: Context) -> Output:
        put(context, "half")
        raise ValueError("the weights are on fire")


class Lie(Append):
    """Says that it appended, and changes its parent's text."""

    name = "example/lie"

    def apply(self, inputs: Inputs, context: Context) -> Output:
        return Output(put(context, text(inputs.folder()).upper() + self.text))


class Wait(Append):
    """Says that it started, then waits until the file `until` is there."""

    name = "example/wait"
    started: str
    until: str

    def apply(self, inputs: Inputs, context: Context) -> Output:
        Path(self.started).touch()
        deadline = time.monotonic() + 60
        while not Path(self.until).exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        return super().apply(inputs, context)


class Stroll(Append):
    """Takes `steps` steps of a tenth of a second each, and says so."""

    name = "example/stroll"
    started: str
    steps: int = 10

    def apply(self, inputs: Inputs, context: Context) -> Output:
        Path(self.started).touch()
        for _ in context.progress.track(range(self.steps), self.steps, "strolling"):
            time.sleep(0.1)
        return super().apply(inputs, context)


class Vandal(Append):
    """Changes its input."""

    name = "example/vandal"

    def apply(self, inputs: Inputs, context: Context) -> Output:
        (inputs.folder() / NAME).write_text("gone")
        return super().apply(inputs, context)


class Linker(Append):
    """Leaves a link in its output."""

    name = "example/linker"

    def apply(self, inputs: Inputs, context: Context) -> Output:
        (context.output / "link.txt").symlink_to(inputs.folder() / NAME)
        return super().apply(inputs, context)


class Scrawl(Append):
    """Leaves a file whose name is a drive elsewhere."""

    name = "example/scrawl"

    def apply(self, inputs: Inputs, context: Context) -> Output:
        (context.output / "C:notes.txt").touch()
        return super().apply(inputs, context)


class Void(Append):
    """Leaves nothing."""

    name = "example/void"

    def apply(self, inputs: Inputs, context: Context) -> Output:
        return Output(context.output)


class NotANumber(Append):
    """Measures what is no number."""

    name = "example/nan"

    def apply(self, inputs: Inputs, context: Context) -> Output:
        made = super().apply(inputs, context)
        return Output(made.folder, (Measurement("loss", float("nan")),))


class Overflow(Append):
    """Writes a weight that is infinite."""

    name = "example/overflow"

    def apply(self, inputs: Inputs, context: Context) -> Output:
        weights = {"w": torch.tensor([1.0, 2.0]) / torch.tensor([1.0, 0.0])}
        save_file(weights, context.output / "model.safetensors")
        return super().apply(inputs, context)


class Door(Bring):
    """Takes only what begins with a capital letter."""

    name = "example/door"

    def preflight(self, progress: Progress) -> None:
        if not Path(self.source).read_text()[0].isupper():
            raise ModelFileError("begins small", "begin with a capital", file=self.source)
