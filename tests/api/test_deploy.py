"""The files in `deploy` start what the command line has."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
UNIT = (DEPLOY / "pressmark.service").read_text()
CONTAINER = (DEPLOY / "Containerfile").read_text()
PRESSMARK = "/opt/pressmark/bin/pressmark"


def command_lines() -> Iterator[str]:
    """Every call of `pressmark`, as a shell would write it."""
    for line in re.findall(r"^Exec\w+=(.*)$", UNIT, re.MULTILINE):
        start = line.index(PRESSMARK)
        yield f"pressmark {line[start + len(PRESSMARK) :].rstrip(chr(39))}"
    entry, arguments = (
        json.loads(re.search(rf"^{word} (\[.*\])$", CONTAINER, re.MULTILINE)[1])  # type: ignore[index]
        for word in ("ENTRYPOINT", "CMD")
    )
    yield shlex.join([*entry, *arguments])
    yield from re.findall(r"^# +podman run .*?(pressmark(?: [a-z].*)?)$", CONTAINER, re.MULTILINE)


LINES = [line for line in command_lines() if line != "pressmark"]


@pytest.mark.parametrize("line", LINES)
def test_command_lines_are_known(cli: Any, line: str) -> None:
    # The whole line is parsed before the help is shown.
    asked = cli(*shlex.split(line)[1:], "--help")
    assert asked.code == 0, asked.err
    assert "Usage" in asked.out


def test_all_were_found() -> None:
    assert [shlex.split(line)[1] for line in LINES] == ["init", "serve", "serve", "init", "token"]


def test_a_misspelt_option_would_be_found(cli: Any) -> None:
    assert cli("serve", "--prot", "8080", "--help").code == 2


def test_the_container_runs_as_nobody_special_and_tells_its_health() -> None:
    last = CONTAINER.rindex("\nFROM ")
    assert re.search(r"^USER pressmark$", CONTAINER[last:], re.MULTILINE)
    assert re.search(r"^VOLUME /registry$", CONTAINER[last:], re.MULTILINE)
    check = re.search(r"HEALTHCHECK .*\\\n    CMD (\[.*\])$", CONTAINER[last:], re.MULTILINE)
    assert check is not None
    python, option, code = json.loads(check[1])
    assert (python, option) == ("python", "-c")
    compile(code, "HEALTHCHECK", "exec")
    port = re.search(r"^CMD .*\"--port\", \"(\d+)\"", CONTAINER[last:], re.MULTILINE)
    assert port is not None
    assert f"http://127.0.0.1:{port[1]}/readyz" in code


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    here = Path(sys.executable).with_name("pressmark")
    unit = tmp_path / "pressmark.service"
    unit.write_text(UNIT.replace(PRESSMARK, str(here)))
    verified = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60
    )
    assert "pressmark.service" not in verified.stderr, verified.stderr
