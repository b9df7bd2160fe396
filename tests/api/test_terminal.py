"""What a terminal gets and a pipe does not: bars with the time left, on standard error alone."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

PRESSMARK = (sys.executable, "-c", "from pressmark.api.cli import main; main()")


def environment(registry: Path) -> dict[str, str]:
    return {**os.environ, "PRESSMARK_REGISTRY": str(registry), "TERM": "xterm", "COLUMNS": "120"}


def on_a_terminal(registry: Path, *arguments: str) -> tuple[bytes, str]:
    """Standard output, and what a terminal on standard error shows."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*PRESSMARK, *arguments],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment(registry),
    ) as process:
        os.close(theirs)
        shown = b""
        while chunk := _read(ours):
            shown += chunk
        assert process.stdout is not None
        printed = process.stdout.read()
    os.close(ours)
    assert process.returncode == 0, shown
    return printed, shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says so when the other side is closed
        return b""


@pytest.mark.parametrize("command", ["verify", "fsck", "reindex"])
def test_bars_go_to_a_terminal_on_standard_error_alone(chain: Path, command: str) -> None:
    printed, shown = on_a_terminal(chain, command, "--json")
    assert "left" in shown
    assert "%" in shown
    assert b"\x1b" not in printed
    piped = subprocess.run(
        [*PRESSMARK, command, "--json"], capture_output=True, env=environment(chain), check=True
    )
    assert piped.stderr == b""
    assert piped.stdout.count(b"\n") == printed.count(b"\n")
