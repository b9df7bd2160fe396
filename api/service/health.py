"""``/healthz`` and ``/readyz``: for whoever restarts the service, without a token."""

from fastapi import APIRouter

from pressmark.api.service.dependencies import Store

routes = APIRouter(tags=["health"])


@routes.get("/healthz", summary="The process answers")
async def alive() -> dict[str, str]:
    """Says that the process answers, whatever keeps its threads busy."""
    return {"status": "alive"}


@routes.get(
    "/readyz",
    summary="The registry can be read",
    responses={503: {"description": "It cannot be read"}},
)
def ready(registry: Store) -> dict[str, str | int]:
    """Reads the graph, and says how long the journal is."""
    registry.graph()
    return {"status": "ready", "journal": registry.journal.refresh()}
