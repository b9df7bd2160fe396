"""Fills a registry with very many records, without waiting for a disk at each of them.

A hundred thousand single commits would only measure the filling. Bundles and journal lines are
written as a commit leaves them, but synced once at the end, and the graph is then rebuilt in bulk.
Nothing is validated: the records must conform.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from pressmark.registry.journal import Entry
from pressmark.registry.layout import object_key
from pressmark.registry.record import Record
from pressmark.registry.registry import Registry


def fill(registry: Registry, records: Iterable[Record]) -> int:
    """Adds records to a registry whose blobs are in a local folder.

    Returns:
        The number of records in the registry.
    """
    blobs = Path(registry.config.location(registry.root, registry.config.blobs))
    with registry.writing():
        last = registry.journal.last()
        with (registry.root / "journal").open("ab") as journal:
            for record in records:
                bundle = blobs / object_key(record.digest)
                bundle.parent.mkdir(exist_ok=True)
                bundle.write_bytes(record.nquads)
                last = Entry.following(last, record.digest)
                journal.write(last.line)
        registry.reindex()
    # Else the next commits would wait for the disk to take in all of this.
    os.sync()
    return registry.journal.refresh()
