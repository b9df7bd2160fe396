"""What is retired or refuted says so wherever it is listed, taken out or built upon."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyoxigraph import NamedNode

from pressmark.api.cli import exit_codes
from pressmark.ontology.terms import PM
from pressmark.registry import activities, environment
from pressmark.registry.ids import new_iri, sub_iri, utc_now
from pressmark.registry.occurrences import Finding, Occurrence, Usage
from pressmark.registry.registry import Registry
from pressmark.registry.search import resolve


@pytest.fixture
def registry(chain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A copy of the chain, which is the registry in use."""
    copy = tmp_path / "registry"
    shutil.copytree(chain, copy, symlinks=True)
    monkeypatch.setenv("PRESSMARK_REGISTRY", str(copy))
    with Registry.open(copy) as opened:
        yield opened


def refute(registry: Registry, artifact: NamedNode) -> None:
    """Record a check that refutes how an artifact was made."""
    now = utc_now()
    activity = Occurrence(
        iri=new_iri(),
        started_at=now,
        ended_at=now,
        circumstances=environment.circumstances(),
        usages=(Usage(artifact, PM.subjectRole, now),),
    )
    finding = Finding(
        iri=new_iri(),
        about=sub_iri(artifact, "derivation-0"),
        holds=False,
        claims=("at least 0.5 of every row is zero",),
        found_at=now,
    )
    registry.commit(activities.evidence(activity, PM.Check, [finding]))


@pytest.fixture
def refuted(registry: Registry) -> Registry:
    """The chain, in which the pruning is refuted."""
    refute(registry, resolve(registry, "pruned"))
    return registry


@pytest.fixture
def retired(cli, registry: Registry) -> Registry:
    """The chain, of which the pruned model is retired."""
    assert cli("retire", "pruned", "--reason", "superseded").code == 0
    return registry


def test_lists_tell_what_is_refuted_and_what_is_retired(cli, refuted) -> None:
    assert cli("retire", "int8", "--reason", "superseded").code == 0
    listed = {line.split()[0]: line for line in cli("ls").out.splitlines()[1:]}
    assert " retired, executed, refuted " in listed["int8"]
    assert " executed, refuted " in listed["pruned"]
    assert " executed, checked " in listed["base"]
    assert not any("retired" in listed[name] for name in ("pruned", "base"))


RECIPE = """\
name: again
inputs:
  base:
steps:
  - step: quantize/rtn
    name: int4
    parameters: {bits: 4}
"""


@pytest.fixture
def lines(tmp_path: Path) -> dict[str, list[object]]:
    """Commands that take an artifact out, build upon it or promise something about it."""
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    Registry.create(tmp_path / "other").close()
    return {
        "get": ["get", "int8", "-o", tmp_path / "out"],
        "alias": ["alias", "prod", "int8"],
        "push": ["push", "int8", tmp_path / "other"],
        "pull": ["-R", tmp_path / "other", "pull", "int8", tmp_path / "registry"],
        "run": ["run", tmp_path / "recipe.yaml", "--input", "int8", "--dry-run"],
        "eval": ["eval", "int8", "--data", "nothing-like-it"],
    }


@pytest.mark.parametrize("command", ["get", "alias", "push", "pull", "run", "eval"])
@pytest.mark.parametrize("what", ["refuted", "retired"])
def test_whoever_uses_it_is_warned_once(cli, registry, lines, command, what, request) -> None:
    assert "warning" not in cli(*lines[command]).err
    shutil.rmtree(lines["get"][-1], ignore_errors=True)  # type: ignore[call-overload]
    request.getfixturevalue(what)
    ran = cli(*lines[command])
    assert ran.code == (exit_codes.REFUSED if command == "eval" else 0)
    (warning,) = [line for line in ran.err.splitlines() if "warning:" in line]
    assert "pruned" in warning
    assert what in warning
    assert "warning" not in ran.out


def test_a_retired_artifact_itself_is_named(cli, registry, tmp_path) -> None:
    assert cli("retire", "int8", "--reason", "superseded").code == 0
    ran = cli("get", "int8", "-o", tmp_path / "out", "--json")
    assert len(ran.json) > 1
    assert "int8" in ran.err
    assert "is retired" in ran.err


def test_a_refutation_is_no_damage(cli, refuted) -> None:
    ran = cli("verify", "int8")
    assert ran.code == exit_codes.ANSWER_IS_NO
    results = {line.split()[0]: line.split()[-1] for line in ran.out.splitlines()[1:7]}
    assert results.pop("evidence") == "refuted"
    assert set(results.values()) == {"ok"}
