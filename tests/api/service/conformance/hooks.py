"""What schemathesis cannot know by itself: how some bodies are written, and what is here.

Inputs that are meant to be valid get what no schema tells: uploads that are complete, an artifact
that nobody retired yet, a record, a key that was not used before. Whatever is meant to be invalid
is sent as it was invented.
"""

import itertools
import os
import time
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2
import schemathesis
from schemathesis import GenerationMode

RAW = (
    "application/offset+octet-stream",
    "application/n-quads",
    "application/trig",
    "application/ld+json",
    "application/sparql-query",
)
KEY = "idempotency-key"
PIECE = {"Content-Type": RAW[0], "Upload-Offset": "0"}
numbers = itertools.count()
made: dict[str, str] = {}
asked: Counter[str] = Counter()


@schemathesis.serializer(*RAW)
def raw(context: object, value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@schemathesis.hook
def before_call(context: object, case: Any, kwargs: dict[str, Any]) -> None:
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    if case.headers and KEY in case.headers:
        case.headers[KEY] = f"key {next(numbers)}"
    if change := VALID.get(case.operation.label):
        change(case, Client(case.operation.base_url))


class Client(httpx2.Client):
    def __init__(self, url: str) -> None:
        token = os.environ["PRESSMARK_TOKEN"]
        super().__init__(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60)

    def upload(self, data: bytes = b"{}") -> str:
        announced = {"name": "config.json", "size": len(data)}
        identifier = str(self.post("/v1/uploads", json=announced).json()["id"])
        self.patch(f"/v1/uploads/{identifier}", content=data, headers=PIECE).raise_for_status()
        return identifier

    def artifact(self) -> str:
        claim = {"name": f"made-{next(numbers)}", "files": [{"upload": self.upload()}]}
        made = self.post("/v1/artifacts", json=claim)
        made.raise_for_status()
        return str(made.headers["location"].rpartition("/")[2])


def send_files(case: Any, client: Client) -> None:
    if case.media_type == "multipart/form-data":
        if "claim" in case.body:  # what lacks it is meant to be refused
            case.body = {"claim": {"name": f"form-{next(numbers)}"}, "file": ["{}"]}
        return
    case.body["files"] = [{"upload": client.upload()}]
    case.body["kind"] = "FineTunedModel"
    case.body.pop("parents", None)


def retire_something_new(case: Any, client: Client) -> None:
    case.path_parameters["artifact"] = client.artifact()


def send_all_bytes(case: Any, client: Client) -> None:
    announced = {"name": "config.json", "size": 1 << 20}
    case.path_parameters["upload"] = client.post("/v1/uploads", json=announced).json()["id"]
    case.headers["upload-offset"] = "0"


def send_a_record(case: Any, client: Client) -> None:
    case.body = Path(os.environ["PRESSMARK_RECORD"]).read_text()
    case.media_type = "application/n-quads"


RECIPE = """\
name: half
inputs:
  base:
steps:
  - step: prune/magnitude
    parameters: {sparsity: 0.5}
"""


def run_a_recipe(case: Any, client: Client) -> None:
    if is_enough("runs"):
        case.query["dry_run"] = "true"
    if case.media_type != "application/json":
        case.body = RECIPE
        case.query["input"] = ["base=int8"]
    elif isinstance(case.body, dict):
        case.body |= {"recipe": RECIPE, "inputs": {"base": "int8"}, "uploads": []}
        case.body["dry_run"] = is_enough("runs")


def examine(case: Any, client: Client) -> None:
    case.path_parameters["artifact"] = "not-here" if is_enough(case.operation.label) else "int8"


def is_enough(name: str) -> bool:
    """Whether so much real work was asked for already; it is all done in the end."""
    asked[name] += 1
    return asked[name] > 3


FAILING = RECIPE.replace("prune/magnitude", "quantize/rtn").replace(
    "{sparsity: 0.5}",
    "{bits: 4, group_size: 7}",  # which divides no width of the model
)


def a_run(client: Client, recipe: str = RECIPE) -> str:
    order = {"recipe": recipe, "inputs": {"base": "int8"}, "cache": False}
    answer = client.post("/v1/runs", json=order)
    answer.raise_for_status()
    return str(answer.json()["id"])


def read_a_run(case: Any, client: Client) -> None:
    case.path_parameters["run"] = client.get("/v1/runs").json()["runs"][-1]["id"]


def follow_a_run(case: Any, client: Client) -> None:
    case.path_parameters["run"] = cached("ended", lambda: ended(client, a_run(client)))


def cancel_a_run(case: Any, client: Client) -> None:
    case.path_parameters["run"] = cached("cancelled", lambda: a_run(client))


def resume_a_run(case: Any, client: Client) -> None:
    case.path_parameters["run"] = cached("resumed", lambda: ended(client, a_run(client, FAILING)))


def ended(client: Client, run: str) -> str:
    for _ in range(600):
        if client.get(f"/v1/runs/{run}").json()["ended"]:
            return run
        time.sleep(0.1)
    raise TimeoutError(run)


def cached(name: str, make: Callable[[], str]) -> str:
    if name not in made:
        made[name] = make()
    return made[name]


def read_a_kept_report(case: Any, client: Client) -> None:
    made = client.post("/v1/artifacts/prod/reports", json={"verify": False})
    case.path_parameters["report"] = made.headers["location"].rpartition("/")[2]


def new_token(client: Client) -> dict[str, Any]:
    made = client.post("/v1/tokens", json={"name": f"somebody {next(numbers)}"})
    made.raise_for_status()
    return made.json()["info"]  # type: ignore[no-any-return]


def revoke_a_new_token(case: Any, client: Client) -> None:
    case.path_parameters["token"] = new_token(client)["id"]


def forget_somebody_new(case: Any, client: Client) -> None:
    case.path_parameters["person"] = new_token(client)["agent"]


def keep_an_upload(case: Any, client: Client) -> None:
    data = f"blob {next(numbers)}".encode()
    case.body = {"upload": client.upload(data), "sha256": sha256(data).hexdigest()}


def read_a_bundle(case: Any, client: Client) -> None:
    record = Path(os.environ["PRESSMARK_RECORD"]).read_bytes()
    case.path_parameters["sha256"] = sha256(record).hexdigest()


def send_a_history(case: Any, client: Client) -> None:
    case.body = {"bundles": [Path(os.environ["PRESSMARK_RECORD"]).read_text()]}


HOOK = "http://127.0.0.1:1/hook"  # where nobody listens


def name_an_address(case: Any, client: Client) -> None:
    case.body["url"] = HOOK


def name_a_webhook(case: Any, client: Client) -> None:
    made = client.post("/v1/webhooks", json={"url": HOOK, "events": ["run.failed"]})
    case.path_parameters["webhook"] = made.json()["webhook"]["id"]


def read_a_record(case: Any, client: Client) -> None:
    case.path_parameters["record"] = "1"


def ask_about_something_here(case: Any, client: Client) -> None:
    case.query["artifact"] = ["int8"]


VALID = {
    "GET /v1/assurances": ask_about_something_here,
    "GET /v1/records/{record}": read_a_record,
    "DELETE /v1/tokens/{token}": revoke_a_new_token,
    "DELETE /v1/people/{person}": forget_somebody_new,
    "GET /v1/blobs/{sha256}": read_a_bundle,
    "POST /v1/blobs": keep_an_upload,
    "POST /v1/transfers": send_a_history,
    "POST /v1/webhooks": name_an_address,
    "GET /v1/webhooks/{webhook}": name_a_webhook,
    "DELETE /v1/webhooks/{webhook}": name_a_webhook,
    "GET /v1/webhooks/{webhook}/deliveries": name_a_webhook,
    "POST /v1/webhooks/{webhook}/resumption": name_a_webhook,
    "POST /v1/webhooks/{webhook}/test": name_a_webhook,
    "POST /v1/artifacts/{artifact}/checks": examine,
    "POST /v1/artifacts/{artifact}/reproductions": examine,
    "POST /v1/runs": run_a_recipe,
    "GET /v1/runs/{run}": read_a_run,
    "GET /v1/runs/{run}/events": follow_a_run,
    "POST /v1/runs/{run}/cancel": cancel_a_run,
    "POST /v1/runs/{run}/resume": resume_a_run,
    "GET /v1/reports/{report}": read_a_kept_report,
    "POST /v1/artifacts": send_files,
    "POST /v1/artifacts/{artifact}/retirement": retire_something_new,
    "PATCH /v1/uploads/{upload}": send_all_bytes,
    "POST /v1/records": send_a_record,
    "POST /v1/records/validation": send_a_record,
}
