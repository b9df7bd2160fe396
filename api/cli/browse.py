"""Commands that look: ls, show, where, get, lineage, diff, report."""

from typing import Annotated

import typer

from pressmark.api.cli import doubts, exit_codes, render
from pressmark.api.cli.app import ArtifactName, Json, opened
from pressmark.api.cli.output import print_json, stderr, stdout
from pressmark.api.cli.progress import RichProgress
from pressmark.api.plain import setting
from pressmark.registry import environment, search, transfer, views
from pressmark.registry import lineage as lineages
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
    registry = opened(context)
    if runs:
        render.runs(registry, as_json=json)
        return
    found = search.find(
        registry,
        name=name,
        kind=kind,
        tag=tag,
        digest=digest,
        parameter=setting(parameter) if parameter else None,
        limit=limit,
        after=search.resolve(registry, after) if after else None,
    )
    print_json(found) if json else render.artifacts(registry, found)


def show(
    context: typer.Context, artifact: ArtifactName, everything: All = False, json: Json = False
) -> None:
    """Show what is known of an artifact.

    Example: pressmark show prod
    """
    registry = opened(context)
    found = views.view(registry, search.resolve(registry, artifact))
    print_json(found) if json else render.artifact(registry, found, everything=everything)


def where(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="A file, wherever it is.")],
    json: Json = False,
) -> None:
    """Tell what a file is and where it comes from.

    Example: pressmark where /srv/models/pressmark-model.safetensors
    """
    registry = opened(context)
    found = views.where(registry, local_path(file))
    print_json(found) if json else render.whereabouts(registry, found)
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
    registry = opened(context)
    found = search.resolve(registry, artifact)
    doubts.warn(registry, [found])
    files = transfer.export_artifact(registry, found, output, progress=RichProgress())
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
    registry = opened(context)
    root = search.resolve(registry, artifact)
    follow = lineages.descendants if down else lineages.ancestors
    found = follow(registry, root, depth)
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
    from pressmark.registry.diff import diff as compare

    registry = opened(context)
    one, two = (search.resolve(registry, name) for name in (artifact, other))
    found = compare(registry, one, two)
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
    from pressmark.registry import report as reports

    registry = opened(context)
    found, wanted = search.resolve(registry, artifact), reports.format_of_file(output)
    if register:
        kept = reports.register_report(registry, found, wanted, environment.circumstances())
        local_path(output).write_bytes(registry.blobs.read(kept.sha256))
        print_json(kept) if json else stderr.print(f"wrote {output}, kept as {kept.iri.value}")
        return
    built = reports.build(registry, found)
    if json:
        print_json(built)
        return
    local_path(output).write_bytes(wanted.write(built, registry))
    stderr.print(f"wrote {output}")
