"""`pressmark query`: the packaged questions, and any SPARQL query."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from pyoxigraph import Triple

from pressmark.api.cli.app import Json, client
from pressmark.api.cli.output import print_json, stdout, table
from pressmark.api.cli.render import cell
from pressmark.api.sparql.text import read_query
from pressmark.ontology import questions
from pressmark.ontology.questions import Question
from pressmark.registry.errors import InvalidInputError
from pressmark.registry.graph import Answer


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
    asked = client(context)
    text = _query_text(name)
    if text is not None:
        read_query(text)  # the engine would follow SERVICE to whatever host it names
    else:
        text = asked.question(name, _values(values or []))
    if format is not None:
        sys.stdout.write(asked.sparql_as(text, _MEDIA_TYPES[format]).decode())
        return
    answer = asked.sparql(text)
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


def _values(texts: list[str]) -> dict[str, str]:
    """What to ask about, by parameter; without "=" the value is empty, and is refused as such."""
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


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
