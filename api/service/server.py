"""Running the application: one process, which alone writes the graph for as long as it runs."""

import gc
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from pressmark.api.jobs.runs import Runs
from pressmark.api.jobs.supervisor import Supervisor
from pressmark.api.jobs.worker import Assignment
from pressmark.api.service.app import create_app
from pressmark.api.service.connections import limited
from pressmark.api.service.security import Gate
from pressmark.api.service.settings import Settings
from pressmark.api.service.tokens import Principal, Scope
from pressmark.registry.registry import Registry


def run(folder: Path, settings: Settings) -> None:
    """Serves the registry in a folder until interrupted.

    The graph stays open for writing meanwhile, so that a commit costs no opening; whoever else
    wants to write is told this server's address.

    Raises:
        StoreLockedError: Another process is writing.
    """
    app = create_app(folder, settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level="info",
        server_header=False,
        timeout_keep_alive=30,
        http=limited(settings.requests),
        ws="none",
        h11_max_incomplete_event_size=settings.requests.head_bytes,
        limit_concurrency=settings.requests.connections,
    )
    server = uvicorn.Server(config)
    app.state.is_stopping = lambda: server.should_exit
    registry: Registry = app.state.registry
    with closing(bound(config)) as listening:
        url = _address(settings.host, listening.getsockname()[1])
        with registry.writing(url=url), _workers(app, url, settings.jobs.workers):
            gc.freeze()  # what is here now stays: going through it again and again takes time
            server.run(sockets=[listening])


def bound(config: uvicorn.Config) -> socket.socket:
    """The socket to listen at, whose connections send what they have at once.

    An answer's head and body are written apart. asyncio does not recognise the socket that uvicorn
    binds as one of TCP, and so leaves Nagle's algorithm on: the body would wait 40 ms until a
    client that keeps its connection has acknowledged the head.
    """
    listening = config.bind_socket()
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _address(host: str, port: int) -> str:
    """Where processes of this machine reach a server that listens at an address."""
    reached = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


@contextmanager
def _workers(app: FastAPI, url: str, count: int) -> Iterator[None]:
    """Keeps the workers that run recipes, where what they need is installed."""
    if find_spec("torch") is None:
        yield
        return
    gate: Gate = app.state.gate
    runs: Runs = app.state.runs
    registry: Registry = app.state.registry
    token = gate.admit(Principal("worker", Scope.WRITE))
    supervisor = Supervisor(runs.jobs, Assignment(str(registry.root), url, token, count))
    supervisor.start()
    try:
        yield
    finally:
        supervisor.stop()
