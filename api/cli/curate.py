"""Commands that say something about artifacts: register, alias, tag, retire."""

from typing import Annotated

import typer

from pressmark.api.cli import doubts
from pressmark.api.cli.app import ArtifactName, Json, client, complete_artifact
from pressmark.api.cli.output import print_json, stdout, table
from pressmark.api.cli.progress import RichProgress
from pressmark.registry import search
from pressmark.registry.facts import short_id
from pressmark.registry.folders import local_path
from pressmark.registry.lifecycle import Registration


def add_to(app: typer.Typer) -> None:
    """Register this group's commands."""
    for command in (register, alias, tag, retire):
        app.command()(command)


def register(
    context: typer.Context,
    path: Annotated[str, typer.Argument(help="The file or folder that was made elsewhere.")],
    name: Annotated[str, typer.Option(help="The artifact's name.")],
    parent: Annotated[
        list[str] | None,
        typer.Option(
            help="What it was made from: an artifact here, or any name. Repeatable.",
            autocompletion=complete_artifact,
        ),
    ] = None,
    kind: Annotated[str, typer.Option(help="Its class, such as PrunedModel.")] = "FineTunedModel",
    license: Annotated[  # noqa: A002
        str | None, typer.Option(help="SPDX identifier. Default: that of its known parents.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Where it can be found.")] = None,
    json: Json = False,
) -> None:
    """Register an artifact made elsewhere, with the parents that its maker declares.

    Example: pressmark register ./my-finetune --name chat --parent gemma-3-270m --license gemma
    """
    claim = Registration(
        path=local_path(path),
        name=name,
        parents=tuple(parent or ()),
        license=license,
        source=source,
        kind=search.artifact_kind(kind),
    )
    made = client(context).register(claim, RichProgress())
    print_json({"artifact": made}) if json else stdout.print(f"{name}  {short_id(made)}  declared")


def alias(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="The alias, such as prod.")] = None,
    artifact: Annotated[
        str | None,
        typer.Argument(
            help="What it shall mean. Without it: its history.", autocompletion=complete_artifact
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Let an alias mean an artifact, show its history, or list all aliases.

    Example: pressmark alias prod int8
    """
    asked = client(context)
    if name is None:
        current = asked.aliases()
        rows = [(key, short_id(iri)) for key, iri in current.items()]
        print_json(current) if json else table(("alias", "artifact"), rows)
    elif artifact is None:
        history = asked.alias_history(name)
        past = [(change.since, change.name, short_id(change.artifact)) for change in history]
        print_json(history) if json else table(("since", "name", "artifact"), past)
    else:
        found = asked.lineage(artifact)
        doubts.warn([found])
        asked.set_alias(name, found.root)
        text = f"{name} means {short_id(found.root)} from now on"
        print_json({"alias": name, "artifact": found.root}) if json else stdout.print(text)


def tag(
    context: typer.Context,
    artifact: ArtifactName,
    name: Annotated[str, typer.Argument(help="The tag.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take it off.")] = False,
    json: Json = False,
) -> None:
    """Put a tag on an artifact, or take it off.

    Example: pressmark tag int8 reviewed
    """
    asked = client(context)
    found = asked.resolve(artifact)
    asked.set_tag(name, found, remove=remove)
    result = {"artifact": found, "tag": name, "removed": remove}
    text = f"{short_id(found)} {'no longer has' if remove else 'has'} the tag {name}"
    print_json(result) if json else stdout.print(text)


def retire(
    context: typer.Context,
    artifact: ArtifactName,
    reason: Annotated[str, typer.Option(help="Why, for those who still find it somewhere.")],
    force: Annotated[bool, typer.Option("--force", help="Even if an alias means it.")] = False,
    json: Json = False,
) -> None:
    """Withdraw an artifact: its record stays, gc may free its bytes.

    Example: pressmark retire int8 --reason "superseded by int8-v2"
    """
    asked = client(context)
    found = asked.resolve(artifact)
    asked.retire(found, reason, force=force)
    text = f"{short_id(found)} is retired"
    print_json({"artifact": found, "retired": True}) if json else stdout.print(text)
