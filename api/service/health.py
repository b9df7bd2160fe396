"""``/healthz`` and ``/readyz``: for whoever restarts the service, without a token."""

from fastapi import APIRouter

from pressmark.registry.registry import Registry


def router(registry: Registry) -> APIRouter:
    """The routes that tell whether the service lives, and whether it can answer."""
    routes = APIRouter(tags=["health"])

    @routes.get("/healthz", summary="The process answers")
    def alive() -> dict[str, str]:
        return {"status": "alive"}

    @routes.get(
        "/readyz",
        summary="The registry can be read",
        responses={503: {"description": "It cannot be read"}},
    )
    def ready() -> dict[str, str | int]:
        """Reads the graph; an error becomes its own problem."""
        registry.graph()
        return {"status": "ready", "journal": registry.journal.refresh()}

    return routes
