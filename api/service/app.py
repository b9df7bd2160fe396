"""The application: every route over one registry."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from pressmark.api.service.problems import add_handlers
from pressmark.api.sparql import endpoint
from pressmark.api.sparql.pool import Limits, QueryPool
from pressmark.registry.registry import Registry


def create_app(folder: Path, limits: Limits | None = None) -> FastAPI:
    """Makes the application over the registry in a folder.

    Raises:
        NotFoundError: There is no registry.
    """
    registry = Registry.open(folder)
    pool = QueryPool(registry.root / "snapshots", limits or Limits())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        pool.close()
        registry.close()

    app = FastAPI(
        title="Pressmark",
        summary="Where a compressed model comes from, and whether that is true.",
        version="1",
        lifespan=lifespan,
    )
    add_handlers(app)
    app.include_router(endpoint.router(pool))
    return app
