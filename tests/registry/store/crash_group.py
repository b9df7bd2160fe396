"""One process of the crash tests: commits in a group, and dies in the middle of it.

Arguments: registry folder, name of the fault point, then files: a record each. Prints the digests
of all records, and a line for each that was acknowledged.
"""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from records import registration
from together import commit_together

from pressmark.registry.faults import FaultPoint
from pressmark.registry.registry import Registry


def main() -> None:
    root, point, *names = sys.argv[1:]
    registry = Registry.open(root)
    first, *others = [registration([Path(name)]) for name in names]
    print(*[record.digest for record in (first, *others)], flush=True)
    for record in (first, *others):
        Path(root, "..", f"{record.digest}.nq").write_bytes(record.nquads)
    passed = 0

    def die(reached: FaultPoint) -> None:
        nonlocal passed
        passed += reached == FaultPoint[point]
        # The first record passes each point but the one that it was held at.
        if passed == 1 + (point != FaultPoint.BEFORE_JOURNAL.name):
            os.kill(os.getpid(), signal.SIGKILL)

    acknowledge = registry.commit

    def commit(record):
        receipt = acknowledge(record)
        os.write(1, f"{record.digest}\n".encode())
        return receipt

    registry.commit = commit
    with registry.writing():
        commit_together(registry, first, others, die)


main()
