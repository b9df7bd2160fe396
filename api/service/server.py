"""Running the application: one process, which alone writes the graph for as long as it runs."""

from pathlib import Path

import uvicorn

from pressmark.api.service.app import Settings, create_app
from pressmark.registry.registry import Registry


def run(folder: Path, host: str, port: int, *, anonymous: bool = False) -> None:
    """Serves the registry in a folder until interrupted.

    The graph stays open for writing meanwhile, so that a commit costs no opening; whoever else
    wants to write is told this server's address.

    Raises:
        StoreLockedError: Another process is writing.
    """
    app = create_app(folder, Settings(anonymous=anonymous))
    config = uvicorn.Config(
        app, host=host, port=port, log_level="info", server_header=False, timeout_keep_alive=30
    )
    registry: Registry = app.state.registry
    with registry.writing(url=f"http://{host}:{port}"):
        uvicorn.Server(config).run()
