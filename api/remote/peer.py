"""A registry behind a server as one side of a transfer; see `pressmark.registry.transfer`."""

import os
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

from pyoxigraph import NamedNode

from pressmark.api.errors import RangeError, UnreachableError
from pressmark.api.remote.connection import ATTEMPTS, Connection
from pressmark.api.remote.reading import RemoteReader
from pressmark.api.remote.upload import Uploader
from pressmark.registry.errors import BlobDamagedError
from pressmark.registry.facts import node
from pressmark.registry.hashing import Seen
from pressmark.registry.ids import sha256_file
from pressmark.registry.progress import SILENT
from pressmark.registry.transfer import Peer

T = TypeVar("T")

_MANY: Final = 5000
_FEW: Final = 200


class RemotePeer(Peer):
    """A registry behind a server that gives or gets a history.

    Args:
        connection: The server.
    """

    def __init__(self, connection: Connection) -> None:
        self.name = connection.url
        self._connection = connection

    def history(self, artifact: NamedNode) -> Iterator[tuple[str, bytes]]:
        place = f"/v1/artifacts/{artifact.value}/history"
        for digest in self._connection.member(list[str], "bundles", place):
            with tempfile.TemporaryDirectory(prefix="pressmark-bundle-") as folder:
                path = Path(folder) / digest
                self.fetch(digest, path, lambda _: None)
                yield digest, path.read_bytes()

    def sizes(self, digests: Collection[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for some in batches(sorted(digests), _MANY):
            found |= self._told(dict[str, int], "sizes", "/v1/transfers/blobs", some)
        return found

    def fetch(self, digest: str, target: Path, seen: Seen) -> None:
        failures = 0
        with target.open("wb") as file:
            while not self._continued(digest, file.fileno(), seen):
                failures += 1
                if failures == ATTEMPTS:
                    raise UnreachableError(f"{self.name} breaks off whenever it sends {digest}")
                self._connection.wait(failures)
        if sha256_file(target) != digest:
            raise BlobDamagedError(
                f"{self.name} gave other bytes than those of {digest}",
                "repeat the transfer; if it happens again: pressmark fsck there",
            )

    def _continued(self, digest: str, descriptor: int, seen: Seen) -> bool:
        """Goes on with a file; whether it was whole at the end."""
        place = os.fstat(descriptor).st_size
        headers = {"Accept": "application/octet-stream", "Accept-Encoding": "identity"}
        if place:
            headers["Range"] = f"bytes={place}-"
        try:
            with self._connection.stream("GET", f"/v1/blobs/{digest}", headers=headers) as sent:
                for data in sent.iter_bytes():
                    os.pwrite(descriptor, data, place)
                    place += len(data)
                    seen(len(data))
        except UnreachableError:
            return False
        except RangeError:  # it broke off after its last byte
            return True
        return True

    def unknown(self, bundles: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for some in batches(bundles, _MANY):
            found |= set(self._told(list[str], "unknown", "/v1/transfers/bundles", some))
        return found

    def retired(self, artifacts: Collection[NamedNode]) -> set[NamedNode]:
        reader, found = RemoteReader(self._connection), set[NamedNode]()
        for some in batches(sorted(artifacts, key=lambda one: one.value), _FEW):
            found |= {node(row, "artifact") for row in reader.rows("retirements", artifact=some)}
        return found

    @contextmanager
    def receiving(self) -> Iterator[None]:
        yield  # what is sent is younger than what the server's gc removes

    def take(self, source: Peer, sizes: Mapping[str, int], seen: Seen) -> list[str]:
        there = self.sizes(sizes)
        for digest in there:
            seen(sizes[digest])
        missing = [digest for digest in sizes if digest not in there]
        for digest in missing:
            with tempfile.TemporaryDirectory(prefix="pressmark-transfer-") as folder:
                path = Path(folder) / digest
                source.fetch(digest, path, seen)
                (sent,) = Uploader(self._connection).send({digest: path}, SILENT)
            stored = {"upload": sent.upload, "sha256": digest}
            self._connection.send(dict[str, Any], "POST", "/v1/blobs", json=stored)
        return missing

    def commit(self, bundles: Iterable[tuple[str, bytes]], absent: Collection[str]) -> None:  # noqa: ARG002 - the server finds out itself
        texts = [nquads.decode() for _, nquads in bundles]
        if texts:
            body = {"bundles": texts}
            self._connection.send(
                dict[str, Any], "POST", "/v1/transfers", json=body, repeatable=True
            )

    def _told(self, kind: type[T], member: str, place: str, digests: Sequence[str]) -> T:
        asked = {"digests": digests}
        return self._connection.member_of(kind, member, "POST", place, json=asked, repeatable=True)


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Items in lists of a size; the last may be shorter."""
    left = iter(items)
    while some := list(islice(left, size)):
        yield some
