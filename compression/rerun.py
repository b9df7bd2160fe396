"""The other process of `reproduce`: executes one step from a job file and nothing else.

Usage: ``python -m pressmark.compression.rerun JOB.json``. It knows no registry; all it gets are the
recorded parameters, seed and threads, and folders with the recorded bytes. What it has to say goes
to standard output line by line, what it found to ``RESULT.json`` beside the job.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pressmark.compression.data import DataSet
from pressmark.compression.execution import Conditions, execute
from pressmark.compression.progress import TextProgress
from pressmark.compression.recording import describe_error
from pressmark.compression.step import Inputs, step_class

JOB = "job.json"
RESULT = "result.json"


@dataclass(frozen=True)
class RerunJob:
    """Everything that a re-run may know.

    Attributes:
        step: The step's name.
        parameters: Its parameters.
        seed: The recorded seed.
        threads: The recorded number of threads.
        inputs: Role -> folder.
        data: Name, text file, licence and source of the data set, if there is one.
        workdir: An empty place for the step.
    """

    step: str
    parameters: dict[str, Any]
    seed: int
    threads: int
    inputs: dict[str, str]
    data: dict[str, str] | None
    workdir: str

    def save(self, path: Path) -> None:
        """Writes the job."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> RerunJob:
        """Reads the job."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class RerunResult:
    """What came of it: the output's folder, or why there is none.

    Attributes:
        started_at: Right before the step.
        ended_at: Right after it.
        wall_seconds: Elapsed time.
        cpu_seconds: Processor time.
        peak_memory_bytes: Largest resident memory.
        folder: Where the output is; None for an evaluation and where the step failed.
        measurements: What was measured, by name.
        error: Why the step failed; empty where it succeeded.
    """

    started_at: str
    ended_at: str
    wall_seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    folder: str | None
    measurements: dict[str, float]
    error: str = ""


def rerun(job: RerunJob) -> RerunResult:
    """Executes the job in this process."""
    folders = {role: Path(folder) for role, folder in job.inputs.items()}
    step = step_class(job.step).parse(job.parameters)
    inputs = Inputs(folders, _dataset(job.data))
    conditions = Conditions(job.seed, job.threads)
    done = execute(step, inputs, Path(job.workdir), conditions, TextProgress(sys.stdout))
    output = done.result
    return RerunResult(
        started_at=done.started_at,
        ended_at=done.ended_at,
        wall_seconds=done.costs.wall_seconds,
        cpu_seconds=done.costs.cpu_seconds,
        peak_memory_bytes=done.costs.peak_memory_bytes,
        folder=str(output.folder) if output and output.folder else None,
        measurements={m.name: m.value for m in output.measurements} if output else {},
        error="" if output else describe_error(done.error),
    )


def _dataset(data: dict[str, str] | None) -> DataSet | None:
    if data is None:
        return None
    text = Path(data["file"]).read_bytes().decode("utf-8")
    return DataSet(data["name"], text, data["license"], data["source"])


def main(path: str) -> None:
    """Runs the job in a file and leaves its result beside it."""
    job = RerunJob.load(Path(path))
    result = rerun(job)
    Path(path).with_name(RESULT).write_text(json.dumps(asdict(result)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
