import hashlib
import subprocess
from pathlib import Path

import pytest

from pressmark.ontology.terms import PM
from pressmark.registry import environment
from pressmark.registry.environment import AGENT_VARIABLE, agent_id, describe, engine


def values(predicate: object, threads: int = 3) -> list[str]:
    return [q.object.value for q in describe(threads).quads if q.predicate == predicate]


def test_the_machine_is_described_by_what_the_system_says() -> None:
    cpuinfo = Path("/proc/cpuinfo").read_text()
    assert values(PM.cpuModel)[0] in cpuinfo
    assert all(f" {flag}" in cpuinfo for flag in values(PM.cpuFlags)[0].split())
    assert values(PM.threadCount) == ["3"]
    total_kib = Path("/proc/meminfo").read_text().split()[1]
    assert abs(int(values(PM.memoryBytes)[0]) - int(total_kib) * 1024) < 1 << 20


def test_libraries_are_named_with_their_versions() -> None:
    import torch

    assert f"torch {torch.__version__}" in values(PM.libraryVersion)


def test_the_description_is_the_same_each_time_and_depends_on_the_threads() -> None:
    assert describe(2).iri == describe(2).iri
    assert describe(2).iri != describe(3).iri


@pytest.mark.usefixtures("example_steps")
def test_distributions_that_offer_steps_belong_to_the_environment() -> None:
    assert "pressmark-example 1.0" in values(PM.libraryVersion)
    assert environment.step_distribution("example/append") == "pressmark-example 1.0"
    assert environment.step_distribution("none/such") == ""


def test_the_engine_is_named_by_what_is_installed() -> None:
    commit = engine().source_commit
    assert len(engine().digest) == len(hashlib.sha256().hexdigest())
    assert commit == "unknown" or len(commit.removesuffix("+dirty")) == 40
    assert engine().describe().iri == engine().describe().iri


def test_a_checkout_tells_its_commit_and_whether_it_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "compression" / "environment.py"
    module.parent.mkdir()
    module.write_text("x = 1\n")
    git = ("git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "Begin"]):
        subprocess.run([*git, *arguments], check=True)
    head = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()
    monkeypatch.setattr(environment, "__file__", str(module))
    assert environment._source_commit() == head
    module.write_text("x = 2\n")
    assert environment._source_commit() == f"{head}+dirty"
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "elsewhere.py"))
    assert environment._source_commit() == "unknown"


def test_the_agent_is_opaque_and_stays_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(AGENT_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    first = agent_id()
    assert len(first) == 16
    assert agent_id() == first
    monkeypatch.setenv(AGENT_VARIABLE, "team-7")
    assert agent_id() == "team-7"
