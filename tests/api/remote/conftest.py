"""A real server process over a copy of a real small registry, and both ways to reach it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.api.service.real_server import PRESSMARK, pressmark, real_server


@dataclass(frozen=True)
class Served:
    """A registry in a folder, and the server over it.

    Attributes:
        folder: The registry.
        url: The server.
        token: Lets do everything.
        command: `pressmark` itself.
    """

    folder: Path
    url: str
    token: str
    command: str = PRESSMARK


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """The server, as a user starts it, and a token of its administrator."""
    token = pressmark(folder, "token", "create", "--for", "Ada", "--scope", "admin")
    with real_server(folder) as running:
        yield Served(folder, running.url, token)


@pytest.fixture(scope="session")
def served(chain: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server for tests that only read; it is started once."""
    copy = tmp_path_factory.mktemp("served") / "registry"
    shutil.copytree(chain, copy, symlinks=True)
    pressmark(copy, "alias", "prod", "int8")
    with serving(copy) as running:
        yield running


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No token of the person who runs the tests."""
    monkeypatch.delenv("PRESSMARK_TOKEN", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def locally(served: Served) -> tuple[str, ...]:
    return ("--registry", str(served.folder))


@pytest.fixture
def remotely(
    served: Served, monkeypatch: pytest.MonkeyPatch, no_credentials: None
) -> tuple[str, ...]:
    monkeypatch.setenv("PRESSMARK_TOKEN", served.token)
    return ("--server", served.url)


@pytest.fixture
def theirs(
    chain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_credentials: None
) -> Iterator[Served]:
    """A copy of the chain behind a server of its own."""
    copy = shutil.copytree(chain, tmp_path / "theirs", symlinks=True)
    with serving(Path(copy)) as running:
        monkeypatch.setenv("PRESSMARK_TOKEN", running.token)
        yield running


@pytest.fixture
def mine(chain: Path, tmp_path: Path) -> Path:
    """A copy of the chain that is written to locally."""
    return Path(shutil.copytree(chain, tmp_path / "mine", symlinks=True))
