"""Commands that write do the same to a registry behind a server as to one in a folder."""

import re
from pathlib import Path

import pytest

from pressmark.api.remote import upload

CURATING = (
    "register {model} --name chat --parent base --parent elsewhere/model --license MIT",
    "register {model} --name chat2 --parent {weights} --json",
    "register {model} --name bad/../name",
    "register {nothing} --name chat3",
    "register {model} --name chat4 --parent {stranger}",
    "register {model} --name chat5 --kind NoSuchModel",
    "alias prod pruned",
    "alias prod int8 --json",
    "alias a/b int8",
    "alias prod nobody",
    "alias prod",
    "report int8 -o {report} --register --json",
    "tag int8 reviewed",
    "tag int8 reviewed --remove --json",
    "tag int8 reviewed --remove",
    "retire int8 --reason old",
    "retire chat --reason old --json",
    "retire chat --reason old",
    "retire int8 --reason old --force",
    "alias prod int8",
    "show chat",
    "show chat2 --json",
    "ls",
)


@pytest.fixture
def words(cli, mine: Path, tmp_path: Path) -> dict[str, object]:
    model = tmp_path / "model"
    (model / "deep").mkdir(parents=True)
    (model / "weights.bin").write_bytes(b"weights" * 1000)
    (model / "deep" / "config.json").write_bytes(b"{}")
    (model / "empty").touch()
    (tmp_path / "stranger").write_bytes(b"never seen")
    assert cli("-R", mine, "get", "pruned", "-o", tmp_path / "pruned").code == 0
    return {
        "model": model,
        "weights": next((tmp_path / "pruned").glob("*.safetensors")),
        "nothing": tmp_path / "nothing",
        "stranger": tmp_path / "stranger",
        "report": tmp_path / "kept.html",
    }


def nameless(text: str) -> str:
    """Without what is new each time: minted UUIDs and their last digits, times, opaque agents."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?", "TIME", text)
    text = re.sub(r'"agent": "\w*"', "AGENT", text)
    text = re.sub(r"\b[0-9a-f]{64}\b", "DIGEST", text)
    text = re.sub(r"\b[0-9a-f]{8}\b", "SHORT", text)
    return re.sub(r"  +", "  ", text)  # a column is as wide as its widest time


def test_commands_say_and_do_the_same(cli, mine, theirs, words) -> None:
    for line in CURATING:
        arguments = [word.format(**words) for word in line.split()]
        here = cli("--registry", mine, *arguments)
        there = cli("--server", theirs.url, *arguments)
        assert (line, there.code, nameless(there.err)) == (line, here.code, nameless(here.err))
        assert nameless(there.out) == nameless(here.out)


def test_who_asked_is_recorded(cli, theirs, words) -> None:
    assert cli("--server", theirs.url, "alias", "prod", "int8").code == 0
    history = cli("--server", theirs.url, "alias", "prod", "--json").json
    assert re.fullmatch("[0-9a-f]{16}", history[0]["agent"])


def test_an_upload_goes_on_where_it_was_broken_off(
    cli, theirs, words, monkeypatch, tmp_path
) -> None:
    monkeypatch.setattr(upload, "PIECE", 1000)
    sent: list[int] = []
    whole = upload.Uploader._piece

    def broken(self, identifier, file, first, size):
        if len(sent) == 4:
            raise KeyboardInterrupt
        sent.append(first)
        return whole(self, identifier, file, first, size)

    line = ("--server", theirs.url, "register", words["model"], "--name", "chat")
    monkeypatch.setattr(upload.Uploader, "_piece", broken)
    assert cli(*line).code == 130
    sent.append(-1)
    assert cli(*line).code == 0
    offsets = [place for place in sent if place > 0]
    assert offsets == sorted(set(offsets)), "no byte was sent twice"
    folder = tmp_path / "back"
    assert cli("--server", theirs.url, "get", "chat", "-o", folder).code == 0
    assert (folder / "weights.bin").read_bytes() == b"weights" * 1000
