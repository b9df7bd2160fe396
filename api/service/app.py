"""The application: every route over one registry."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from fastapi import Depends, FastAPI

from pressmark.api import pages
from pressmark.api.jobs.checker import Checker
from pressmark.api.jobs.queue import JobQueue
from pressmark.api.jobs.runs import Runs
from pressmark.api.jobs.store import Jobs
from pressmark.api.outbound.client import Outbound
from pressmark.api.service import (
    artifacts,
    health,
    lifecycle,
    lookup,
    models,
    questions,
    records,
    refusals,
    registration,
    reports,
    runs,
    webhooks,
)
from pressmark.api.service.attempts import Attempts
from pressmark.api.service.bodies import BodyLimits
from pressmark.api.service.database import FILE_NAME, Database
from pressmark.api.service.fetching import Fetches
from pressmark.api.service.headers import SecurityHeaders
from pressmark.api.service.oidc import Oidc
from pressmark.api.service.openapi import describe
from pressmark.api.service.problems import add_handlers
from pressmark.api.service.profiles import Profiles
from pressmark.api.service.rates import RateLimiter
from pressmark.api.service.refusals import Refusals
from pressmark.api.service.representations import Representations
from pressmark.api.service.security import Gate, needs
from pressmark.api.service.sessions import Sessions
from pressmark.api.service.settings import Settings
from pressmark.api.service.tokens import Scope, Tokens
from pressmark.api.service.uploads import Uploads
from pressmark.api.sparql import endpoint
from pressmark.api.sparql.pool import QueryPool
from pressmark.api.webhooks.dispatcher import Dispatcher
from pressmark.api.webhooks.outbox import Outbox
from pressmark.registry.registry import Registry

#: What needs at least the scope read; single routes ask for more.
_READABLE: Final = (
    artifacts,
    lifecycle,
    lookup,
    models,
    questions,
    records,
    registration,
    refusals,
    reports,
    runs,
    webhooks,
    endpoint,
)


def create_app(folder: Path, settings: Settings | None = None) -> FastAPI:
    """Makes the application over the registry in a folder.

    Raises:
        NotFoundError: There is no registry.
        StoreVersionError: Another release made the service's database.
    """
    chosen = settings or Settings()
    registry = Registry.open(folder)
    pool = QueryPool(registry.root / "snapshots", chosen.queries)
    uploads = Uploads(registry.root / "uploads", chosen.uploads.longest_file)
    queue, checker = JobQueue(registry.root), Checker(registry.root)
    outbound = Outbound(chosen.outbound)
    fetches = Fetches(uploads, outbound, chosen.fetches)
    database = Database(registry.root / FILE_NAME)
    outbox = Outbox(database)
    webhooks_sent = Dispatcher(registry, outbox, outbound, chosen.webhooks)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        fetches.resume()
        webhooks_sent.start()
        yield
        checker.close()
        queue.close()
        fetches.close()
        webhooks_sent.close()
        pool.close()
        registry.close()

    app = FastAPI(
        title="Pressmark",
        summary="Where a compressed model comes from, and whether that is true.",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = chosen
    app.state.registry = registry
    app.state.queries = pool
    app.state.representations = Representations()
    app.state.uploads = uploads
    app.state.fetches = fetches
    app.state.outbound = outbound
    app.state.outbox = outbox
    app.state.attempts = Attempts(database)
    app.state.profiles = profiles = Profiles(database)
    app.state.refusals = Refusals(database)
    app.state.checker = checker
    app.state.runs = Runs(registry, Jobs(database), queue)
    app.state.is_stopping = lambda: False
    app.state.sessions = Sessions(database)
    app.state.rates = RateLimiter(chosen.rates)
    app.state.gate = Gate(Tokens(database), Oidc(chosen.oidc, profiles), anonymous=chosen.anonymous)
    add_handlers(app)
    describe(app)
    app.add_middleware(BodyLimits, limits=chosen.requests)
    app.add_middleware(SecurityHeaders)
    app.include_router(health.routes)
    for group in _READABLE:
        app.include_router(group.routes, dependencies=[Depends(needs(Scope.READ))])
    pages.add_to(app)
    return app
