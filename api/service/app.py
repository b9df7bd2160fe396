"""The application: every route over one registry."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from fastapi import Depends, FastAPI
from starlette.datastructures import State

from pressmark.api import pages
from pressmark.api.accounts import Accounts
from pressmark.api.jobs.checker import Checker
from pressmark.api.jobs.queue import JobQueue
from pressmark.api.jobs.runs import Runs
from pressmark.api.jobs.store import Jobs
from pressmark.api.outbound.client import Outbound
from pressmark.api.service import (
    accounts,
    artifacts,
    assurances,
    health,
    lifecycle,
    lookup,
    maintenance,
    metrics,
    models,
    questions,
    records,
    refusals,
    registration,
    reports,
    runs,
    transfers,
    verification,
    webhooks,
)
from pressmark.api.service.attempts import Attempts
from pressmark.api.service.bodies import BodyLimits
from pressmark.api.service.database import FILE_NAME, Database
from pressmark.api.service.fetching import Fetches
from pressmark.api.service.headers import SecurityHeaders
from pressmark.api.service.heads import Heads
from pressmark.api.service.metrics import Meter, Metrics
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
    accounts,
    artifacts,
    assurances,
    lifecycle,
    maintenance,
    lookup,
    models,
    questions,
    records,
    registration,
    refusals,
    reports,
    runs,
    webhooks,
    transfers,
    verification,
    endpoint,
)


def create_app(folder: Path, settings: Settings | None = None) -> FastAPI:
    """Makes the application over the registry in a folder.

    Raises:
        NotFoundError: There is no registry.
        StoreVersionError: Another release made the service's database.
    """
    chosen = settings or Settings()
    app = FastAPI(
        title="Pressmark",
        summary="Where a compressed model comes from, and whether that is true.",
        version="1",
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
    )
    _equip(app.state, Registry.open(folder), chosen)
    add_handlers(app)
    describe(app)
    app.add_middleware(BodyLimits, limits=chosen.requests)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Meter, app.state.metrics)
    app.add_middleware(Heads)
    app.include_router(health.routes)
    for group in _READABLE:
        app.include_router(group.routes, dependencies=[Depends(needs(Scope.READ))])
    counted = [] if chosen.anonymous_metrics else [Depends(needs(Scope.READ))]
    app.include_router(metrics.routes, dependencies=counted)
    pages.add_to(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state = app.state
    state.outbound.open()
    state.fetches.resume()
    state.dispatcher.start()
    yield
    for each in (state.checker, state.queue, state.fetches, state.dispatcher, state.queries):
        each.close()
    state.registry.close()


def _equip(state: State, registry: Registry, settings: Settings) -> None:
    """Makes what the routes work with."""
    database = Database(registry.root / FILE_NAME)
    state.settings = settings
    state.registry = registry
    state.queries = QueryPool(registry.root / "snapshots", settings.queries)
    state.representations = Representations()
    state.uploads = Uploads(
        registry.root / "uploads",
        settings.uploads.longest_file,
        at_once=settings.uploads.at_once,
        begun=settings.uploads.begun,
    )
    state.outbound = Outbound(settings.outbound)
    state.fetches = Fetches(state.uploads, state.outbound, settings.fetches)
    state.outbox = Outbox(database)
    state.dispatcher = Dispatcher(registry, state.outbox, state.outbound, settings.webhooks)
    state.attempts = Attempts(database)
    state.accounts = Accounts(database)
    state.profiles = Profiles(database)
    state.refusals = Refusals(database)
    state.checker, state.queue = Checker(registry.root), JobQueue(registry.root)
    state.jobs = Jobs(database)
    state.runs = Runs(registry, state.jobs, state.queue)
    state.is_stopping = lambda: False
    state.sessions = Sessions(database)
    state.rates = RateLimiter(settings.rates)
    oidc = Oidc(settings.oidc, state.profiles)
    state.gate = Gate(Tokens(database), oidc, anonymous=settings.anonymous)
    state.metrics = Metrics(state)
