"""`serve` and `token`: the HTTP service, and who may use it."""

from pathlib import Path
from typing import Annotated, Final

import typer

from pressmark.api.cli.app import Json, client, opened
from pressmark.api.cli.output import print_json, stderr, stdout, table

#: Names the file of settings where no option does.
VARIABLE: Final = "PRESSMARK_SERVICE_CONFIG"

tokens = typer.Typer(
    name="token", help="Make, list and revoke the tokens of the service.", no_args_is_help=True
)


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command()(serve)
    app.add_typer(tokens)


def serve(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", envvar=VARIABLE, help="Settings, as TOML."),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen at.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen at; 0 takes a free one.", show_default="8080")
    ] = None,
    anonymous: Annotated[
        bool, typer.Option("--anonymous", help="Let anybody read without a token.")
    ] = False,
) -> None:
    """Show pages, and answer REST and SPARQL requests, until SIGTERM or Ctrl-C.

    Example: pressmark serve --port 8080
    """
    from pressmark.api.service.database import FILE_NAME, Database
    from pressmark.api.service.server import run
    from pressmark.api.service.settings import Settings, read_settings
    from pressmark.api.service.tokens import Tokens

    settings = read_settings(config) if config else Settings()
    settings = settings.changed(host=host, port=port, anonymous=anonymous or None)
    registry = opened(context)
    if not settings.anonymous and not Tokens(Database(registry.root / FILE_NAME)).all():
        stderr.print("no tokens yet: pressmark token create --for NAME", style="yellow")

    def announce(url: str) -> None:
        stdout.print(f"serving {registry.root} at {url} (API: {url}/openapi.json)", markup=False)

    run(registry.root, settings, announce)


@tokens.command()
def create(
    context: typer.Context,
    for_: Annotated[str, typer.Option("--for", help="Whom it stands for: a person or a service.")],
    scope: Annotated[str, typer.Option(help="read, write or admin.")] = "read",
    days: Annotated[int, typer.Option(min=1, help="How long it is valid.")] = 90,
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    json: Json = False,
) -> None:
    """Make a token and print it, this once.

    Example: pressmark token create --for "Ada Lovelace" --scope write
    """
    made = client(context).create_token(for_, scope, label, days)
    if json:
        print_json(made)
    else:
        stdout.print(made.token, markup=False)
        stderr.print(f"valid until {made.info.expires}; it cannot be shown again", style="dim")


@tokens.command(name="list")
def list_(context: typer.Context, json: Json = False) -> None:
    """List the tokens, without their secrets.

    Example: pressmark token list
    """
    found = client(context).tokens()
    names = {profile.agent: profile.name for profile in found.people}
    if json:
        print_json(found.tokens)
        return
    columns = ("id", "for", "scope", "label", "expires", "revoked")
    rows = [(t.id, names[t.agent], t.scope, t.label, t.expires, t.revoked) for t in found.tokens]
    table(columns, rows)


@tokens.command()
def revoke(context: typer.Context, identifier: str) -> None:
    """Make a token invalid for good.

    Example: pressmark token revoke 1f3a5c7e9b2d4f60
    """
    client(context).revoke_token(identifier)


@tokens.command()
def forget(context: typer.Context, name: str) -> None:
    """Erase a person's name and tokens; records keep the opaque identifier.

    Example: pressmark token forget "Ada Lovelace"
    """
    client(context).forget(name)
