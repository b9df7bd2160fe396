"""What one recorded step costs in MLflow with SQLite: a run, five parameters, a model version.

Runs in an environment of its own (`mlflow_folder` in machine.py makes it) and prints JSON::

    mlflow_peer.py COUNT FOLDER     the database is made in a folder inside FOLDER
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Param

PARAMETERS = {"sparsity": 0.5, "samples": 128, "length": 512, "seed": 0, "pattern": "none"}


def main(count: int, parent: Path) -> None:
    """Time `count` registrations one after the other, after ten that warm up."""
    with tempfile.TemporaryDirectory(dir=parent.absolute()) as folder:
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        client = MlflowClient()
        experiment = client.create_experiment("bench", artifact_location=Path(folder).as_uri())
        client.create_registered_model("model")
        seconds = [registration(client, experiment) for _ in range(count + 10)][10:]
    seconds.sort()
    p50, p99 = seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.99)]
    print(
        json.dumps({"version": mlflow.__version__, "p50": p50, "p99": p99, "total": sum(seconds)})
    )


def registration(client: MlflowClient, experiment: str) -> float:
    """Seconds for one run with its parameters and one model version."""
    began = time.perf_counter()
    run = client.create_run(experiment)
    # One batch is MLflow's fastest way to log parameters.
    client.log_batch(run.info.run_id, params=[Param(k, str(v)) for k, v in PARAMETERS.items()])
    client.set_terminated(run.info.run_id)
    client.create_model_version("model", source=run.info.artifact_uri, run_id=run.info.run_id)
    return time.perf_counter() - began


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
