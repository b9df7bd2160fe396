"""Running the application: one process, which alone writes the graph for as long as it runs."""

from pathlib import Path

import uvicorn

from pressmark.api.service.app import create_app
from pressmark.api.service.settings import Settings
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
    )
    registry: Registry = app.state.registry
    with registry.writing(url=f"http://{settings.host}:{settings.port}"):
        uvicorn.Server(config).run()
