"""Commands that bring artifacts into being: init, import, run, eval."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pressmark.api.cli import doubts
from pressmark.api.cli.app import ArtifactName, Json, client, complete_artifact, new_registry
from pressmark.api.cli.output import (
    estimated_seconds,
    human_bytes,
    human_seconds,
    print_json,
    stderr,
    stdout,
    table,
)
from pressmark.api.cli.progress import RichProgress
from pressmark.api.cli.watching import watched
from pressmark.api.client import EvaluationRequest, ModelSource, RunRequest
from pressmark.api.telling import chosen
from pressmark.registry.errors import InvalidInputError
from pressmark.registry.facts import short_id
from pressmark.registry.registry import Registry

if TYPE_CHECKING:
    from pressmark.compression.results import Forecast, RunResult


def complete_recipe(incomplete: str) -> list[str]:
    """What a shell offers for a recipe: the packaged ones, without importing what runs them."""
    folder = resources.files("pressmark.compression").joinpath("recipes")
    names = (entry.name.removesuffix(".yaml") for entry in folder.iterdir())
    return sorted(name for name in names if name.startswith(incomplete))


Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        "-i",
        help="ROLE=ARTIFACT; plain ARTIFACT means base.",
        metavar="NAME=ARTIFACT",
        autocompletion=complete_artifact,
    ),
]


def add_to(app: typer.Typer) -> None:
    """Register this group's commands."""
    app.command("init")(init)
    app.command("import")(import_)
    app.command()(run)
    app.command("eval")(evaluate)
    app.command()(cancel)


def init(
    context: typer.Context,
    folder: Annotated[
        str | None, typer.Argument(help="Its folder. Default: --registry, else .pressmark.")
    ] = None,
    blobs: Annotated[
        str | None, typer.Option(help="Where bytes are kept: a folder or any fsspec URL.")
    ] = None,
    graph: Annotated[
        str | None, typer.Option(help="A SPARQL 1.1 server instead of the embedded store.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a registry.

    Example: pressmark init /srv/models --blobs s3://bucket/pressmark
    """
    registry = Registry.create(new_registry(context, folder), blobs=blobs, graph=graph)
    if json:
        print_json({"registry": registry.root.resolve()})
        return
    stdout.print(f"made a registry in {registry.root.resolve()}")
    stderr.print("next: pressmark import FOLDER --name NAME", style="dim")


def import_(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="A model folder, a GGUF file, or a hub id.")],
    name: Annotated[
        str | None, typer.Option(help="The artifact's name. Default: the source's.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="The hub revision to import.")] = None,
    license: Annotated[  # noqa: A002
        str | None, typer.Option(help="SPDX identifier, where the model does not state one.")
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="Leave out files of this name, such as '*.bin'. Repeatable."),
    ] = None,
    json: Json = False,
) -> None:
    """Import a model, its bytes unchanged, and record where it came from.

    Example: pressmark import ./Qwen2.5-0.5B --license Apache-2.0
    """
    asked = client(context)
    model = ModelSource(
        source, name or default_name(source), license, revision, tuple(exclude or ())
    )
    artifact = watched(asked, asked.import_model, model)
    found = asked.view(artifact.value)
    if json:
        print_json(found)
    else:
        size = human_bytes(found.summary.size)
        stdout.print(f"{found.name}  {short_id(artifact)}  {size}  {found.summary.license}")


def run(
    context: typer.Context,
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="A recipe file, or the name of a packaged one.", autocompletion=complete_recipe
        ),
    ] = None,
    inputs: Inputs = None,
    resume: Annotated[str | None, typer.Option(help="Continue this interrupted run.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show steps, time and size; do nothing.")
    ] = False,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Do every step, also known ones.")
    ] = False,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, max=2**32 - 1, help="Seed of every random choice. Default: the recipe's."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Run a recipe: every step is executed, measured, recorded and checked.

    Example: pressmark run wanda-int8 --input bf16 --dry-run
    """
    asked = client(context)
    if resume is not None:
        print_run(watched(asked, asked.resume, resume), json=json)
        return
    if recipe is None:
        raise typer.BadParameter(f"name a recipe: a file, or one of {', '.join(packaged())}")
    given = {role: asked.lineage(name) for role, name in named_inputs(inputs or []).items()}
    doubts.warn(given.values())
    roots = {role: found.root for role, found in given.items()}
    order = RunRequest(recipe, roots, seed, cache=not no_cache)
    if dry_run:
        print_forecast(asked.forecast(order, RichProgress()), json=json)
    else:
        print_run(watched(asked, asked.run, order), json=json)


def cancel(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="The run: 4 or more digits of its UUID.")],
    json: Json = False,
) -> None:
    """Stop a run on a server at its next safe point; its finished steps are kept.

    Example: pressmark --server https://models.example.org cancel 5f3a613d
    """
    client(context).cancel(run)
    if json:
        print_json({"run": run, "cancelling": True})
    else:
        stdout.print(f"{run} stops at its next safe point", markup=False)


def evaluate(
    context: typer.Context,
    artifact: ArtifactName,
    data: Annotated[
        str, typer.Option(help="A packaged text, or a text file.")
    ] = "wikitext-2-evaluation",
    license: Annotated[  # noqa: A002
        str | None, typer.Option(help="Licence of a text file of yours.")
    ] = None,
    parent: Annotated[
        str | None,
        typer.Option(
            help="Compare with this artifact: KL divergence, agreement.",
            autocompletion=complete_artifact,
        ),
    ] = None,
    window: Annotated[
        int | None, typer.Option(help="Tokens of context and target together. Default: 512.")
    ] = None,
    stride: Annotated[
        int | None, typer.Option(help="Tokens from window to window. Default: no overlap.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="Only so many tokens of the text. Default: all.")
    ] = None,
    json: Json = False,
) -> None:
    """Measure an artifact's perplexity, and record it.

    Example: pressmark eval int8 --parent gemma-3-270m
    """
    asked = client(context)
    base = asked.lineage(artifact)
    compared = asked.lineage(parent) if parent else None
    doubts.warn([base] if compared is None else [base, compared])
    is_file = Path(data).is_file()
    if is_file and license is None:
        raise InvalidInputError(
            f"{data} has no licence", "name it, such as --license CC-BY-4.0: it is recorded"
        )
    given = {"window": window, "stride": stride, "max_tokens": max_tokens}
    order = EvaluationRequest(
        artifact=base.root,
        parent=compared.root if compared else None,
        text=data if is_file else None,
        packaged=None if is_file else data,
        license=license,
        parameters={name: value for name, value in given.items() if value is not None},
    )
    print_run(watched(asked, asked.evaluate, order), json=json)


def packaged() -> tuple[str, ...]:
    """Names of the packaged recipes."""
    from pressmark.compression.recipe import packaged_recipes

    return packaged_recipes()


def default_name(source: str) -> str:
    """A name for an imported model: the last part of its path or hub id, in the form of names."""
    stem = (
        Path(source).expanduser().resolve().name
        if Path(source).exists()
        else source.rsplit("/", maxsplit=1)[-1]
    )
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem.removesuffix(".gguf")).strip("-.") or "model"


def print_run(result: RunResult, *, json: bool) -> None:
    """Print what a run made and measured."""
    if json:
        print_json(result)
        return
    rows = []
    for outcome in result.outcomes:
        numbers, _ = chosen(outcome.measurements, lambda one: one.name, everything=False)
        measured = ", ".join(f"{m.name} {m.value:.4g}" for m in numbers[:4])
        time = "reused" if outcome.reused else human_seconds(outcome.seconds)
        rows.append((outcome.name, outcome.step, short_id(outcome.result), time, measured))
    table(("name", "step", "result", ">time", "measured"), rows)


def print_forecast(forecast: Forecast, *, json: bool) -> None:
    """Print what a run would do."""
    if json:
        print_json(forecast)
        return
    rows = [
        (
            step.name,
            step.step,
            "reused" if step.reused else estimated_seconds(step.seconds),
            human_bytes(step.bytes),
            _basis(step.measured),
        )
        for step in forecast.steps
    ]
    table(("name", "step", ">time", ">new bytes", "based on"), rows)
    total = f"{estimated_seconds(forecast.seconds)}, {human_bytes(forecast.bytes)}"
    stdout.print(f"together {total}; {human_bytes(forecast.free_bytes)} are free")


def named_inputs(given: list[str]) -> dict[str, str]:
    """What `NAME=ARTIFACT` options say; a lone ARTIFACT is `base`.

    Raises:
        InvalidInputError: a name is given twice.
    """
    found: dict[str, str] = {}
    for text in given:
        name, _, artifact = text.partition("=") if "=" in text else ("base", "", text)
        if name in found:
            raise InvalidInputError(f"input {name} is given twice", hint="name each input once")
        found[name] = artifact
    return found


def _basis(runs: int) -> str:
    """What an estimate rests on."""
    if not runs:
        return "a guess"
    return f"{runs} earlier run" + ("s" if runs > 1 else "")
