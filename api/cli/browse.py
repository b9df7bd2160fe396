"""Commands that look: ls, show, where, get, lineage, diff, report."""

from typing import Annotated

import typer

from pressmark.api.cli import doubts, exit_codes, render
from pressmark.api.cli.app import ArtifactName, Json, client
from pressmark.api.cli.output import print_json, stderr, stdout
from pressmark.api.cli.progress import RichProgress
from pressmark.api.client import Wanted
from pressmark.registry.folders import local_path

All = Annotated[bool, typer.Option("--all", help="Print every number; --json always has them all.")]


def add_to(app: typer.Typer) -> None:
    """Register this group's commands."""
    for command in (ls, show, where, get, lineage, diff, report):
        app.command()(command)


def ls(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Name; * and ? stand for any letters.")] = None,
    kind: Annotated[str | None, typer.Option(help="Class, such as PrunedModel.")] = None,
    tag: Annotated[str | None, typer.Option(help="A tag that it has.")] = None,
    digest: Annotated[str | None, typer.Option(help="Digest of one of its files.")] = None,
    parameter: Annotated[
        str | None, typer.Option(help="A parameter it was made with.", metavar="NAME=VALUE")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many at most.")] = 50,
    after: Annotated[str | None, typer.Option(help="Go on after this artifact.")] = None,
    runs: Annotated[bool, typer.Option("--runs", help="List runs instead, newest first.")] = False,
    json: Json = False,
) -> None:
    """List artifacts, newest first.

    Example: pressmark ls --kind QuantizedModel --parameter bits=8
    """
    asked = client(context)
    if runs:
        rows = asked.runs()
        print_json(rows) if json else render.runs(rows)
        return
    found = asked.find(Wanted(name, kind, tag, digest, parameter, limit, after))
    if json:
        print_json(found)
    else:
        render.artifacts(found, asked.assurances([one.iri for one in found]))


def show(
    context: typer.Context, artifact: ArtifactName, everything: All = False, json: Json = False
) -> None:
    """Show what is known of an artifact.

    Example: pressmark show prod
    """
    asked = client(context)
    found = asked.view(artifact)
    if json:
        print_json(found)
    else:
        assurance = asked.assurances([found.iri])[found.iri]
        render.artifact(found, assurance, everything=everything)


def where(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="A file, wherever it is.")],
    json: Json = False,
) -> None:
    """Tell what a file is and where it comes from.

    Example: pressmark where /srv/models/pressmark-model.safetensors
    """
    asked = client(context)
    found = asked.where(local_path(file))
    if json:
        print_json(found)
    else:
        render.whereabouts(found, (asked.lineage(one.iri.value) for one in found.artifacts))
    if not found.artifacts and not found.other:
        raise typer.Exit(exit_codes.NOT_FOUND)


def get(
    context: typer.Context,
    artifact: ArtifactName,
    output: Annotated[str, typer.Option("--output", "-o", help="A new folder.")],
    json: Json = False,
) -> None:
    """Write an artifact's files into a folder that loads; every byte is verified.

    Example: pressmark get int8 -o ./int8
    """
    asked = client(context)
    found = asked.lineage(artifact)
    doubts.warn([found])
    files = asked.export(found.root.value, output, RichProgress())
    print_json(files) if json else stdout.print(f"wrote {len(files)} files to {output}")


def lineage(
    context: typer.Context,
    artifact: ArtifactName,
    down: Annotated[bool, typer.Option("--down", help="What was made from it.")] = False,
    depth: Annotated[int | None, typer.Option(help="How many edges to follow.")] = None,
    json: Json = False,
) -> None:
    """Draw where an artifact comes from, and how sure every step is.

    Example: pressmark lineage prod
    """
    found = client(context).lineage(artifact, down=down, depth=depth)
    print_json(found) if json else render.tree(found, down=down)


def diff(
    context: typer.Context,
    artifact: ArtifactName,
    other: ArtifactName,
    everything: All = False,
    json: Json = False,
) -> None:
    """Compare two artifacts: files, tensors, parameters, metrics, lineage.

    Example: pressmark diff pruned int8
    """
    from pressmark.api.cli.difference import print_difference

    found = client(context).difference(artifact, other)
    print_json(found) if json else print_difference(found, everything=everything)


def report(
    context: typer.Context,
    artifact: ArtifactName,
    output: Annotated[
        str, typer.Option("--output", "-o", help="A .html, .md, .pdf or .jsonld file.")
    ] = "report.html",
    register: Annotated[
        bool, typer.Option("--register", help="Keep it, and record who asked for it.")
    ] = False,
    json: Json = False,
) -> None:
    """Write a self-contained audit report.

    Example: pressmark report prod -o report.pdf --register
    """
    from pressmark.registry.report import format_of_file

    asked, wanted = client(context), format_of_file(output)
    if register:
        kept, document = asked.keep_report(artifact, wanted.name)
        local_path(output).write_bytes(document)
        print_json(kept) if json else stderr.print(f"wrote {output}, kept as {kept.iri.value}")
        return
    if json:
        print_json(asked.report(artifact))
        return
    local_path(output).write_bytes(asked.document(artifact, wanted.name))
    stderr.print(f"wrote {output}")
