"""The `pressmark` application: its global options and the registry in use."""

import os
from pathlib import Path
from typing import Annotated

import typer

from pressmark.registry.errors import NotFoundError, PressmarkError
from pressmark.registry.registry import Registry

DEFAULT_FOLDER = ".pressmark"
#: Names a token of the server that holds the registry.
TOKEN = "PRESSMARK_TOKEN"
EPILOG = (
    "Exit status: 0 yes, 1 the answer is no, 2 usage, 3 not found, 4 refused, 5 registry, "
    "6 step failed, 70 defect, 130 interrupted, 141 the output was not read to its end."
)


def complete_artifact(context: typer.Context, incomplete: str) -> list[str]:
    """What a shell offers for an artifact: the names and aliases that begin like this.

    It is asked in the middle of a line: where there is no registry, nothing is offered, and
    nothing is said.
    """
    try:
        with Registry.open(located(context.find_root().params.get("registry"))) as registry:
            names = {row["name"].value for row in registry.rows("artifact_names")}
    except (PressmarkError, OSError):
        return []
    return sorted(name for name in names if name.startswith(incomplete))


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
) -> None:
    """Options that hold for every command."""
    context.obj = registry


def registry_path(context: typer.Context) -> str:
    """The folder of the registry in use: the option, else the nearest `.pressmark` here or above.

    Raises:
        NotFoundError: no registry is named and none is found.
    """
    return located(context.obj)


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
    """The registry in use, opened; a server that holds it commits, where its token is known."""
    registry = Registry.open(registry_path(context))
    token = os.environ.get(TOKEN)
    holder = registry.writer() if token else None
    if not token or holder is None or holder.url is None:
        return registry
    from pressmark.api.committer import ServerCommitter

    return Registry.open(registry.root, committer=ServerCommitter(holder.url, token))
