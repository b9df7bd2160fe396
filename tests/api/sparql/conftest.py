"""A service over a real small registry, on loopback."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI

from pressmark.api.service.app import create_app
from pressmark.api.service.settings import Settings


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serves an application on a free port of loopback; gives its address."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="session")
def service(chain: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service that nobody writes to, and that anybody may read."""
    copy = tmp_path_factory.mktemp("service") / "registry"
    shutil.copytree(chain, copy, symlinks=True)
    with served(create_app(copy, Settings(anonymous=True))) as address:
        yield address
