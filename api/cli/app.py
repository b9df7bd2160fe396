"""The `pressmark` application: its global options and the registry in use."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pressmark.api.client import Client
from pressmark.api.errors import LocalOnlyError
from pressmark.api.local import LocalClient
from pressmark.registry.errors import NotFoundError, PressmarkError
from pressmark.registry.registry import Registry

DEFAULT_FOLDER = ".pressmark"
#: Names a token of the server that holds the registry.
TOKEN = "PRESSMARK_TOKEN"
EPILOG = (
    "Exit status: 0 yes, 1 the answer is no, 2 usage, 3 not found, 4 refused, 5 registry, "
    "6 step failed, 70 defect, 130 interrupted, 141 the output was not read to its end."
)


@dataclass(frozen=True)
class Place:
    """Where the registry in use is.

    Attributes:
        registry: A folder; None for the nearest `.pressmark`.
        server: A server's address, which then counts alone.
    """

    registry: str | None
    server: str | None


def complete_artifact(context: typer.Context, incomplete: str) -> list[str]:
    """What a shell offers for an artifact: the names and aliases that begin like this.

    It is asked in the middle of a line: where there is no registry, nothing is offered, and
    nothing is said.
    """
    given = context.find_root().params
    try:
        with closing(_client(Place(given.get("registry"), given.get("server")))) as found:
            names = found.names()
    except (PressmarkError, OSError, ImportError):
        return []
    return sorted({name for name in names if name.startswith(incomplete)})


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
ArtifactName = Annotated[
    str,
    typer.Argument(
        help="UUID prefix, alias, name, digest, or the path of a file or folder.",
        metavar="ARTIFACT",
        autocompletion=complete_artifact,
    ),
]

app = typer.Typer(
    name="pressmark",
    help="Compress language models and prove it: each step executed, recorded, checked.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    context: typer.Context,
    registry: Annotated[
        str | None,
        typer.Option(
            "--registry",
            "-R",
            envvar="PRESSMARK_REGISTRY",
            help=f"The registry's folder. Default: the nearest {DEFAULT_FOLDER} here or above.",
        ),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            "--server",
            "-S",
            envvar="PRESSMARK_SERVER",
            metavar="URL",
            help="A server's registry instead; PRESSMARK_TOKEN or `pressmark login` says who asks.",
        ),
    ] = None,
) -> None:
    """Options that hold for every command."""
    context.obj = _place(context, registry or None, server or None)


def _place(context: typer.Context, registry: str | None, server: str | None) -> Place:
    """What was typed outweighs what the environment says.

    Raises:
        BadParameter: A folder and a server are named in the same way.
    """
    if registry is None or server is None:
        return Place(registry, server)
    sources = {name: context.get_parameter_source(name) for name in ("registry", "server")}
    typed = {name: bool(how and how.name == "COMMANDLINE") for name, how in sources.items()}
    if typed["registry"] == typed["server"]:
        raise typer.BadParameter(
            "a folder and a server are named; name one: --registry FOLDER or --server URL"
        )
    return Place(registry, None) if typed["registry"] else Place(None, server)


def registry_path(context: typer.Context) -> str:
    """The folder of the registry in use: the option, else the nearest `.pressmark` here or above.

    Raises:
        NotFoundError: no registry is named and none is found.
        LocalOnlyError: a server is named, and the command works on a folder.
    """
    refuse_server(context)
    return located(context.obj.registry)


def new_registry(context: typer.Context, folder: str | None = None) -> str:
    """The folder in which a registry is to be made: the one that is named, else `.pressmark`."""
    refuse_server(context)
    return folder or context.obj.registry or DEFAULT_FOLDER


def refuse_server(context: typer.Context) -> None:
    """Refuses a command that works on a folder where a server is named.

    Raises:
        LocalOnlyError: One is.
    """
    place: Place = context.obj
    if place.server is not None:
        raise LocalOnlyError(
            f"pressmark {context.info_name} has to run where the registry's folder is",
            f"run it on the machine of {place.server}, with --registry FOLDER",
        )


def located(named: str | None) -> str:
    """The folder of a registry: the one that is named, else the nearest; see `registry_path`."""
    if named is not None:
        return named
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / DEFAULT_FOLDER).is_dir():
            return str(folder / DEFAULT_FOLDER)
    raise NotFoundError(
        f"there is no registry in {here} or above",
        hint="pressmark init, or name one with --registry or PRESSMARK_REGISTRY",
    )


def opened(context: typer.Context) -> Registry:
    """The registry in use, opened: for commands that have to run beside it."""
    return _opened(registry_path(context))


def _opened(folder: str) -> Registry:
    """A registry; a server that holds it commits, where its token is known."""
    registry = Registry.open(folder)
    token = os.environ.get(TOKEN)
    holder = registry.writer() if token else None
    if not token or holder is None or holder.url is None:
        return registry
    from pressmark.api.committer import ServerCommitter

    return Registry.open(registry.root, committer=ServerCommitter(holder.url, token))


def client(context: typer.Context) -> Client:
    """The registry in use, wherever it is: for commands that ask and print."""
    found = _client(context.obj)
    context.call_on_close(found.close)
    return found


def client_at(context: typer.Context, place: str) -> Client:
    """Another registry than the one in use: of a server, or in a folder."""
    is_server = place.startswith(("http://", "https://"))
    found = _client(Place(None, place) if is_server else Place(place, None))
    context.call_on_close(found.close)
    return found


def _client(place: Place) -> Client:
    if place.server is None:
        return LocalClient(_opened(located(place.registry)))
    from pressmark.api.remote.client import connected

    return connected(place.server)
