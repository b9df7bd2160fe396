"""Errors read alike, wherever they come from: see `pressmark.api.cli.output`."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from pressmark.api.cli import exit_codes
from pressmark.compression import errors as compression
from pressmark.registry import errors as registry
from pressmark.registry.errors import PressmarkError

ROOT = Path(__file__).parents[2]
NAMES = ("Oxigraph", "Pressmark", "Python")


def texts() -> Iterator[tuple[str, str, str]]:
    """Each literal message and hint of an error: where it is, how it begins and how it ends."""
    for package in ("registry", "compression", "api"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("Error"):
                    for text in call.args[:2]:
                        place = f"{path.relative_to(ROOT)}:{call.lineno}"
                        parts = text.values if isinstance(text, ast.JoinedStr) else [text]
                        if all(isinstance(p, ast.Constant | ast.FormattedValue) for p in parts):
                            first, last = _literal(parts[0]), _literal(parts[-1])
                            yield place, first, last


def _literal(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else ""


def test_errors_are_clauses_in_lower_case_without_a_full_stop() -> None:
    found = list(texts())
    assert len(found) > 300
    wrong = [
        place
        for place, first, last in found
        if (first[:1].isupper() and first[1:2].islower() and not first.startswith(NAMES))
        or (last.endswith(".") and not last.endswith("..."))
    ]
    assert wrong == []


def kinds(kind: type[PressmarkError]) -> Iterator[type[PressmarkError]]:
    """An error class and all below it."""
    yield kind
    for below in kind.__subclasses__():
        yield from kinds(below)


@pytest.mark.parametrize("kind", [registry.StoreDamagedError, compression.ModelFileError])
def test_an_error_without_a_hint_of_its_own_has_that_of_its_class(kind) -> None:
    assert kind("it broke").hint == kind.advice
    assert kind("it broke", "mend it").hint == "mend it"


def test_every_class_of_errors_says_what_to_try() -> None:
    for kind in kinds(PressmarkError):
        assert kind.advice
        assert kind.advice[0].islower()
        assert not kind.advice.endswith(".")


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "int9"),
        ("alias", "stagin"),
        ("verify", "nothing-like-it"),
        ("query", "ancestor"),
        ("run", "no-such-recipe"),
        ("run", "--resume", "abcd"),
        ("ls", "--kind", "PrunedModl"),
        ("ls", "--limit", "0"),
        ("get", "int8", "-o", "/"),
        ("where", "/nowhere"),
        ("restore", "/nowhere"),
        ("-R", "/nowhere", "ls"),
    ],
    ids=" ".join,
)
def test_every_error_says_what_to_try(cli, chain, monkeypatch, arguments) -> None:
    monkeypatch.setenv("PRESSMARK_REGISTRY", str(chain))
    ran = cli(*arguments)
    assert ran.code in (exit_codes.NOT_FOUND, exit_codes.REFUSED)
    error, _, hint = ran.err.partition("\ntry:   ")
    assert error.startswith("error: ")
    assert hint.strip()
    assert error.removeprefix("error: ")[0] in "'/" or error.removeprefix("error: ")[0].islower()
