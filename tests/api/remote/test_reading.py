"""Commands that read print the same of a registry in a folder and behind a server, to the byte."""

import re
from pathlib import Path

import pytest

from pressmark.api.cli import exit_codes
from pressmark.ontology import questions

#: What every name of an artifact looks like; `{int8}` is its UUID, `{file}` a path of its bytes.
READING = (
    "ls",
    "ls --json",
    "ls --kind PrunedModel",
    "ls --parameter bits=8 --json",
    "ls --limit 2 --after int8",
    "ls --name-that-is-no-option",
    "ls in* --json",
    "ls --tag none",
    "ls --digest zz",
    "ls --kind PruneModel",
    "ls --after nobody",
    "ls --runs",
    "ls --runs --json",
    "show int8",
    "show int8 --all",
    "show int8 --json",
    "show base",
    "show {int8}",
    "show urn:uuid:{int8}",
    "show prod --json",
    "show {file} --json",
    "show {folder} --json",
    "show int9",
    "show int9 --json",
    "show {stranger}",
    "show not/known",
    "where {file}",
    "where {file} --json",
    "where {stranger}",
    "where {folder}",
    "lineage int8",
    "lineage int8 --json",
    "lineage int8 --depth 1 --json",
    "lineage base --down",
    "lineage nobody",
    "diff base int8",
    "diff pruned int8 --json",
    "diff pruned {file} --all",
    "diff pruned nobody",
    "query",
    "query --all --json",
    "query ancestors artifact=int8",
    "query ancestors artifact=int8 --json",
    "query ancestors artifact={file} --full",
    "query ancestors artifact=int8 --format csv",
    "query ancestors artifact=int8 --format json",
    "query ancestors artefact=int8",
    "query ancestor",
    "query ASK{{?s?p?o}}",
    "query ASK{{?s?p?o}} --json",
    "verify",
    "verify --json",
    "verify int8",
    "verify int8 --deep --json",
    "verify --head 00",
    "verify nobody",
    "head",
    "head --json",
    "alias",
    "alias --json",
    "alias prod --json",
    "alias staging",
    "report int8 --json",
    "report int8 -o report.pdff",
)


@pytest.fixture
def words(cli, served, tmp_path: Path) -> dict[str, object]:
    folder = tmp_path / "out"
    assert cli("-R", served.folder, "get", "int8", "-o", folder).code == 0
    stranger = tmp_path / "stranger.bin"
    stranger.write_bytes(b"never seen")
    iri = cli("-R", served.folder, "show", "int8", "--json").json["summary"]["iri"]
    return {
        "int8": iri.removeprefix("urn:uuid:"),
        "file": folder / "pressmark-model.safetensors",
        "folder": folder,
        "stranger": stranger,
    }


def timeless(text: str) -> str:
    """Without the only thing that two calls have not in common: when a report was made."""
    return re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?", "TIME", text)


@pytest.mark.parametrize("line", READING)
def test_a_command_prints_the_same_of_a_server(
    cli, words, locally, remotely, tmp_path, monkeypatch, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [word.format(**words) for word in line.split()]
    here, there = cli(*locally, *arguments), cli(*remotely, *arguments)
    assert (there.code, timeless(there.err)) == (here.code, timeless(here.err))
    assert timeless(there.out) == timeless(here.out)
    if "report" not in line:
        assert there.out == here.out


def test_a_query_that_nobody_understands_is_refused_with_the_same_status(
    cli, locally, remotely
) -> None:
    for place in (locally, remotely):
        ran = cli(*place, "query", "SELECT { nonsense")
        assert (ran.code, "error at 1:" in ran.err) == (exit_codes.REFUSED, True)


@pytest.mark.parametrize(
    "name", [each.name for each in questions.questions() if not each.parameters]
)
def test_a_packaged_question_has_the_same_rows(cli, locally, remotely, name: str) -> None:
    here, there = cli(*locally, "query", name, "--json"), cli(*remotely, "query", name, "--json")
    assert there.code == here.code
    assert sorted(map(str, there.json)) == sorted(map(str, here.json))


def test_a_report_is_the_same_page(cli, locally, remotely, tmp_path) -> None:
    for suffix in ("html", "md", "jsonld"):
        for name, place in (("here", locally), ("there", remotely)):
            assert cli(*place, "report", "int8", "-o", tmp_path / f"{name}.{suffix}").code == 0
        pages = [(tmp_path / f"{name}.{suffix}").read_text() for name in ("here", "there")]
        assert timeless(pages[0]) == timeless(pages[1])


def test_files_are_the_same(cli, locally, remotely, tmp_path) -> None:
    names = {}
    for name, place in (("here", locally), ("there", remotely)):
        ran = cli(*place, "get", "int8", "-o", tmp_path / name, "--json")
        assert ran.code == 0
        names[name] = [str(Path(each).relative_to(tmp_path / name)) for each in ran.json]
    assert names["here"] == names["there"]
    for each in names["here"]:
        assert (tmp_path / "here" / each).read_bytes() == (tmp_path / "there" / each).read_bytes()
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []
