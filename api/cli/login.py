"""`login` and `logout`: tokens of servers, in a file that nobody else can read."""

import getpass
import sys
from contextlib import closing
from typing import Annotated

import typer

from pressmark.api.cli.app import Json, Place
from pressmark.api.cli.output import print_json, stderr, stdout
from pressmark.registry.errors import InvalidInputError, NotFoundError

Server = Annotated[
    str | None, typer.Argument(help="Its address. Default: --server.", metavar="URL")
]


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command()(login)
    app.command()(logout)


def login(context: typer.Context, server: Server = None, json: Json = False) -> None:
    """Keep a token for a server, after asking the server whether it is good.

    The token is read from standard input, without an echo where a person types it.

    Example: pressmark login https://models.example.org < token.txt
    """
    from pressmark.api.remote import credentials
    from pressmark.api.remote.client import connected

    url = credentials.checked_url(_named(context, server))
    token = getpass.getpass(f"token for {url}: ") if sys.stdin.isatty() else sys.stdin.readline()
    if not token.strip():
        raise InvalidInputError("no token was given", "pressmark token create makes one")
    with closing(connected(url, token.strip())) as asked:
        asked.head()
    file = credentials.keep(url, token.strip())
    if json:
        print_json({"server": url, "file": file})
        return
    stdout.print(f"the token for {url} is kept in {file}", markup=False)
    stderr.print(f"next: pressmark --server {url} ls", style="dim", markup=False)


def logout(context: typer.Context, server: Server = None, json: Json = False) -> None:
    """Forget the token for a server; the token itself stays valid until it is revoked.

    Example: pressmark logout https://models.example.org
    """
    from pressmark.api.remote import credentials

    url = credentials.checked_url(_named(context, server))
    if not credentials.forget(url):
        known = ", ".join(credentials.servers()) or "none"
        raise NotFoundError(f"no token is kept for {url}", f"there are tokens for: {known}")
    if json:
        print_json({"server": url})
    else:
        stdout.print(f"the token for {url} is forgotten", markup=False)


def _named(context: typer.Context, server: str | None) -> str:
    place: Place = context.obj
    named = server or place.server
    if named is None:
        raise typer.BadParameter("name the server: pressmark login https://models.example.org")
    return named
