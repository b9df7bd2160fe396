"""Running the application: one process, which alone writes the graph for as long as it runs."""

import errno
import gc
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI

from pressmark.api.jobs.runs import Runs
from pressmark.api.jobs.supervisor import Supervisor
from pressmark.api.jobs.worker import Assignment
from pressmark.api.service.app import create_app
from pressmark.api.service.connections import limited
from pressmark.api.service.logs import AccessLog, configure_logs
from pressmark.api.service.security import Gate
from pressmark.api.service.settings import Settings
from pressmark.api.service.tokens import Principal, Scope
from pressmark.registry.errors import InvalidInputError, StoreLockedError
from pressmark.registry.registry import Registry

_BACKLOG: Final = 2048


#: How long requests under way may take to finish after the service was told to end.
GRACE_SECONDS: Final = 30


def run(folder: Path, settings: Settings, announce: Callable[[str], None]) -> None:
    """Serves the registry in a folder until SIGTERM or SIGINT; requests under way are finished.

    The graph stays open for writing meanwhile, so that a commit costs no opening; whoever else
    wants to write is told this server's address.

    Args:
        folder: The registry.
        settings: How it is run.
        announce: Is told the service's address when it answers.

    Raises:
        StoreLockedError: Another service runs over this registry, or a process keeps writing.
        InvalidInputError: The address cannot be listened at.
    """
    _refuse_second(folder)
    with closing(bound(settings.host, settings.port)) as listening:
        url = _address(settings.host, listening.getsockname()[1])
        app = create_app(folder, settings)
        server = _Server(_config(app, settings), lambda: announce(url))
        app.state.is_stopping = lambda: server.should_exit
        registry: Registry = app.state.registry
        configure_logs()
        with registry.writing(url=url), _workers(app, url, settings.jobs.workers):
            _end_quietly()
            gc.freeze()  # what is here now stays: going through it again and again takes time
            server.run(sockets=[listening])


class _Server(uvicorn.Server):
    """A server that says when it answers."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._started()


def _config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        AccessLog(app),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_SECONDS,
        http=limited(settings.requests),
        ws="none",
        h11_max_incomplete_event_size=settings.requests.head_bytes,
        limit_concurrency=settings.requests.connections,
    )


def _refuse_second(folder: Path) -> None:
    """A command will be done soon, a service will not: waiting for it would be in vain."""
    with Registry.open(folder) as registry:
        holder = registry.writer()
    if holder is not None and holder.url:
        raise StoreLockedError(
            f"the registry {folder} is served at {holder.url} already, by process {holder.process}",
            f"use that service, or end it: kill {holder.process}",
        )


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens, whose connections send what they have at once.

    An answer's head and body are written apart. asyncio does not recognise a socket that it did not
    make itself as one of TCP, and so leaves Nagle's algorithm on: the body would wait 40 ms until a
    client that keeps its connection has acknowledged the head.

    Raises:
        InvalidInputError: The address is not one of this machine, or it is taken.
    """
    try:
        family, _, _, _, place = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.create_server(place[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise InvalidInputError(
            f"nothing can listen at {host}, port {port}: {error.strerror}",
            "choose another with --port, or 0 for a free one" if taken else "see --host and --port",
        ) from error
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _end_quietly() -> None:
    """When it has shut down, uvicorn sends itself the signal again, for whoever else waits for it.

    Nobody does: having been told to end is no failure.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)


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
