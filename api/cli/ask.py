"""`pressmark query`: the packaged questions, and any SPARQL query."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from pyoxigraph import Literal, NamedNode, Triple

from pressmark.api.cli.app import Json, opened
from pressmark.api.cli.output import print_json, stdout, table
from pressmark.api.cli.render import cell
from pressmark.api.sparql.text import read_query
from pressmark.ontology import questions
from pressmark.ontology.questions import Question
from pressmark.ontology.terms import PM, PREFIXES
from pressmark.registry import search
from pressmark.registry.errors import InvalidInputError, NotFoundError
from pressmark.registry.graph import Answer
from pressmark.registry.registry import Registry


class Format(StrEnum):
    """Formats of the W3C in which an answer can be given."""

    JSON = "json"
    CSV = "csv"
    TSV = "tsv"
    XML = "xml"
    TTL = "ttl"
    NT = "nt"


_MEDIA_TYPES: Final = {
    Format.JSON: "application/sparql-results+json",
    Format.CSV: "text/csv",
    Format.TSV: "text/tab-separated-values",
    Format.XML: "application/sparql-results+xml",
    Format.TTL: "text/turtle",
    Format.NT: "application/n-triples",
}


def complete_question(incomplete: str) -> list[str]:
    """What a shell offers for a question: the packaged ones that begin like this."""
    shown = (q.name for q in questions.questions() if q.group != questions.INTERNAL)
    return [name for name in shown if name.startswith(incomplete)]


def add_to(app: typer.Typer) -> None:
    """Register this command."""
    app.command()(query)


def query(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            help="A packaged question, a .rq file or SPARQL text.", autocompletion=complete_question
        ),
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Argument(help="Parameters of a packaged question.", metavar="NAME=VALUE"),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="List the questions that only commands ask, too.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Print IRIs in full; --json always does.")
    ] = False,
    format: Annotated[  # noqa: A002
        Format | None,
        typer.Option(
            help="A format of the W3C: SPARQL results as json, csv, tsv or xml (SELECT, ASK), "
            "triples as ttl or nt (CONSTRUCT, DESCRIBE)."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Ask a packaged question, or any SPARQL query; without a name: list the questions.

    --json gives one object for each row, with numbers and truth values as such.

    Example: pressmark query ancestors artifact=prod
    """
    if name is None:
        _list(everything=everything, as_json=json)
        return
    registry = opened(context)
    text = _query_text(name)
    if text is not None:
        read_query(text)  # the engine would follow SERVICE to whatever host it names
    else:
        text = _question(name).bind(**_bound(registry, name, values or []))
    if format is not None:
        sys.stdout.write(registry.sparql_as(text, _MEDIA_TYPES[format]).decode())
        return
    answer = registry.sparql(text)
    print_json(answer) if json else _print(answer, full=full)


def _list(*, everything: bool, as_json: bool) -> None:
    shown = [q for q in questions.questions() if everything or q.group != questions.INTERNAL]
    if as_json:
        print_json([_described(q) for q in shown])
        return
    for group in questions.GROUPS:
        rows = [
            (q.name, q.question, ", ".join(name for name, _ in q.parameters))
            for q in shown
            if q.group == group
        ]
        if rows:
            table(("name", "question", "parameters"), rows, title=f"{group}:")
            stdout.print()
    hidden = len(questions.questions()) - len(shown)
    if hidden:
        stdout.print(f"and {hidden} that only commands ask: --all lists them", style="dim")


def _described(question: Question) -> dict[str, object]:
    return {
        "name": question.name,
        "group": question.group,
        "question": question.question,
        "parameters": dict(question.parameters),
    }


def _query_text(name: str) -> str | None:
    """SPARQL text given as such or in a file; None for the name of a packaged question."""
    if name.endswith(".rq"):
        try:
            return Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInputError(
                f"{name} cannot be read: {error}", "name a file of SPARQL text in UTF-8"
            ) from None
    return name if "{" in name else None


def _question(name: str) -> Question:
    known = [q.name for q in questions.questions()]
    if name in known:
        return questions.question(name)
    raise InvalidInputError(
        f"there is no question '{name}'",
        search.alike(name, known) or "pressmark query lists the questions",
    )


def _bound(registry: Registry, name: str, values: list[str]) -> dict[str, NamedNode | Literal]:
    """The terms for a packaged question's parameters; things may be given by any name."""
    known = dict(_question(name).parameters)
    bound: dict[str, NamedNode | Literal] = {}
    for text in values:
        key, _, value = text.partition("=")
        if key not in known:
            raise InvalidInputError(
                f"the question {name} has no parameter '{key}'",
                f"it has: {', '.join(f'{k} ({v})' for k, v in known.items()) or 'none'}",
            )
        is_iri = known[key].startswith("IRI")
        bound[key] = _named(registry, key, value) if is_iri else Literal(value)
    return bound


def _named(registry: Registry, parameter: str, value: str) -> NamedNode:
    """An IRI as it is, a term of the vocabulary by its short name, or what a name means."""
    prefix, _, local = value.partition(":")
    if prefix in PREFIXES:
        return _iri(PREFIXES[prefix] + local)
    if value.startswith(("urn:uuid:", "ni:///")) and not value.endswith("…"):
        return _iri(value)
    if parameter == "run":
        return search.resolve_run(registry, value)
    if parameter == "dataset":
        return search.resolve_description(registry, value, PM.DataSet)
    try:
        return search.resolve(registry, value)
    except NotFoundError as error:
        if parameter == "thing":
            return search.resolve_description(registry, value)
        hint = f"{error.hint}; or give an IRI" if error.hint else "give an IRI"
        raise NotFoundError(error.message, hint) from None


def _iri(text: str) -> NamedNode:
    try:
        return NamedNode(text)
    except ValueError as error:
        raise InvalidInputError(f"{text!r} is no IRI: {error}", "give a name or an IRI") from None


def _print(found: Answer, *, full: bool) -> None:
    """The answer to a query: a truth value, rows, or triples."""
    if isinstance(found, bool):
        stdout.print("yes" if found else "no")
        return
    rows = [row for row in found if not isinstance(row, Triple)]
    for triple in found:
        if isinstance(triple, Triple):
            stdout.print(f"{triple} .", markup=False)
    columns = list(dict.fromkeys(column for row in rows for column in row))
    if columns:
        table(columns, [[cell(row, column, full=full) for column in columns] for row in rows])
