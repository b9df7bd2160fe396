"""One process of the crash tests: commits twice, and dies in the second commit.

Arguments: registry folder, name of the fault point, then the files of the first record (one) and of
the second one (the rest). Prints the digest of each record before and "acknowledged" after it was
committed.
"""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from records import registration

from pressmark.registry import faults
from pressmark.registry.registry import Registry


def die_at(point: faults.FaultPoint) -> None:
    def hook(reached: faults.FaultPoint) -> None:
        if reached == point:
            os.kill(os.getpid(), signal.SIGKILL)

    faults.hook = hook


def main() -> None:
    root, point, first, *others = sys.argv[1:]
    registry = Registry.open(root)
    for files, fatal in ([first], None), (others, faults.FaultPoint[point]):
        record = registration([Path(name) for name in files])
        Path(root, "..", f"{record.digest}.nq").write_bytes(record.nquads)
        if fatal:
            die_at(fatal)
        print(record.digest, flush=True)
        registry.commit(record)
        print("acknowledged", flush=True)


main()
