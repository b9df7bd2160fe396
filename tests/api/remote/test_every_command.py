"""Every command has a remote form that is compared with its local one, or a reason why it has none.

A new command fails here until it is in one of the tables.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from tests.api.remote import test_accounts, test_making, test_reading, test_storing, test_writing

from pressmark.api.cli import exit_codes
from pressmark.api.cli.app import app

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")

#: What makes no sense of a server, and why; README.md has the same table.
REFUSED = {
    "init": "it makes a folder",
    "restore": "it makes a folder",
    "demo": "it makes a folder of its own",
    "serve": "it is the server",
}
#: What is about servers itself, and tested on its own.
ABOUT_SERVERS = {"login", "logout"}

COMPARED = {
    line
    for table in (
        test_reading.READING,
        test_writing.CURATING,
        test_making.MAKING,
        test_accounts.ACCOUNTS,
        test_storing.STORING,
    )
    for line in table
}
#: Compared by tests of their own, since what they print is not all that they do.
COMPARED_APART = {"get", "cancel", "import", "push", "pull"}


def commands(group: typer.Typer, prefix: str = "") -> Iterator[str]:
    for each in group.registered_commands:
        name = each.name or each.callback.__name__.rstrip("_").replace("_", "-")
        yield f"{prefix}{name}"
    for each in group.registered_groups:
        yield from commands(each.typer_instance, f"{prefix}{each.typer_instance.info.name} ")


def test_every_command_is_in_one_table() -> None:
    for name in commands(app):
        compared = any(f"{line} ".startswith(f"{name} ") for line in COMPARED)
        places = (compared or name in COMPARED_APART, name in REFUSED, name in ABOUT_SERVERS)
        assert sum(places) == 1, name


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_says_where_to_run_it(cli, remotely, tmp_path, monkeypatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    words = [name] + (["backup"] if name == "restore" else [])
    ran = cli(*remotely, *words)
    assert ran.code == exit_codes.REFUSED
    assert f"pressmark {name} has to run where" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_readme_lists_the_refusals() -> None:
    for name, reason in REFUSED.items():
        assert f"| `{name}` | {reason} |" in README


def test_readme_s_commands_run(theirs, cli, tmp_path, monkeypatch) -> None:
    assert cli("--server", theirs.url, "alias", "demo", "int8").code == 0
    (text,) = re.findall(r"```console\n(\$ export PRESSMARK_SERVER.*?)```", README, re.S)
    lines = re.findall(r"^\$ (.*)$", text, re.M)
    script = "\n".join(lines).replace("http://127.0.0.1:8080", theirs.url)
    (tmp_path / "my-finetune").mkdir()
    (tmp_path / "my-finetune" / "weights.bin").write_bytes(b"weights")
    environment = {
        **os.environ,
        "TOKEN": theirs.token,
        "PATH": f"{Path(theirs.command).parent}{os.pathsep}{os.environ['PATH']}",
    }
    del environment["PRESSMARK_TOKEN"]
    done = subprocess.run(
        ["bash", "-euc", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "chat" / "weights.bin").read_bytes() == b"weights"
    assert theirs.token not in done.stdout + done.stderr
