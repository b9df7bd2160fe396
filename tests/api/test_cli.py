"""Every command, as a user types it."""

import hashlib
import re
import shutil
from pathlib import Path

import pytest

from pressmark.api.cli import exit_codes


@pytest.fixture
def registry(chain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the chain, which is the registry in use."""
    copy = tmp_path / "registry"
    shutil.copytree(chain, copy, symlinks=True)
    monkeypatch.setenv("PRESSMARK_REGISTRY", str(copy))
    return copy


def test_a_missing_registry_is_explained(cli, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = cli("ls")
    assert ran.code == exit_codes.NOT_FOUND
    assert "pressmark init" in ran.err


def test_init_makes_a_registry_that_is_found_from_below(cli, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli("init").code == 0
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")
    assert cli("ls", "--json").json == []


def test_init_takes_a_folder_as_the_hints_say(cli, tmp_path) -> None:
    assert cli("init", tmp_path / "other").code == 0
    assert cli("-R", tmp_path / "other", "ls", "--json").json == []


def test_ls_lists_newest_first(cli, registry) -> None:
    assert [one["name"] for one in cli("ls", "--json").json] == ["int8", "pruned", "base"]
    assert [one["name"] for one in cli("ls", "--kind", "PrunedModel", "--json").json] == ["pruned"]
    found = cli("ls", "--parameter", "bits=8", "--json").json
    assert [one["name"] for one in found] == ["int8"]
    assert "checked" in cli("ls").out


def test_ls_runs(cli, registry) -> None:
    assert cli("ls", "--runs").out.count("succeeded") == 2


@pytest.mark.parametrize("form", ["name", "iri", "prefix", "suffix", "alias", "digest", "path"])
def test_an_artifact_is_named_by_anything_that_fits(cli, registry, tmp_path, form) -> None:
    view = cli("show", "int8", "--json").json
    iri = view["summary"]["iri"]
    weights = next(f for f in view["files"] if f["name"].endswith(".safetensors"))
    cli("alias", "prod", "int8")
    cli("get", "int8", "-o", tmp_path / "out")
    names = {
        "name": "int8",
        "iri": iri,
        "prefix": iri[9:40],
        "suffix": iri[-8:],
        "alias": "prod",
        "digest": weights["sha256"][:12],
        "path": tmp_path / "out" / weights["name"],
    }
    assert cli("show", names[form], "--json").json["summary"]["iri"] == iri


def test_unknown_names_are_refused_with_a_suggestion(cli, registry) -> None:
    ran = cli("show", "int9")
    assert ran.code == exit_codes.NOT_FOUND
    assert "int8" in ran.err
    assert "Traceback" not in ran.err


def test_errors_are_json_when_json_is_asked_for(cli, registry) -> None:
    import json

    ran = cli("show", "int9", "--json")
    assert json.loads(ran.err)["error"] == "NotFoundError"


def test_show_tells_how_many_parameters_are_left(cli, registry) -> None:
    summary = cli("show", "pruned", "--json").json["summary"]
    count, nonzero = summary["parameter_count"], summary["nonzero_parameter_count"]
    assert count / 2 < nonzero < count
    assert f"{count:,}, {nonzero:,} not zero" in cli("show", "pruned").out


def test_lineage_leads_back_to_the_base(cli, registry) -> None:
    text = cli("lineage", "int8").out
    order = [text.index(word) for word in ("quantize/rtn", "prune/magnitude", "import")]
    assert order == sorted(order)
    assert text.count("executed, checked") == 3
    down = cli("lineage", "base", "--down").out
    assert down.index("pruned") < down.index("int8")


def test_query_asks_packaged_questions_and_any_sparql(cli, registry) -> None:
    assert "ancestors" in cli("query").out
    rows = cli("query", "ancestors", "artifact=int8", "--json").json
    assert [row["childName"] for row in rows] == ["int8", "pruned", "base"]
    assert cli("query", "ASK { ?s ?p ?o }").out.strip() == "yes"
    assert cli("query", "ancestors", "artefact=int8").code == exit_codes.REFUSED
    assert cli("query", "ancestor").code == exit_codes.NOT_FOUND
    assert cli("query", "SELECT { nonsense").code == exit_codes.REFUSED


def test_where_knows_a_deployed_file_and_admits_what_it_does_not_know(
    cli, registry, tmp_path
) -> None:
    cli("get", "int8", "-o", tmp_path / "deployed")
    ran = cli("where", tmp_path / "deployed" / "pressmark-model.safetensors")
    assert ran.code == 0
    assert "int8 <- pruned <- base" in ran.out
    stranger = tmp_path / "stranger.bin"
    stranger.write_bytes(b"never seen")
    unknown = cli("where", stranger)
    assert unknown.code == exit_codes.NOT_FOUND
    assert "unknown" in unknown.out


def test_verify_names_a_flipped_byte(cli, registry) -> None:
    assert cli("verify").code == 0
    assert cli("verify", "int8", "--deep").code == 0
    blob = max(
        (p for p in (registry / "blobs").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size
    )
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(data)
    damaged = cli("verify", "--json")
    assert damaged.code == exit_codes.ANSWER_IS_NO
    assert damaged.json["ok"] is False
    assert cli("fsck").code == exit_codes.ANSWER_IS_NO


def test_check_and_reproduce_record_evidence(cli, registry) -> None:
    assert cli("check", "int8").code == 0
    again = cli("reproduce", "int8")
    assert again.code == 0
    assert "the same bytes" in again.out
    assert "executed, reproduced" in cli("lineage", "int8").out


def test_register_with_a_known_and_an_unknown_parent(cli, registry, tmp_path) -> None:
    made = tmp_path / "elsewhere"
    made.mkdir()
    (made / "weights.safetensors").write_bytes(b"made elsewhere")
    ran = cli("register", made, "--name", "chat", "--parent", "base", "--parent", "some-hub/model")
    assert ran.code == 0
    text = cli("lineage", "chat").out
    assert "declared" in text
    assert "some-hub/model" in text
    checked = cli("check", "chat")
    assert checked.code == 0
    told = [line for line in checked.out.splitlines() if "declared" in line]
    assert [line.split()[0] for line in told] == ["chat", "some-hub/model"]
    assert all("nothing to check" in line for line in told)
    assert "import  holds" in checked.out


def test_alias_history(cli, registry) -> None:
    assert cli("alias", "prod", "pruned").code == 0
    assert cli("alias", "prod", "int8").code == 0
    assert [change["name"] for change in cli("alias", "prod", "--json").json] == ["int8", "pruned"]
    assert cli("show", "prod", "--json").json["summary"]["name"] == "int8"
    assert "prod" in cli("alias").out


def test_tag_retire_and_gc(cli, registry) -> None:
    assert cli("tag", "pruned", "reviewed").code == 0
    assert "#reviewed" in cli("ls").out
    assert cli("ls", "--tag", "reviewed", "--json").json[0]["name"] == "pruned"
    assert cli("tag", "pruned", "reviewed", "--remove").code == 0
    assert cli("retire", "int8", "--reason", "superseded").code == 0
    assert "retired" in cli("show", "int8").out
    assert cli("gc", "--dry-run").code == 0
    assert cli("retire", "int8", "--reason", "again").code == exit_codes.REFUSED


def test_backup_restore_push_and_pull(cli, registry, tmp_path) -> None:
    assert cli("backup", tmp_path / "backup").code == 0
    assert cli("-R", tmp_path / "restored", "restore", tmp_path / "backup").code == 0
    assert len(cli("-R", tmp_path / "restored", "ls", "--json").json) == 3
    other = tmp_path / "other"
    assert cli("-R", other, "init").code == 0
    assert cli("push", "pruned", other).code == 0
    assert cli("-R", other, "pull", "int8", registry).code == 0
    assert cli("-R", other, "verify").code == 0
    assert {one["name"] for one in cli("-R", other, "ls", "--json").json} == {
        "base",
        "pruned",
        "int8",
    }


def test_reindex_and_head(cli, registry) -> None:
    before = cli("head", "--json").json
    assert re.fullmatch(r"[0-9a-f]{64}", before["head"])
    assert cli("reindex", "--json").json == {"bundles": before["entries"]}
    assert cli("head", "--json").json == before


def test_report_in_each_format(cli, registry, tmp_path) -> None:
    for suffix, beginning in (
        ("html", b"<!doctype html>"), ("md", b"# Audit report: int8"), ("pdf", b"%PDF"),
        ("jsonld", b"{"),
    ):  # fmt: skip
        file = tmp_path / f"r.{suffix}"
        assert cli("report", "int8", "-o", file).code == 0
        assert file.read_bytes().startswith(beginning)
    page = (tmp_path / "r.html").read_text()
    assert "<svg" in page
    assert "prune/magnitude" in page
    assert "<script" not in page
    assert not re.search(r"<link|src=.https?:|url\(https?:", page)
    assert cli("report", "int8", "-o", tmp_path / "r.docx").code == exit_codes.REFUSED


def test_a_registered_report_is_kept_and_found_by_its_bytes(cli, registry, tmp_path) -> None:
    file = tmp_path / "r.md"
    kept = cli("report", "int8", "-o", file, "--register", "--json").json
    assert hashlib.sha256(file.read_bytes()).hexdigest() == kept["sha256"]
    assert (kept["integrity"], kept["media_type"]) == ("holds", "text/markdown")
    assert "audit report int8.report.md" in cli("where", file).out
    assert [one["iri"] for one in cli("show", "int8", "--json").json["reports"]] == [kept["iri"]]
    assert kept["iri"] in cli("show", "int8").out.replace("\n", "")
    rows = cli("query", "reports", "artifact=int8", "--json").json
    assert [row["sha256"] for row in rows] == [kept["sha256"]]
    assert cli("verify", "int8").code == 0


def test_diff(cli, registry) -> None:
    ran = cli("diff", "base", "pruned")
    assert ran.code == 0
    assert "prune/magnitude" in ran.out


def test_run_dry_run_and_resume_refusal(cli, registry, tmp_path) -> None:
    recipe = tmp_path / "again.yaml"
    recipe.write_text(
        "name: again\ninputs:\n  base:\nsteps:\n"
        "  - step: prune/magnitude\n    name: half\n    parameters: {sparsity: 0.25}\n"
    )
    forecast = cli("run", recipe, "--input", "base", "--dry-run", "--json").json
    assert [step["step"] for step in forecast["steps"]] == ["prune/magnitude"]
    assert "half" not in cli("ls").out
    assert cli("run", recipe, "--input", "base").code == 0
    assert "half" in cli("ls").out
    run = cli("ls", "--runs", "--json").json[0]["run"]
    assert cli("run", "--resume", run).code == exit_codes.REFUSED


def test_every_command_has_help_with_an_example(cli) -> None:
    from typer.main import get_command

    from pressmark.api.cli.app import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    names = "init import register run eval ls show where get lineage diff query report verify check"
    names += " reproduce alias tag retire gc fsck backup restore push pull reindex head demo"
    names += " serve token login logout cancel"
    assert set(commands) == set(names.split())
    grouped = commands.pop("token").commands
    assert grouped
    for name, command in (commands | grouped).items():
        assert "Example: pressmark" in (command.help or ""), name
