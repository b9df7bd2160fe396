"""The SPARQL 1.1 Protocol (query operation) and the Graph Store Protocol, both read-only.

W3C Recommendations of 21 March 2013: "SPARQL 1.1 Protocol" section 2.1, "SPARQL 1.1 Graph Store
HTTP Protocol" section 5.2, "SPARQL 1.1 Service Description".
"""

from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Request, Response
from pyoxigraph import NamedNode

from pressmark.api.errors import (
    MalformedQueryError,
    UnsupportedMediaTypeError,
)
from pressmark.api.service.bodies import limited_body
from pressmark.api.service.security import spend_query
from pressmark.api.sparql.description import service_description
from pressmark.api.sparql.formats import GRAPHS, RESULTS, negotiate
from pressmark.api.sparql.pool import Answer, QueryPool
from pressmark.api.sparql.text import QueryText, read_query
from pressmark.api.sparql.worker import Ask

FORM: Final = "application/x-www-form-urlencoded"
QUERY: Final = "application/sparql-query"
_GRAPH_QUERY: Final = "CONSTRUCT { ?s ?p ?o } WHERE { ?s ?p ?o }"

Parameters = list[tuple[str, str]]


routes = APIRouter(tags=["sparql"], dependencies=[Depends(spend_query)])
#: The description of an answer to a query.
ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The answer", "content": {kind: {} for kind in (*RESULTS, *GRAPHS)}},
    400: {"description": "The query is malformed"},
    403: {"description": "The query would write, or ask elsewhere"},
    413: {"description": "The query or its answer is too long"},
    503: {"description": "The query took too long, or too many are running"},
}
_EXAMPLE: Final = "SELECT ?s WHERE { ?s ?p ?o } LIMIT 10"


def _graphs(name: str, meaning: str) -> dict[str, Any]:
    iris = {"type": "array", "items": {"type": "string"}}
    return {"name": name, "in": "query", "description": meaning, "schema": iris}


_TEXT: Final = {"type": "string", "minLength": 1}
_DATASET: Final = (
    _graphs("default-graph-uri", "Graphs whose union is asked."),
    _graphs("named-graph-uri", "Graphs that GRAPH finds."),
)
_BY_GET: Final = {
    "parameters": [
        {"name": "query", "in": "query", "schema": _TEXT, "example": _EXAMPLE},
        *_DATASET,
    ]
}
_BY_POST: Final = {
    "parameters": list(_DATASET),
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "properties": {"query": _TEXT},
                    "required": ["query"],
                },
                "example": {"query": _EXAMPLE},
            },
            QUERY: {"schema": _TEXT, "example": _EXAMPLE},
        },
    },
}
_ONE_GRAPH: Final = {
    "parameters": [
        {
            "name": "graph",
            "in": "query",
            "description": "A named graph.",
            "schema": {"type": "string", "format": "uri"},
        },
        {
            "name": "default",
            "in": "query",
            "description": "The union of all graphs.",
            "schema": {"type": "string"},
            "allowEmptyValue": True,
            "example": "",
        },
    ]
}


@routes.get(
    "/sparql",
    summary="Ask a query, or describe the service",
    responses=ANSWERS,
    openapi_extra=_BY_GET,
)
async def ask_by_get(request: Request) -> Response:
    """Section 2.1.1: a query in the address; without one, the service's description."""
    parameters = _decoded(request.url.query.encode())
    if not any(name == "query" for name, _ in parameters):
        return _description(request)
    return await _answered(request, parameters)


@routes.post("/sparql", summary="Ask a query", responses=ANSWERS, openapi_extra=_BY_POST)
async def ask_by_post(request: Request) -> Response:
    """Sections 2.1.2 and 2.1.3: a query as a form, or as the body itself."""
    body = await limited_body(request, 3 * _pool(request).limits.query_bytes)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    parameters = _decoded(request.url.query.encode())
    if kind == FORM:
        parameters += _decoded(body)
    elif kind == QUERY:
        parameters.append(("query", _text(body)))
    else:
        raise UnsupportedMediaTypeError(
            f"a query cannot be sent as {kind or 'nothing'}", f"send {QUERY} or {FORM}"
        )
    return await _answered(request, parameters)


async def _answered(request: Request, parameters: Parameters) -> Response:
    text, accept = _only(parameters, "query"), request.headers.get("accept", "")
    return await answer_query(_pool(request), text, accept, parameters)


async def answer_query(
    pool: QueryPool, text: str, accept: str, parameters: Parameters | None = None
) -> Response:
    """Answers a query in the format that a client wants most.

    Args:
        pool: The workers.
        text: The query.
        accept: The client's Accept header.
        parameters: The request's parameters, which may name a dataset (section 2.1.4).

    Raises:
        RequestError: It is malformed, refused, too large, or takes too long.
    """
    query = read_query(text)
    offered = GRAPHS if query.form.gives_graph else RESULTS
    kind = negotiate(accept, offered)
    ask = _ask(pool, query, offered[kind], parameters or [])
    return _response(await pool.answered(ask), kind)


def _ask(pool: QueryPool, query: QueryText, format_name: str, parameters: Parameters) -> Ask:
    """Section 2.1.4: the request's dataset, else the query's, else the union of all graphs."""
    default = tuple(_graph_name(v) for n, v in parameters if n == "default-graph-uri")
    named = tuple(_graph_name(v) for n, v in parameters if n == "named-graph-uri")
    given = bool(default or named)
    return Ask(
        query.text,
        format_name,
        union=not given and not query.names_dataset,
        default_graphs=default if given else None,
        named_graphs=named if given else None,
        max_bytes=pool.limits.answer_bytes,
        max_rows=pool.limits.rows,
    )


@routes.get(
    "/rdf-graph-store", summary="One graph, or all", responses=ANSWERS, openapi_extra=_ONE_GRAPH
)
async def read_graph(request: Request) -> Response:
    """Graph Store Protocol section 5.2: one named graph, or the union of all."""
    pool = _pool(request)
    parameters = _decoded(request.url.query.encode())
    names = [name for name, _ in parameters]
    if names not in (["graph"], ["default"]):
        raise MalformedQueryError("name one graph: ?graph=IRI, or ?default for the union of all")
    kind = negotiate(request.headers.get("accept", ""), GRAPHS)
    chosen = (_graph_name(parameters[0][1]),) if names == ["graph"] else None
    ask = Ask(
        _GRAPH_QUERY,
        GRAPHS[kind],
        union=chosen is None,
        default_graphs=chosen,
        max_bytes=pool.limits.answer_bytes,
    )
    return _response(await pool.answered(ask), kind)


def _response(answer: Answer, kind: str) -> Response:
    charset = "; charset=utf-8" if kind.startswith("text/") else ""
    return Response(
        answer.data,
        headers={
            "Content-Type": kind + charset,
            "Vary": "Accept",
            "Pressmark-Journal-Sequence": str(answer.sequence),
        },
    )


def _description(request: Request) -> Response:
    kind = negotiate(request.headers.get("accept", ""), GRAPHS)
    endpoint = NamedNode(str(request.url.replace(query="", fragment="")))
    data = service_description(endpoint, GRAPHS[kind])
    return Response(data, media_type=kind, headers={"Vary": "Accept"})


def _only(parameters: Parameters, name: str) -> str:
    values = [value for key, value in parameters if key == name]
    if len(values) != 1:
        raise MalformedQueryError(f"send one query; {len(values)} were sent")
    return values[0]


def _decoded(encoded: bytes) -> Parameters:
    try:
        return parse_qsl(encoded.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise MalformedQueryError(f"the parameters are not UTF-8: {error}") from None


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise MalformedQueryError(f"the query is not UTF-8: {error}") from None


def _graph_name(text: str) -> str:
    try:
        return NamedNode(text).value
    except ValueError as error:
        raise MalformedQueryError(f"{text!r} is not an IRI: {error}") from None


def _pool(request: Request) -> QueryPool:
    return request.app.state.queries  # type: ignore[no-any-return]
