"""A registry that refuses: whatever it is given, nothing in it may change."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from pressmark.api.cli import exit_codes
from pressmark.registry.fsck import fsck
from pressmark.registry.ids import sha256_file
from pressmark.registry.registry import Registry

State: TypeAlias = tuple[dict[str, str], set[object]]
Refused: TypeAlias = Callable[..., str]


def state_of(root: Path) -> State:
    """Each file's digest and each statement of the graph; what is there must be sound.

    The graph's own files and what guards or caches it change with every reader.
    """
    kept = (root / "journal", root / "registry.json", *(root / "blobs").rglob("*"))
    left = (root / "runs").rglob("*")
    files = {str(path): sha256_file(path) for path in (*kept, *left) if path.is_file()}
    with Registry.open(root) as registry:
        assert fsck(registry).defects == ()
        graph = registry.graph()
        return files, {quad for name in graph.graphs() for quad in graph.quads(name)}


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Callable[..., Path]) -> Path:
    """A registry that holds a model."""
    from pressmark.compression.one_step import import_model

    root = tmp_path_factory.mktemp("hostile") / "registry"
    with Registry.create(root) as registry:
        import_model(registry, tiny_folder("llama"), "base", license="Apache-2.0")
    return root


@pytest.fixture
def refused(cli: Callable[..., object], kept: Path) -> Refused:
    """Gives `pressmark` arguments that must be refused; the error that it prints.

    It must come with the documented status, name the next thing to try and show no traceback; and
    journal, blobs and graph must be what they were, byte for byte.
    """

    def run(*arguments: object, status: int = exit_codes.REFUSED) -> str:
        before = state_of(kept)
        ran = cli("-R", kept, *arguments)
        assert (ran.code, ran.out) == (status, ""), ran.err
        assert "Traceback" not in ran.err
        assert state_of(kept) == before
        error, _, hint = ran.err.partition("try:")
        assert error.startswith("error:")
        assert hint.strip()
        return " ".join(error.split())

    return run
