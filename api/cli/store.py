"""Commands that care for a registry: gc, fsck, backup, restore, push, pull, reindex."""

from typing import Annotated

import typer

from pressmark.api.cli import doubts, exit_codes
from pressmark.api.cli.app import ArtifactName, Json, client, client_at, new_registry
from pressmark.api.cli.output import human_bytes, print_json, stdout, table
from pressmark.api.cli.progress import RichProgress
from pressmark.api.client import Client
from pressmark.registry import backup as backups
from pressmark.registry import transfer


def add_to(app: typer.Typer) -> None:
    """Register this group's commands."""
    for command in (gc, fsck, backup, restore, push, pull, reindex):
        app.command()(command)


def gc(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be freed.")] = False,
    json: Json = False,
) -> None:
    """Free the bytes that no live artifact needs; records are never removed.

    Example: pressmark gc --dry-run
    """
    swept = client(context).gc(dry_run=dry_run, progress=RichProgress())
    if json:
        print_json(swept)
        return
    verb = "would free" if dry_run else "freed"
    stdout.print(f"{verb} {human_bytes(swept.bytes)} in {len(swept.freed)} objects")


def fsck(
    context: typer.Context,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended.")] = False,
    json: Json = False,
) -> None:
    """Check every byte: blobs, journal, bundles and graph against each other.

    Example: pressmark fsck
    """
    report = client(context).fsck(repair=repair, progress=RichProgress())
    if json:
        print_json(report)
    elif report.sound:
        stdout.print("[green]sound[/]: every blob, bundle and statement is what was recorded")
    else:
        table(
            ("area", "what", "problem", "try"),
            [(d.area, d.subject, d.problem, d.hint) for d in report.defects],
        )
    if not report.sound:
        raise typer.Exit(exit_codes.ANSWER_IS_NO)


def backup(context: typer.Context, target: str, json: Json = False) -> None:
    """Copy the whole registry, while others go on working with it.

    Example: pressmark backup /mnt/backup/2026-11-24
    """
    made = client(context).backup(target, RichProgress())
    print_json(made) if json else stdout.print(f"backed up to {target}")


def restore(context: typer.Context, source: str, json: Json = False) -> None:
    """Make a registry from a backup; everything is verified first.

    Example: pressmark -R ./restored restore /mnt/backup/2026-11-24
    """
    target = new_registry(context)
    made = backups.restore(source, target, progress=RichProgress())
    print_json(made) if json else stdout.print(f"restored {source} to {target}")


def push(context: typer.Context, artifact: ArtifactName, target: str, json: Json = False) -> None:
    """Copy an artifact with its whole history to another registry: a folder or a server.

    Example: pressmark push int8 https://models.example.org
    """
    _move(client(context), client_at(context, target), artifact, json=json)


def pull(context: typer.Context, artifact: ArtifactName, source: str, json: Json = False) -> None:
    """Copy an artifact with its whole history from another registry: a folder or a server.

    Example: pressmark pull int8 https://models.example.org
    """
    _move(client_at(context, source), client(context), artifact, json=json)


def reindex(context: typer.Context, json: Json = False) -> None:
    """Build the graph anew from the journal and the bundles.

    Example: pressmark reindex
    """
    count = client(context).reindex(RichProgress())
    print_json({"bundles": count}) if json else stdout.print(f"indexed {count} bundles")


def _move(source: Client, target: Client, artifact: str, *, json: bool) -> None:
    found = source.lineage(artifact)
    doubts.warn([found])
    moved = transfer.transfer(source.peer(), target.peer(), found.root, progress=RichProgress())
    _print_moved(moved, json=json)


def _print_moved(moved: transfer.Transfer, *, json: bool) -> None:
    if json:
        print_json(moved)
        return
    stdout.print(
        f"{moved.sent} records sent, {moved.known} were known, "
        f"{human_bytes(moved.bytes)} in {moved.blobs} blobs"
    )
    for name in moved.withheld:
        stdout.print(f"  not sent: {name}", markup=False)
