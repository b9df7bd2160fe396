"""The command line as a user types it, against a registry that holds a real small chain."""

from collections.abc import Callable
from pathlib import Path

import pytest

RECIPE = """\
name: tiny
inputs:
  base:
data:
  evaluation: {{path: {text}, license: CC0-1.0}}
steps:
  - step: prune/magnitude
    name: pruned
    parameters: {{sparsity: 0.5}}
  - step: quantize/rtn
    name: int8
    parameters: {{bits: 8}}
"""


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Callable[..., Path]) -> Path:
    """A registry with a tiny model, pruned and quantized by real steps. Copy it before changing."""
    from pressmark.compression.one_step import import_model
    from pressmark.compression.recipe import Recipe
    from pressmark.compression.runner import Runner
    from pressmark.registry.registry import Registry

    root = tmp_path_factory.mktemp("chain")
    text = root / "text.txt"
    text.write_text("one two three four\n" * 50)
    with Registry.create(root / "registry") as registry:
        base = import_model(registry, tiny_folder("llama"), "base", license="Apache-2.0")
        recipe = Recipe.from_bytes(RECIPE.format(text=text).encode())
        Runner(registry).run(recipe, {"base": base})
    return root / "registry"
