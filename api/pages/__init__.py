"""Web pages: what the registry knows, for people with a browser.

Every page is made here, on the server, and works without JavaScript; the scripts beside the pages
add what only they can (zooming, live progress). Nothing is fetched from elsewhere.
"""

from fastapi import FastAPI

from pressmark.api.pages import (
    about,
    artifact,
    assets,
    catalogue,
    comparison,
    console,
    failures,
    login,
    represented,
    runs,
)

_ROUTES = (assets, login, catalogue, artifact, runs, comparison, console, about)


def add_to(app: FastAPI) -> None:
    """Adds the pages to an application; after its error handlers, which are shown as pages too."""
    for group in _ROUTES:
        app.include_router(group.routes, include_in_schema=False)
    represented.add_to(app)
    failures.add_to(app)
