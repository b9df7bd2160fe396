"""No space is left, at any write of a command: it says so, and nothing half-stored can be seen."""

import errno
import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from pressmark.api.cli import exit_codes
from pressmark.registry import files
from pressmark.registry.fsck import fsck
from pressmark.registry.registry import Registry


def full_after(writes: int) -> list[files.Operation]:
    """Lets so many file operations succeed, and no other; the list will have those that failed."""
    left = iter(range(writes))
    failed: list[files.Operation] = []

    def trace(operation: files.Operation) -> None:
        if next(left, None) is None:
            failed.append(operation)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    files.trace = trace
    return failed


def test_a_full_disk_while_committing(
    kept: Path, tmp_path: Path, cli: Callable[..., object]
) -> None:
    root = tmp_path / "registry"
    shutil.copytree(kept, root, symlinks=True)
    file = tmp_path / "weights"
    file.write_bytes(os.urandom(5000))
    journal = (root / "journal").read_bytes()
    for writes in itertools.count():
        failed = full_after(writes)
        try:
            ran = cli("-R", root, "register", file, "--name", "full")
        finally:
            files.trace = None
        if not failed:
            break
        assert ran.code == exit_codes.STORE, ran.err
        assert "no space is left" in ran.err.lower()
        assert "try:" in ran.err
        assert "Traceback" not in ran.err
        assert (root / "journal").read_bytes() == journal
        with Registry.open(root) as registry:
            assert fsck(registry, repair=True).sound  # unused blobs are left to `pressmark gc`
    assert ran.code == 0
    assert writes > 5, "a file, a bundle and a journal line take more operations than that"
    assert (root / "journal").read_bytes().startswith(journal)
