"""``/metrics``: what the service does, counted, for Prometheus.

Labels are few on purpose: a route's template and never a path, a status and never a reason.
"""

import platform
import time
from collections.abc import Iterable, Mapping
from typing import Final

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, Counter, Histogram, Info, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.datastructures import State
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pressmark.api.service.refusals import STATUSES
from pressmark.ontology import ONTOLOGY_VERSION
from pressmark.registry.environment import engine

routes = APIRouter(tags=["health"])
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
)


class Metrics:
    """The counters of one application.

    Args:
        state: The application's state, which is looked at when somebody asks.
    """

    def __init__(self, state: State) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "pressmark_http_requests",
            "Requests that were answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "pressmark_http_request_seconds",
            "Time until an answer begins.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._refusals = Counter(
            "pressmark_refusals", "Requests that were refused.", ("status",), registry=self.registry
        )
        Info("pressmark_build", "What runs here.", registry=self.registry).info(_build())
        ProcessCollector(registry=self.registry)
        self.registry.register(_Contents(state))

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        """Counts an answer.

        Args:
            scope: The request's, after it was routed.
            status: The answer's HTTP status.
            seconds: How long it took until it began.
        """
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", None) or "none"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)
        if status in STATUSES:
            self._refusals.labels(str(status)).inc()


class Meter:
    """Counts every answer, whatever gave it.

    Args:
        app: The application that answers.
        metrics: What counts.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        statuses: list[int] = []

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
                self._metrics.answered(scope, statuses[0], time.perf_counter() - began)
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:
            if not statuses:  # the server answers it
                self._metrics.answered(scope, 500, time.perf_counter() - began)
            raise


class _Contents(Collector):
    """What there is at the moment; nothing is kept between two questions."""

    def __init__(self, state: State) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        state = self._state
        yield _gauge("journal_entries", "Records.", state.registry.journal.refresh())
        count, size = state.uploads.totals()
        yield _gauge("uploads", "Uploads that are not registered yet.", count)
        yield _gauge("upload_bytes", "Their bytes so far.", size)
        yield _gauge(
            "fetches", "Files that are being fetched, or wait for it.", state.fetches.count
        )
        queries = CounterMetricFamily(
            "pressmark_sparql_queries", "Queries that a worker was asked for.", labels=["result"]
        )
        for result, number in state.queries.results.items():
            queries.add_metric([result], number)
        yield queries
        yield _gauge("sparql_workers", "Workers for queries.", state.queries.limits.workers)
        yield _gauge("sparql_workers_busy", "Those that answer one.", state.queries.working)
        yield _by_state("jobs", "Runs that were ordered here.", state.jobs.counts())
        yield _by_state("webhooks", "Who is told of events.", state.outbox.webhook_counts())
        yield _by_state("webhook_deliveries", "Events for them.", state.outbox.counts())


@routes.get(
    "/metrics",
    summary="What the service does, counted",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}, "application/openmetrics-text": {}}}},
)
def prometheus_metrics(request: Request) -> Response:
    """Counters and gauges in Prometheus's text format, or OpenMetrics where that is accepted."""
    metrics: Metrics = request.app.state.metrics
    encode, kind = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(metrics.registry), headers={"Content-Type": kind, "Vary": "Accept"})


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"pressmark_{name}", about, value=value)


def _by_state(name: str, about: str, counts: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(f"pressmark_{name}", about, labels=["state"])
    for state, number in counts.items():
        family.add_metric([state], number)
    return family


def _build() -> dict[str, str]:
    return {
        "version": engine().version,
        "ontology": ONTOLOGY_VERSION,
        "python": platform.python_version(),
    }
