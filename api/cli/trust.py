"""Commands that ask whether it is true: verify, check, reproduce, head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pressmark.api.cli import exit_codes
from pressmark.api.cli.app import ArtifactName, Json, client, complete_artifact
from pressmark.api.cli.output import human_seconds, print_json, stderr, stdout, table
from pressmark.api.cli.progress import RichProgress
from pressmark.api.cli.watching import watched
from pressmark.registry.facts import short_id
from pressmark.registry.verification import Verification

if TYPE_CHECKING:
    from pressmark.compression.results import Reproduction


def add_to(app: typer.Typer) -> None:
    """Register this group's commands."""
    for command in (verify, check, reproduce):
        app.command()(command)
    app.command("head")(head_)


def verify(
    context: typer.Context,
    artifact: Annotated[
        str | None,
        typer.Argument(
            help="What to verify. Default: everything.",
            metavar="ARTIFACT",
            autocompletion=complete_artifact,
        ),
    ] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read the files of all ancestors too.")
    ] = False,
    head: Annotated[
        str | None, typer.Option(help="A head kept elsewhere: it must still be in the journal.")
    ] = None,
    json: Json = False,
) -> None:
    """Verify bytes, records, journal, shapes and evidence; nothing is computed again.

    Example: pressmark verify prod --deep
    """
    result = client(context).verification(artifact, deep=deep, head=head, progress=RichProgress())
    if json:
        print_json({**vars(result), "ok": result.ok})
    else:
        print_verification(result)
    if not result.ok:
        raise typer.Exit(exit_codes.ANSWER_IS_NO)


def print_verification(result: Verification) -> None:
    """Print each check with what it found."""
    wrong = {"evidence": "refuted"}  # what is true of a record is no damage to it
    rows = [
        (c.name, f"{c.examined:,}", "ok" if c.ok else wrong.get(c.name, "DAMAGED"))
        for c in result.checks
    ]
    table(("check", ">examined", "result"), rows)
    for finding in result.findings:
        stdout.print(f"  {finding.place}: {finding.problem}", markup=False, style="red")
    stdout.print(f"head {result.head} of {result.entries} journal entries")


def check(context: typer.Context, artifact: ArtifactName, json: Json = False) -> None:
    """Derive every step of the lineage again from the stored bytes, and record the verdict.

    Example: pressmark check int8
    """
    asked = client(context)
    result = watched(asked, asked.check, artifact)
    if json:
        print_json({**vars(result), "holds": result.holds})
    else:
        for edge in result.edges:
            if edge.verdict == "declared":
                stdout.print(f"{edge.name}  declared elsewhere: nothing to check", markup=False)
                continue
            rows = [("yes" if c.holds else "NO", c.text, c.detail) for c in edge.claims]
            table(
                ("holds", "claim", "detail"),
                rows,
                title=f"{edge.name}  {edge.step}  {edge.verdict}",
            )
    if not result.holds:
        raise typer.Exit(exit_codes.ANSWER_IS_NO)


def reproduce(context: typer.Context, artifact: ArtifactName, json: Json = False) -> None:
    """Run the step that made an artifact again, in a new process, and compare digests.

    Example: pressmark reproduce int8
    """
    asked = client(context)
    result = watched(asked, asked.reproduce, artifact)
    if json:
        print_json({**vars(result), "holds": result.holds})
    else:
        _print_reproduction(result)
    if result.holds is False:
        raise typer.Exit(exit_codes.ANSWER_IS_NO)


def _print_reproduction(result: Reproduction) -> None:
    verdict = {True: "[green]the same bytes[/]", False: "[red]refuted[/]", None: "inconclusive"}
    time = human_seconds(result.seconds)
    stdout.print(f"{short_id(result.artifact)}: {verdict[result.holds]} after {time}")
    for line in (result.difference, *result.conditions):
        if line:
            stdout.print(f"  {line}", markup=False)


def head_(context: typer.Context, json: Json = False) -> None:
    """Print the journal's head: keep it elsewhere, and nothing before it can be changed unseen.

    An auditor keeps the line; later, `pressmark verify --head DIGEST` fails if the journal does not
    lead to that digest any more: a record before it was changed or taken away.

    Example: pressmark head >> heads-kept-elsewhere.txt
    """
    found = client(context).head()
    if json:
        print_json(found)
        return
    when = f", the last of {found.recorded_at}" if found.recorded_at else ""
    stdout.print(f"head {found.head} of {found.entries} journal entries{when}")
    stderr.print(
        "keep this line where nobody can change it; to see whether all before it still stands:\n"
        f"  pressmark verify --head {found.head}",
        style="dim",
    )
