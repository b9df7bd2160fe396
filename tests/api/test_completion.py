"""What a shell offers after TAB, asked as bash asks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = "import sys; from pressmark.api.cli import main; sys.argv[0] = 'pressmark'; main()"


def completed(line: str, **environment: str) -> list[str]:
    """What is offered for the last word of a line."""
    words = line.split(" ")
    asked = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("PRESSMARK_")},
            **environment,
            "_PRESSMARK_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.stderr == ""
    return asked.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("pressmark show ", ["base", "int8", "pruned"]),
        ("pressmark lineage pr", ["pruned"]),
        ("pressmark verify int8 --dee", ["--deep"]),
        ("pressmark eval int8 --parent b", ["base"]),
        ("pressmark run gguf", ["gguf-wanda-int8"]),
        ("pressmark run demo --input b", ["base"]),
        ("pressmark query ance", ["ancestors"]),
        ("pressmark query results_by", []),
        ("pressmark line", ["lineage"]),
    ],
)
def test_names_are_offered(chain: Path, line: str, offered: list[str]) -> None:
    assert completed(line, PRESSMARK_REGISTRY=str(chain)) == offered


def test_the_registry_may_be_named_in_the_line_or_be_missing(chain: Path, tmp_path: Path) -> None:
    assert completed(f"pressmark -R {chain} show in") == ["int8"]
    assert completed(f"pressmark -R {tmp_path} show ") == []


def test_completing_loads_nothing_heavy(chain: Path) -> None:
    script = (
        "import sys, pressmark.api.cli; from pressmark.api.cli.app import app; "
        "sys.argv = ['pressmark', '-R', sys.argv[1], 'ls']; app(standalone_mode=False); "
        "print(*{'torch', 'transformers', 'pyshacl', 'rdflib', 'numpy'} & set(sys.modules))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(chain)], capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines()[-1] == ""
