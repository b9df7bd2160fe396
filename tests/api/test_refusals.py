"""Whatever a command is given, it ends with a reason and the status for it, never a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pressmark.api.cli import exit_codes

RUN = "import sys\n{first}\nfrom pressmark.api.cli import main; main()"
NO_UTF8 = os.fsdecode(b"no-\xff")

# /proc is the folder in which not even root can make a file.
REFUSED = [
    ("eval int8 --data {file}", exit_codes.REFUSED, "--license"),
    ("-R {file} ls", exit_codes.NOT_FOUND, "{file}: it is no folder"),
    ("pull int8 {file}", exit_codes.NOT_FOUND, "{file}: it is no folder"),
    ("push int8 {file}", exit_codes.NOT_FOUND, "{file}: it is no folder"),
    ("init {file}", exit_codes.REFUSED, "{file}: Not a directory"),
    ("init {file}/below", exit_codes.REFUSED, "{file}: Not a directory"),
    ("get int8 -o {file}/below", exit_codes.REFUSED, "{file}: Not a directory"),
    ("backup {file}/below", exit_codes.REFUSED, "{file}: Not a directory"),
    ("-R {file}/below restore {file}", exit_codes.REFUSED, "{file}: Not a directory"),
    ("init /proc/new", exit_codes.REFUSED, "/proc/new: "),
    ("get int8 -o /proc/new", exit_codes.REFUSED, "/proc/.new-"),
    ("backup /proc/new", exit_codes.REFUSED, "/proc/new: "),
    ("backup /proc/new.tar", exit_codes.REFUSED, "/proc/"),
    ("report int8 -o /proc/new.html", exit_codes.REFUSED, "/proc/new.html: "),
    ("report int8 -o {missing}/new.html", exit_codes.REFUSED, "{missing}/new.html: No such file"),
    ("where /proc/self/mem", exit_codes.REFUSED, "/mem: Input/output error"),
    ("show /proc/self/mem", exit_codes.REFUSED, "/mem: Input/output error"),
    ("init s3://bucket/x", exit_codes.REFUSED, "s3://bucket/x"),
    ("-R s3://bucket/x init", exit_codes.REFUSED, "s3://bucket/x"),
    ("-R s3://bucket/x ls", exit_codes.REFUSED, "s3://bucket/x"),
    ("-R s3://bucket/x restore backup", exit_codes.REFUSED, "s3://bucket/x"),
    ("restore s3://bucket/x", exit_codes.REFUSED, "s3://bucket/x"),
    ("backup s3://bucket/x", exit_codes.REFUSED, "s3://bucket/x"),
    ("push int8 s3://bucket/x", exit_codes.REFUSED, "s3://bucket/x"),
    ("pull int8 s3://bucket/x", exit_codes.REFUSED, "s3://bucket/x"),
    ("get int8 -o s3://bucket/x", exit_codes.REFUSED, "s3://bucket/x"),
    ("report int8 -o s3://bucket/x.md", exit_codes.REFUSED, "s3://bucket/x.md"),
    ("demo -o s3://bucket/x", exit_codes.REFUSED, "s3://bucket/x"),
    ("where s3://bucket/x", exit_codes.REFUSED, "s3://bucket/x"),
    ("register s3://bucket/x --name a", exit_codes.REFUSED, "s3://bucket/x"),
    ("query ancestors artifact=urn:uuid:<>", exit_codes.REFUSED, "'urn:uuid:<>' is no IRI"),
    ("query ancestors artifact=pm:<>", exit_codes.REFUSED, "is no IRI"),
    ("query ancestors artifact=ni:///<", exit_codes.REFUSED, "is no IRI"),
    ("show {no_utf8}", exit_codes.REFUSED, "is not UTF-8"),
    ("show {strange}", exit_codes.NOT_FOUND, "is not UTF-8"),
    ("register {strange} --name a", exit_codes.REFUSED, "is not UTF-8"),
    ("register {strange_folder} --name a", exit_codes.REFUSED, "is not UTF-8"),
    ("ls --tag {no_utf8}", exit_codes.REFUSED, "is not UTF-8"),
    ("tag int8 {no_utf8}", exit_codes.REFUSED, "is not UTF-8"),
    ("alias {no_utf8}", exit_codes.REFUSED, "is not UTF-8"),
    ("query ASK{{'{no_utf8}'}}", exit_codes.REFUSED, "is not UTF-8"),
    ("import {strange_folder}", exit_codes.REFUSED, "is not UTF-8"),
    ("import {empty}", exit_codes.REFUSED, "source: String should have at least 1 character"),
]


@pytest.fixture
def registry(chain: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The chain, which no refusal may change."""
    monkeypatch.setenv("PRESSMARK_REGISTRY", str(chain))
    return chain


@pytest.mark.parametrize(("line", "code", "reason"), REFUSED, ids=[line for line, *_ in REFUSED])
def test_what_cannot_be_done_is_refused_with_a_reason(
    cli, registry, tmp_path, monkeypatch, line, code, reason
) -> None:
    file = tmp_path / "file.txt"
    file.write_text("some text")
    (tmp_path / "folder").mkdir()
    strange = tmp_path / "folder" / NO_UTF8
    strange.write_text("some text")
    names = {
        **{"empty": "", "file": file, "missing": tmp_path / "missing", "no_utf8": NO_UTF8},
        **{"strange": strange, "strange_folder": strange.parent},
    }
    monkeypatch.chdir(tmp_path)
    head, found = cli("head").out, sorted(tmp_path.iterdir())
    ran = cli(*(word.format(**names) for word in line.split()))
    assert (ran.code, ran.out) == (code, ""), ran.err
    assert reason.format(**names) in ran.err
    assert "try:" in ran.err
    assert "Traceback" not in ran.err
    assert (cli("head").out, sorted(tmp_path.iterdir())) == (head, found)


def a_process(registry: Path, *arguments: str, first: str = "", stdout: int = subprocess.PIPE):
    return subprocess.run(
        [sys.executable, "-c", RUN.format(first=first), *map(os.fsencode, arguments)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**os.environ, "PRESSMARK_REGISTRY": str(registry)},
        check=False,
    )


@pytest.mark.parametrize("arguments", [["ls"], ["ls", "--json"], ["verify"], ["--help"]])
def test_an_output_that_cannot_be_written_is_no_answer(registry, arguments) -> None:
    with Path("/dev/full").open("wb") as full:
        ran = a_process(registry, *arguments, stdout=full.fileno())
    assert ran.returncode == exit_codes.STORE
    assert b"standard output: No space left on device" in ran.stderr
    assert b"Traceback" not in ran.stderr


@pytest.mark.parametrize(
    "arguments", [["check", "int8"], ["reproduce", "int8"], ["import", "x"], ["eval", "int8"]]
)
def test_without_torch_the_extra_is_named(registry, arguments) -> None:
    ran = a_process(registry, *arguments, first="sys.modules['torch'] = None")
    assert ran.returncode == exit_codes.REFUSED
    assert b"torch" in ran.stderr
    assert b"pip install 'pressmark[compress]'" in ran.stderr
    assert b"Traceback" not in ran.stderr


def test_a_file_whose_name_is_not_text_can_be_asked_about(registry, tmp_path) -> None:
    import json

    file = tmp_path / NO_UTF8
    file.write_bytes(b"strange")
    ran = a_process(registry, "where", str(file), "--json")
    assert ran.returncode == exit_codes.NOT_FOUND
    assert json.loads(ran.stdout)["path"] == str(file)
    assert a_process(registry, "where", str(file)).returncode == exit_codes.NOT_FOUND


@pytest.mark.parametrize("seed", ["-1", str(2**32), "1.5"])
def test_a_seed_that_cannot_be_is_a_wrong_command_line(cli, registry, seed) -> None:
    ran = cli("run", "wanda-int8", "--input", "base", f"--seed={seed}")
    assert ran.code == exit_codes.USAGE
    assert "--seed" in ran.err


def test_an_empty_head_is_not_taken_for_none(cli, registry) -> None:
    """As in --head "$KEPT" where nothing was kept."""
    ran = cli("verify", "int8", "--head", "")
    assert ran.code == exit_codes.ANSWER_IS_NO
    assert "was its head once" in ran.out


@pytest.mark.parametrize(
    "options", [["--blobs", "nowhere://x"], ["--graph", "http://127.0.0.1:9/none"]]
)
def test_a_registry_that_could_not_be_made_can_be_made_again(cli, tmp_path, options) -> None:
    ran = cli("init", tmp_path / "new", *options)
    assert ran.code in (exit_codes.REFUSED, exit_codes.STORE)
    assert cli("-R", tmp_path / "new", "ls").code == exit_codes.NOT_FOUND
    assert cli("init", tmp_path / "new").code == 0
    assert cli("-R", tmp_path / "new", "ls", "--json").json == []


def test_a_damaged_registry_is_not_the_users_mistake(cli, chain, tmp_path) -> None:
    import shutil

    copy = tmp_path / "registry"
    shutil.copytree(chain, copy, symlinks=True)
    (copy / "journal").unlink()
    (copy / "journal").mkdir()
    ran = cli("-R", copy, "ls")
    assert (ran.code, ran.out) == (exit_codes.STORE, "")
    assert str(copy / "journal") in ran.err


def test_a_defect_has_a_status_of_its_own(cli, registry, monkeypatch) -> None:
    from pressmark.registry import lineage

    def broken(*_: object) -> None:
        raise RuntimeError("not thought of")

    monkeypatch.setattr(lineage, "ancestors", broken)
    ran = cli("lineage", "int8")
    assert ran.code == exit_codes.DEFECT
    assert "not thought of" in ran.err
    assert "a defect of Pressmark" in ran.err
