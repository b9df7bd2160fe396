"""Making artifacts and evidence on a server: asked for, then watched to the end."""

import json
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

import yaml
from pyoxigraph import NamedNode

from pressmark.api.client import EvaluationRequest, Making, ModelSource, RunRequest
from pressmark.api.errors import DetachedError, UnexpectedAnswerError
from pressmark.api.jobs.jobs import Kind, State
from pressmark.api.local import LocalMaking
from pressmark.api.plain import UnexpectedShapeError, rebuilt
from pressmark.api.remote.curating import RemoteCurating
from pressmark.api.remote.peer import RemotePeer
from pressmark.api.remote.problems import error_of
from pressmark.api.remote.upload import Uploader
from pressmark.api.remote.watching import RunState, run_state, watch
from pressmark.compression.errors import RecipeError, RunAbortedError
from pressmark.compression.recipe import recipe_source
from pressmark.compression.results import (
    CheckResult,
    Forecast,
    Outcome,
    Reproduction,
    RunResult,
    StepForecast,
)
from pressmark.registry.errors import InvalidInputError, PressmarkError
from pressmark.registry.folders import safe_name
from pressmark.registry.registry import Registry
from pressmark.registry.runs import RecordedStep, recorded_steps
from pressmark.registry.transfer import LocalPeer, transfer

if TYPE_CHECKING:
    from pressmark.compression.step import Progress as StepProgress

Result = TypeVar("Result")

_AGAIN: Final = "watch it again with pressmark run --resume {0}; stop it with pressmark cancel {0}"
_EVIDENCE: Final = "pressmark lineage will show what it found; stop it with pressmark cancel {0}"


class RemoteMaking(RemoteCurating, Making):
    """Runs, checks and re-runs on a server, in processes of its own."""

    def import_model(self, model: ModelSource, progress: "StepProgress") -> NamedNode:
        """What lies on this machine is imported here, and sent with its record."""
        if Path(model.source).expanduser().exists():
            return self._import_here(model, progress)
        parameters = vars(model) | {"exclude": list(model.exclude)}
        given = {name: value for name, value in parameters.items() if value and name != "name"}
        recipe = _alone({"step": "import", "parameters": given, "name": model.name})
        return self._followed(self._post(recipe), progress).artifacts[model.name]

    def run(self, order: RunRequest, progress: "StepProgress") -> RunResult:
        return self._followed(self._post(*self._order(order, progress)), progress)

    def forecast(self, order: RunRequest, progress: "StepProgress") -> Forecast:
        text, uploads, given = self._order(order, progress)
        plan = self._send(dict[str, Any], text, uploads, given | {"dry_run": True})
        steps = [
            {"name": each["name"], "step": each["step"], **each["forecast"]}
            for each in plan["steps"]
        ]
        return Forecast(tuple(rebuilt(list[StepForecast], steps)), plan["free_bytes"])

    def resume(self, run: str, progress: "StepProgress") -> RunResult:
        now = run_state(self.connection, run)
        if now.state in (State.QUEUED, State.RUNNING):
            return self._followed(now, progress)
        if now.state is State.SUCCEEDED and now.kind is Kind.RECIPE and now.result is not None:
            return self._rebuilt(RunResult, now)  # it ended after somebody left it alone
        return self._followed(self._asked(f"/v1/runs/{quote(run, safe='')}/resume"), progress)

    def cancel(self, run: str) -> None:
        place = f"/v1/runs/{quote(run, safe='')}/cancel"
        self.connection.send(RunState, "POST", place, repeatable=True)

    def evaluate(self, order: EvaluationRequest, progress: "StepProgress") -> RunResult:
        given = {"base": order.artifact} | ({"parent": order.parent} if order.parent else {})
        inputs = {role: iri.value for role, iri in given.items()}
        data: dict[str, object] = {"packaged": order.packaged}
        uploads = []
        if order.text is not None:
            path = Path(order.text)
            data = {"path": path.name, "license": order.license}
            uploads = self._uploads({path.name: path}, progress)
        step = {
            "step": "evaluate/perplexity",
            "parameters": dict(order.parameters),
            "inputs": {role: role for role in given},
            "data": "data",
        }
        recipe = _alone(step, inputs=dict.fromkeys(given), data={"data": data})
        return self._followed(self._post(recipe, uploads, {"inputs": inputs}), progress)

    def check(self, artifact: str, progress: "StepProgress") -> CheckResult:
        return self._found(CheckResult, self._asked(self.place(artifact, "checks")), progress)

    def reproduce(self, artifact: str, progress: "StepProgress") -> Reproduction:
        begun = self._asked(self.place(artifact, "reproductions"))
        return self._found(Reproduction, begun, progress)

    # ------------------------------------------------------------------ asking

    def _import_here(self, model: ModelSource, progress: "StepProgress") -> NamedNode:
        with (
            tempfile.TemporaryDirectory(prefix="pressmark-import-") as folder,
            Registry.create(Path(folder) / "registry") as registry,
        ):
            made = LocalMaking(registry).import_model(model, progress)
            transfer(LocalPeer(registry), RemotePeer(self.connection), made, progress=progress)
        return made

    def _order(
        self, order: RunRequest, progress: "StepProgress"
    ) -> tuple[str, list[str], dict[str, Any]]:
        source, _, folder = recipe_source(order.recipe)
        text = source.decode(errors="replace")  # the server says where it is not UTF-8
        uploads = self._uploads(texts_of(text, folder), progress)
        inputs = {role: iri.value for role, iri in order.inputs.items()}
        return text, uploads, {"inputs": inputs, "seed": order.seed, "cache": order.cache}

    def _uploads(self, texts: dict[str, Path], progress: "StepProgress") -> list[str]:
        return [each.upload for each in Uploader(self.connection).send(texts, progress)]

    def _post(
        self, text: str, uploads: list[str] | None = None, more: dict[str, Any] | None = None
    ) -> RunState:
        return self._send(RunState, text, uploads or [], more or {})

    def _send(
        self, kind: type[Result], text: str, uploads: list[str], more: dict[str, Any]
    ) -> Result:
        body = {"recipe": text, "uploads": uploads, **more}
        return self.connection.send(
            kind, "POST", "/v1/runs", json=body, headers=_key(), repeatable=True
        )

    def _asked(self, place: str) -> RunState:
        return self.connection.send(RunState, "POST", place, headers=_key(), repeatable=True)

    # ------------------------------------------------------------------ watching

    def _followed(self, begun: RunState, progress: "StepProgress") -> RunResult:
        ended = self._watched(begun, progress)
        if begun.kind is not Kind.RECIPE:
            raise InvalidInputError(f"{begun.id} is no run of a recipe", "pressmark ls --runs")
        if ended.result is not None:
            return self._rebuilt(RunResult, ended)
        return self._recorded(ended)

    def _found(self, kind: type[Result], begun: RunState, progress: "StepProgress") -> Result:
        return self._rebuilt(kind, self._watched(begun, progress))

    def _watched(self, begun: RunState, progress: "StepProgress") -> RunState:
        try:
            ended = watch(self.connection, begun.id, progress)
        except KeyboardInterrupt:
            again = _AGAIN if begun.kind is Kind.RECIPE else _EVIDENCE
            raise DetachedError(begun.id, again.format(begun.id)) from None
        if ended.state is not State.SUCCEEDED:
            raise _reason(ended)
        return ended

    def _rebuilt(self, kind: type[Result], ended: RunState) -> Result:
        try:
            return rebuilt(kind, ended.result)
        except UnexpectedShapeError as error:
            raise UnexpectedAnswerError(
                f"{self.connection.url} gave another result of run {ended.id}: {error}"
            ) from error

    def _recorded(self, ended: RunState) -> RunResult:
        """What was recorded of a run whose worker died before it could tell what it gave."""
        run = NamedNode(ended.run or f"urn:uuid:{ended.id}")
        recorded = {each.result: each for each in recorded_steps(self.reader, [run])[run]}
        made = {**ended.inputs, **ended.artifacts}
        outcomes = (
            _outcome(step.name, step.step, NamedNode(step.result), recorded)
            for step in ended.steps
            if step.result
        )
        artifacts = {name: NamedNode(iri) for name, iri in made.items()}
        return RunResult(run, artifacts, tuple(outcomes))


def _outcome(
    name: str, step: str, result: NamedNode, recorded: dict[NamedNode | None, RecordedStep]
) -> Outcome:
    done = recorded.get(result)
    activity, seconds = (done.iri, done.seconds or 0.0) if done else (result, 0.0)
    return Outcome(name, step, activity, result, done is None, seconds, ())


def _reason(ended: RunState) -> PressmarkError:
    again = f"go on with: pressmark run --resume {ended.id}"
    if ended.error is None:
        text = f"run {ended.id} was stopped; its finished steps are kept"
        return RunAbortedError(text, again)
    problem = {"type": f"urn:pressmark:problem:{ended.error.type}", "detail": ended.error.detail}
    return error_of(422, problem | {"hint": ended.error.hint})


def _key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


def _alone(step: dict[str, Any], **more: Any) -> str:
    """A recipe of one step, for what was asked for without a recipe file."""
    name = step["step"].replace("/", "-")
    return json.dumps({"name": name, **more, "steps": [step]}, ensure_ascii=False, indent=2)


def texts_of(recipe: str, folder: Path) -> dict[str, Path]:
    """The files that a recipe's data sets are read from, by the names that it gives them.

    What is wrong with the recipe otherwise, the server says.

    Raises:
        RecipeError: One is not in the recipe's folder, where alone a server can be given it.
    """
    try:
        document = yaml.safe_load(recipe)
    except yaml.YAMLError:
        return {}
    data = document.get("data") if isinstance(document, dict) else None
    sources = data.values() if isinstance(data, dict) else ()
    paths = [each["path"] for each in sources if isinstance(each, dict) and "path" in each]
    return {path: _text(path, folder) for path in paths if isinstance(path, str)}


def _text(path: str, folder: Path) -> Path:
    try:
        found = folder / safe_name(path)
    except InvalidInputError:
        raise RecipeError(
            f"the text {path} is not below the recipe's folder, and a server has no other paths",
            "put it there, and name it by its relative path",
        ) from None
    if not found.is_file():
        raise RecipeError(f"there is no text {found}", "name a file of the recipe's folder")
    return found
