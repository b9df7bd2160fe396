"""Artifacts travel with their whole history between folders and servers, byte for byte."""

from pathlib import Path

import pytest

from pressmark.api.cli import exit_codes
from pressmark.api.remote import download
from pressmark.api.remote.connection import Connection


@pytest.fixture
def empty(cli, tmp_path: Path) -> Path:
    assert cli("init", tmp_path / "empty").code == 0
    return tmp_path / "empty"


def test_pushing_from_a_server_gives_what_pushing_from_its_folder_gives(
    cli, mine, theirs, empty, tmp_path
) -> None:
    assert cli("init", tmp_path / "other").code == 0
    here = cli("--registry", mine, "push", "int8", tmp_path / "other", "--json")
    there = cli("--server", theirs.url, "push", "int8", empty, "--json")
    assert (there.code, there.json) == (here.code, here.json)
    assert cli("-R", empty, "verify").code == 0
    assert cli("-R", empty, "head").code == 0
    again = cli("--server", theirs.url, "push", "int8", empty, "--json").json
    assert (again["sent"], again["blobs"]) == (0, 0)
    unknown = cli("--server", theirs.url, "push", "nobody", empty)
    assert unknown.code == exit_codes.NOT_FOUND


def test_what_was_made_here_is_pushed_to_a_server(cli, mine, theirs, tmp_path) -> None:
    model = tmp_path / "weights.bin"
    model.write_bytes(b"weights" * 10_000)
    line = ("register", model, "--name", "chat", "--parent", "int8")
    assert cli("--registry", mine, *line).code == 0
    sent = cli("--registry", mine, "push", "chat", theirs.url, "--json")
    assert sent.code == 0, sent.err
    assert (sent.json["sent"], sent.json["blobs"]) == (1, 1)
    assert cli("--server", theirs.url, "verify").code == 0
    assert cli("--server", theirs.url, "get", "chat", "-o", tmp_path / "back").code == 0
    assert (tmp_path / "back" / "weights.bin").read_bytes() == model.read_bytes()
    pulled = cli("--server", theirs.url, "pull", "chat", mine, "--json")
    assert (pulled.code, pulled.json["sent"]) == (0, 0)


def test_what_was_retired_travels_without_its_bytes(cli, mine, theirs, tmp_path) -> None:
    model = tmp_path / "weights.bin"
    model.write_bytes(b"weights" * 10_000)
    assert cli("-R", mine, "register", model, "--name", "one", "--parent", "int8").code == 0
    other = tmp_path / "other.bin"
    other.write_bytes(b"others" * 10_000)
    assert cli("-R", mine, "register", other, "--name", "two", "--parent", "one").code == 0
    assert cli("-R", mine, "retire", "one", "--reason", "old").code == 0
    assert len(cli("-R", mine, "gc", "--json").json["freed"]) == 1
    sent = cli("-R", mine, "push", "two", theirs.url, "--json")
    assert sent.code == 0, sent.err
    assert (sent.json["sent"], len(sent.json["withheld"])) == (3, 1)
    assert cli("--server", theirs.url, "verify", "two", "--deep").code == 0


def test_a_model_here_is_imported_with_a_record_of_this_machine(
    cli, theirs, tiny_folder, tmp_path
) -> None:
    folder = tiny_folder("qwen2")
    made = cli("--server", theirs.url, "import", folder, "--name", "mine", "--license", "MIT")
    assert made.code == 0, made.err
    assert made.out.startswith("mine  ")
    shown = cli("--server", theirs.url, "show", "mine", "--json").json
    assert shown["made_by"]["step"] == "import"
    assert shown["summary"]["license"] == "MIT"
    assert cli("--server", theirs.url, "get", "mine", "-o", tmp_path / "back").code == 0
    weights = (folder / "model.safetensors").read_bytes()
    assert (tmp_path / "back" / "model.safetensors").read_bytes() == weights
    refused = cli("--server", theirs.url, "import", tmp_path, "--name", "nothing")
    assert refused.code == exit_codes.REFUSED


def test_a_reader_cannot_push(cli, mine, theirs, monkeypatch, tmp_path) -> None:
    (tmp_path / "a.bin").write_bytes(b"new")
    assert cli("-R", mine, "register", tmp_path / "a.bin", "--name", "chat").code == 0
    made = cli("--server", theirs.url, "token", "create", "--for", "Bo")
    monkeypatch.setenv("PRESSMARK_TOKEN", made.out.strip())
    ran = cli("-R", mine, "push", "chat", theirs.url)
    assert (ran.code, "scope write" in ran.err) == (exit_codes.REFUSED, True)


def test_a_download_goes_on_where_it_was_broken_off(cli, theirs, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(download, "RANGE", 5000)
    whole, asked = Connection.stream, []

    def broken(self, method, path, **request):
        if len(asked) == 6:
            raise KeyboardInterrupt
        asked.append((path, request.get("headers", {}).get("Range")))
        return whole(self, method, path, **request)

    line = ("--server", theirs.url, "get", "int8", "-o", tmp_path / "out")
    monkeypatch.setattr(Connection, "stream", broken)
    assert cli(*line).code == exit_codes.INTERRUPTED
    assert not (tmp_path / "out").exists()
    first = set(asked)
    asked.append(("", ""))
    assert cli(*line).code == 0
    again = asked[len(first) + 1 :]
    assert len(first & set(again)) < len(first), "what was there is not asked for again"
    assert cli("-R", theirs.folder, "get", "int8", "-o", tmp_path / "other").code == 0
    for path in (tmp_path / "other").iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


def test_bytes_that_were_changed_on_the_way_are_refused(cli, theirs, monkeypatch, tmp_path) -> None:
    import httpx2

    whole = httpx2.Response.iter_bytes

    def changed(self, *arguments):
        for data in whole(self, *arguments):
            flipped = data and self.status_code == 206
            yield bytes([data[0] ^ 1]) + data[1:] if flipped else data

    monkeypatch.setattr(httpx2.Response, "iter_bytes", changed)
    ran = cli("--server", theirs.url, "get", "int8", "-o", tmp_path / "out")
    assert (ran.code, "arrived with the SHA-256" in ran.err) == (exit_codes.STORE, True)
    assert list(tmp_path.glob("*out*")) == []
