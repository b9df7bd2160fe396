"""What a terminal gets and a pipe does not, and what happens when a pipe is closed."""

import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pressmark.api.cli import exit_codes

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


COMMANDS = (["ls"], ["ls", "--json"], ["query"], ["--help"], ["run", "--help"], ["nonsense"])


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_closed_pipe_is_no_answer_and_no_error(chain: Path, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        ran = subprocess.run(
            [*PRESSMARK, *arguments],
            stdout=closed,
            stderr=subprocess.PIPE,
            env=environment(chain),
            check=False,
        )
    if arguments == ["nonsense"]:
        assert ran.returncode == exit_codes.USAGE  # told on standard error, which is read
    else:
        assert (ran.returncode, ran.stderr) == (exit_codes.CLOSED_PIPE, b"")


def test_a_pipe_that_is_closed_half_way(chain: Path) -> None:
    query = ["query", "SELECT * { ?s ?p ?o }", "--json"]  # more than a pipe holds
    command = shlex.join([*PRESSMARK, *query])
    script = f"{command} | head -c 1; echo ${{PIPESTATUS[0]}}"
    ran = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env=environment(chain), check=True
    )
    assert (ran.stdout, ran.stderr) == ("[141\n", "")
