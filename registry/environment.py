"""What an activity ran on: the machine, the libraries, the engine and who asked.

Facts are read from the system or not stated; nothing is guessed. The engine is named by its
version, by the commit when it runs from a checkout (with "+dirty" when files differ from it), and
by a digest over the files that are really installed, which holds in every case.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Final

from pressmark.registry import descriptions
from pressmark.registry.errors import PressmarkError
from pressmark.registry.occurrences import Circumstances
from pressmark.registry.record import Description

LIBRARIES: Final = (
    "datasets",
    "gguf",
    "numpy",
    "peft",
    "pydantic",
    "pyoxigraph",
    "pyshacl",
    "pressmark",
    "safetensors",
    "tokenizers",
    "torch",
    "transformers",
)
"""The distributions whose versions can change a result; those not installed are left out."""

STEP_GROUP: Final = "pressmark.steps"
"""The entry point group in which distributions offer steps."""

PACKAGES: Final = ("ontology", "registry", "compression")
"""The parts of Pressmark that make records and bytes; how people reach them changes neither."""

AGENT_VARIABLE: Final = "PRESSMARK_AGENT"

_TELLING_FLAG = re.compile(r"(avx|amx|fma|f16c|sse4|bmi|asimd|sve|bf16|i8mm).*")
_IGNORED_SUFFIXES: Final = frozenset({".pyc", ".pyo"})


@dataclass(frozen=True)
class Engine:
    """Which Pressmark is running.

    Attributes:
        version: The distribution's version.
        source_commit: Commit of the checkout, with "+dirty" when it was changed; or "unknown".
        digest: SHA-256 over names and contents of the installed files, in hex.
    """

    version: str
    source_commit: str
    digest: str

    def describe(self) -> Description:
        """The engine as a shared description."""
        return descriptions.engine(self.version, self.source_commit, self.digest)


@cache
def engine() -> Engine:
    """The running engine, as it was when first asked for.

    Raises:
        PressmarkError: Pressmark is not installed as a distribution, so it has no version.
    """
    try:
        number = version("pressmark")
    except PackageNotFoundError as error:
        raise PressmarkError(
            "Pressmark runs without being installed, so its version is not known",
            "install it: pip install -e '.[all]'",
        ) from error
    return Engine(number, _source_commit(), _installed_digest())


def describe(threads: int) -> Description:
    """This machine and its libraries as a shared description.

    Args:
        threads: How many threads the work uses.

    Raises:
        PressmarkError: The system does not tell its processor.
    """
    model, flags = _processor()
    return descriptions.environment(
        python_version=platform.python_version(),
        platform=platform.platform(),
        cpu_model=model,
        cpu_flags=flags,
        thread_count=threads,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        libraries=libraries(),
    )


def libraries() -> tuple[str, ...]:
    """Name and version of each library that can change a result, sorted; read once a path."""
    return _libraries(tuple(sys.path))


@cache
def _libraries(path: tuple[str, ...]) -> tuple[str, ...]:
    del path  # what is installed depends on it
    found = {name: number for name in LIBRARIES if (number := _version(name))}
    for point in entry_points(group=STEP_GROUP):
        if point.dist is not None:
            found[point.dist.name] = point.dist.version
    return tuple(sorted(f"{name} {number}" for name, number in found.items()))


def step_distribution(name: str) -> str:
    """Name and version of the distribution that offers a step; empty when it cannot be told."""
    for point in entry_points(group=STEP_GROUP, name=name):
        if point.dist is not None:
            return f"{point.dist.name} {point.dist.version}"
    return ""


def agent_id() -> str:
    """The opaque identifier of whoever runs this: from `PRESSMARK_AGENT`, else made once.

    It is kept in the user's configuration folder, says nothing about the person, and can be
    deleted.
    """
    if given := os.environ.get(AGENT_VARIABLE):
        return given
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    file = Path(base) / "pressmark" / "agent"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(secrets.token_hex(8) + "\n", encoding="utf-8")
    return file.read_text(encoding="utf-8").strip()


def circumstances(threads: int = 1, agent: Description | None = None) -> Circumstances:
    """This machine, this engine and whoever asks, for an activity that happens now.

    Args:
        threads: How many threads the activity computes with.
        agent: Who asks; by default the opaque identifier of the user.
    """
    asking = agent or descriptions.agent(agent_id())
    return Circumstances(describe(threads), engine().describe(), asking)


@cache
def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@cache
def _processor() -> tuple[str, tuple[str, ...]]:
    """Name and telling instruction sets of the first processor in /proc/cpuinfo."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError as error:
        raise PressmarkError(f"the processor cannot be told: {error}") from error
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    model = fields.get("model name") or _arm_model(fields)
    flags = (fields.get("flags") or fields.get("Features") or "").split()
    return model, tuple(flag for flag in flags if _TELLING_FLAG.fullmatch(flag))


def _arm_model(fields: dict[str, str]) -> str:
    if "CPU part" not in fields:
        raise PressmarkError("the processor cannot be told: /proc/cpuinfo names no model")
    return f"{platform.machine()} implementer {fields['CPU implementer']} part {fields['CPU part']}"


def _source_commit() -> str:
    """The commit of the checkout this module lies in, if it lies in one that tracks it."""
    file = Path(__file__).resolve()
    if _git(file.parent, "ls-files", "--error-unmatch", file.name) is None:
        return "unknown"
    commit = _git(file.parent, "rev-parse", "HEAD")
    changed = _git(file.parent, "status", "--porcelain", "--", *(f":/{p}" for p in PACKAGES))
    if commit is None or changed is None:
        return "unknown"
    return commit + ("+dirty" if changed else "")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ("git", "--no-optional-locks", "-C", str(folder), *arguments),
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _installed_digest() -> str:
    digest = hashlib.sha256()
    for name, path in sorted(_installed_files()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()


def _installed_files() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for root in map(Path, import_module(f"pressmark.{package}").__path__):
            for path in root.rglob("*"):
                if path.is_file() and path.suffix not in _IGNORED_SUFFIXES:
                    yield f"{package}/{path.relative_to(root).as_posix()}", path
