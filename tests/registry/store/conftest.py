import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from pressmark.registry.registry import Registry

HERE = Path(__file__).parent


def load(name: str) -> ModuleType:
    full = f"store_tests_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, HERE / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[full] = module
        spec.loader.exec_module(module)
    return sys.modules[full]


@pytest.fixture(scope="session")
def records() -> ModuleType:
    return load("records")


@pytest.fixture(scope="session")
def together() -> ModuleType:
    return load("together")


@pytest.fixture
def new_file(tmp_path: Path) -> Callable[..., Path]:
    folder = tmp_path / "files"
    folder.mkdir()
    counter = itertools.count()

    def make(data: bytes | None = None) -> Path:
        number = next(counter)
        path = folder / f"file-{number}.bin"
        path.write_bytes(f"content {number}".encode() * 100 if data is None else data)
        return path

    return make


@pytest.fixture
def registry(tmp_path: Path, records: ModuleType) -> Iterator[Registry]:
    """A registry that accepts every record: for what comes after validation."""
    with Registry.create(tmp_path / "registry", validator=records.AcceptAll()) as registry:
        yield registry


@pytest.fixture
def reopened(registry: Registry, records: ModuleType) -> Callable[[], Registry]:
    def reopen() -> Registry:
        return Registry.open(registry.root, validator=records.AcceptAll())

    return reopen
