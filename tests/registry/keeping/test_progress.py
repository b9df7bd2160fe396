"""Long work on a registry tells how far it is, byte by byte where files are large."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pressmark.registry.backup import backup, restore
from pressmark.registry.fsck import fsck
from pressmark.registry.progress import counting
from pressmark.registry.registry import Registry
from pressmark.registry.transfer import export_artifact, push
from pressmark.registry.verify import verify, verify_all

T = TypeVar("T")


class Watched:
    """Notes, for each loop, how many rounds were promised and how many there were."""

    def __init__(self) -> None:
        self.loops: dict[str, tuple[int | None, int]] = {}

    def track(
        self, iterable: Iterable[T], total: int | None = None, label: str = ""
    ) -> Iterator[T]:
        """Yield the items."""
        self.loops[label] = (total, 0)
        for done, item in enumerate(iterable, start=1):
            yield item
            self.loops[label] = (total, done)


@pytest.mark.parametrize("amounts", [[], [1] * 7, [3, 3], [2, 40]])
def test_counting_is_a_loop_over_units(amounts: list[int]) -> None:
    watched = Watched()
    with counting(watched, 7, "bytes", unit=3) as seen:
        for amount in amounts:
            seen(amount)
        before = watched.loops["bytes"][1]
    assert before == min(sum(amounts) // 3, 3)
    assert watched.loops == {"bytes": (3, 3)}


def test_each_long_work_keeps_what_its_bars_promise(workshop: Any, tmp_path: Path) -> None:
    registry, noise = workshop.registry, workshop.noise.randbytes(3_500_000)
    base = workshop.base(workshop.model(embedding=noise))
    pruned = workshop.prune(base)
    target = Registry.create(tmp_path / "target")
    works = {
        "verify": lambda bars: verify(registry, pruned, deep=True, progress=bars),
        "verify_all": lambda bars: verify_all(registry, progress=bars),
        "fsck": lambda bars: fsck(registry, progress=bars),
        "backup": lambda bars: backup(registry, tmp_path / "backup", progress=bars),
        "archive": lambda bars: backup(registry, tmp_path / "backup.tar", progress=bars),
        "restore": lambda bars: restore(tmp_path / "backup", tmp_path / "one", progress=bars),
        "unpack": lambda bars: restore(tmp_path / "backup.tar", tmp_path / "two", progress=bars),
        "push": lambda bars: push(registry, target, base, progress=bars),
        "push again": lambda bars: push(registry, target, base, progress=bars),
        "get": lambda bars: export_artifact(registry, base, tmp_path / "got", progress=bars),
        "reindex": lambda bars: registry.reindex(progress=bars),
    }
    for name, work in works.items():
        watched = Watched()
        work(watched)
        assert watched.loops, name
        assert all(total == done for total, done in watched.loops.values()), (name, watched.loops)
        if name in ("verify", "verify_all", "restore", "push", "get"):
            assert max(done for _, done in watched.loops.values()) >= 4, (name, watched.loops)
