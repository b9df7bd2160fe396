"""Queries that want too much, and workers that die."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pressmark.api.errors import (
    BusyError,
    QueryTimeoutError,
    RequestError,
    TooLargeError,
)
from pressmark.api.sparql.pool import Limits, QueryPool
from pressmark.api.sparql.worker import Ask
from pressmark.registry.registry import Registry

LIMITS = Limits(seconds=20.0, megabytes=1024, workers=1, wait=0.1)
ALL = "SELECT * { ?s ?p ?o }"
PRODUCT = "?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l ."


def ask(text: str, **given: int) -> Ask:
    return replace(Ask(text, "JSON"), **given)


@pytest.fixture
def pool(chain: Path) -> Iterator[QueryPool]:
    pool = QueryPool(chain / "snapshots", LIMITS)
    yield pool
    pool.close()


def test_an_answer_tells_how_much_of_the_journal_it_knows(pool: QueryPool, chain: Path) -> None:
    with Registry.open(chain) as registry:
        assert pool.answer(ask("ASK {}")).sequence == len(registry.journal)


BOMBS = {
    "cartesian product": f"SELECT (COUNT(*) AS ?n) {{ {PRODUCT} }}",
    "endless path": "SELECT (COUNT(*) AS ?n) { ?a (!<a:a>|^!<a:a>)* ?b . ?c (!<a:b>|^!<a:b>)* ?d }",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_a_query_that_takes_too_long_is_ended_and_the_next_is_answered(
    chain: Path, text: str
) -> None:
    pool = QueryPool(chain / "snapshots", replace(LIMITS, seconds=1.0))
    with pytest.raises(QueryTimeoutError, match="longer"):
        pool.answer(ask(text))
    pool = QueryPool(chain / "snapshots", LIMITS)
    assert b"true" in pool.answer(ask("ASK { ?s ?p ?o }")).data
    pool.close()


def test_a_query_that_wants_too_much_memory_ends_its_worker_alone(pool: QueryPool) -> None:
    with pytest.raises(QueryTimeoutError):
        pool.answer(ask(f"SELECT * {{ {PRODUCT} }} ORDER BY ?a ?l"))
    assert b"true" in pool.answer(ask("ASK { ?s ?p ?o }")).data


@pytest.mark.parametrize("name", ["JSON", "XML", "CSV", "TSV"])
def test_rows_are_counted_in_every_format(pool: QueryPool, name: str) -> None:
    text = 'SELECT ?x { VALUES ?x { "a" "b\\nc" "<result>" "\\t\\"" } }'
    pool.answer(replace(ask(text, max_rows=4), format=name))
    with pytest.raises(TooLargeError, match="4 rows, more than 3"):
        pool.answer(replace(ask(text, max_rows=3), format=name))


def test_bytes_are_limited(pool: QueryPool) -> None:
    with pytest.raises(TooLargeError, match="longer than 1,000 bytes"):
        pool.answer(ask(ALL, max_bytes=1000))
    with pytest.raises(TooLargeError):
        pool.answer(ask("#" * 100_001))


def test_a_service_clause_reaches_no_socket(pool: QueryPool) -> None:
    """Even where the text's inspection is passed by."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        with pytest.raises(Exception, match="Permission denied"):
            pool.answer(ask(f"SELECT * {{ SERVICE <{address}> {{ ?s ?p ?o }} }}"))
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_killed_worker_is_replaced(pool: QueryPool) -> None:
    pool.answer(ask("ASK {}"))
    process = pool._idle.queue[0]
    assert process is not None
    os.kill(process._popen.pid, signal.SIGKILL)
    process._popen.wait()
    assert b"true" in pool.answer(ask("ASK { ?s ?p ?o }")).data


def test_a_query_that_overflows_the_engine_s_stack_ends_its_worker_alone(pool: QueryPool) -> None:
    with pytest.raises(QueryTimeoutError):
        pool.answer(ask("SELECT * { FILTER(" + "(" * 90_000))
    assert b"true" in pool.answer(ask("ASK { ?s ?p ?o }")).data


def test_no_more_queries_run_at_once_than_may(chain: Path) -> None:
    pool = QueryPool(chain / "snapshots", replace(LIMITS, seconds=3.0))
    errors: list[RequestError] = []

    def run() -> None:
        try:
            pool.answer(ask(BOMBS["cartesian product"]))
        except RequestError as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pool.close()
    assert sorted(type(e).__name__ for e in errors) == [
        "BusyError",
        "BusyError",
        "QueryTimeoutError",
    ]
    assert BusyError.retry_after == 1
