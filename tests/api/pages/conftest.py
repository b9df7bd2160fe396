"""Pages over made-up histories of any size."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from pressmark.api.service.app import create_app
from pressmark.api.service.settings import Settings
from pressmark.ontology.terms import PM
from pressmark.registry.registry import Registry

from ...registry.conftest import History  # noqa: TID252 - the same histories as the registry's

Serve = Callable[..., TestClient]


def uuid(iri: Any) -> str:
    """An IRI of a history as addresses write it."""
    return str(iri.value).removeprefix("urn:uuid:")


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Gives a client of a service over a history's records, which anybody may read."""
    clients: list[TestClient] = []

    def make(history: History) -> TestClient:
        folder = tmp_path_factory.mktemp("service") / "registry"
        with Registry.create(folder) as registry:
            history.commit(registry)
        app = create_app(folder, Settings(anonymous=True))
        client = TestClient(app, headers={"Accept": "text/html"}).__enter__()
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.__exit__(None, None, None)


def small_world(history: History) -> dict[str, Any]:
    """One of everything that a page shows; see tests/registry/asking/conftest.py."""
    run = history.run()
    base = history.imported(run)
    pruned = history.step(run, "prune/wanda", base)
    int8 = history.step(run, "quantize/rtn", pruned)
    history.evaluate(run, base)
    history.evaluate(run, int8, compared_with=base)
    history.close(run)
    history.check(base, edge="generation")
    history.check(pruned)
    history.check(int8, kind=PM.Reproduce)
    history.promote(int8)
    history.tag(int8, "edge")
    open_run = history.run()
    int4 = history.step(open_run, "quantize/rtn", pruned)
    history.fail(open_run, base)
    history.check(int4, holds=False)
    history.retire(int4, "wrong scales")
    elsewhere = history.register(pruned, external="vendor/original")
    return {
        "run": run,
        "open_run": open_run,
        "base": base,
        "pruned": pruned,
        "int8": int8,
        "int4": int4,
        "elsewhere": elsewhere,
    }
