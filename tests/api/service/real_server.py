"""The service as a process of its own, as users run it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

PRESSMARK = str(Path(sys.executable).with_name("pressmark"))


@dataclass(frozen=True)
class Server:
    """A running service.

    Attributes:
        url: Its address.
        log: The file that holds all that it prints.
        process: The process.
    """

    url: str
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


def pressmark(folder: Path, *arguments: str) -> str:
    """What a command prints."""
    command = [PRESSMARK, "-R", str(folder), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


@contextmanager
def real_server(
    folder: Path, settings: str = "", environment: dict[str, str] | None = None
) -> Iterator[Server]:
    """Runs `pressmark serve` on a free port of loopback until the block ends.

    Args:
        folder: The registry.
        settings: The text of its settings file.
        environment: Variables that it gets besides this process's.
    """
    config, log = folder.parent / "service.toml", folder.parent / "server.log"
    config.write_text(settings)
    command = [PRESSMARK, "-R", str(folder), "serve", "--config", str(config), "--port", "0"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=os.environ | (environment or {})
        )
    try:
        yield Server(_address(process, log), log, process)
    finally:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where it says that it answers."""
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        if found := re.search(r"^serving .* at (http://\S+) ", log.read_text(), re.MULTILINE):
            assert httpx2.get(f"{found[1]}/readyz").status_code == 200
            return found[1]
        time.sleep(0.1)
    raise TimeoutError(log.read_text())
