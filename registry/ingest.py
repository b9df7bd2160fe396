"""Storing a long stream: read once, hashed twice, written once, in constant memory."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from pressmark.registry.errors import InvalidInputError
from pressmark.registry.hashing import Digest, Lane, Ring
from pressmark.registry.layout import ChunkRef, Layout
from pressmark.registry.storage import BLOCK_BYTES, Batch, Storage, Upload

_OPEN_UPLOADS: Final = 32
# One after the other, each `fsync` waits for the disk; side by side they share its commits.
_PUBLISHERS: Final = 8


class Publisher(Protocol):
    """The part of a blob store that ingesting needs."""

    storage: Storage

    def publish(self, upload: Upload, digest: str, length: int, batch: Batch) -> None:
        """Keep an upload under its digest, or drop it where that is here already."""

    def put_layout(self, digest: str, layout: Layout, batch: Batch) -> None:
        """Keep how a file is put together."""


class LazyUpload:
    """An upload that touches the storage only when it is long, or is really needed."""

    def __init__(self, storage: Storage, size: int = 0) -> None:
        self._storage = storage
        self._size = size
        self._first: bytes | None = None
        self._upload: Upload | None = None

    def write(self, data: memoryview | bytes) -> None:
        """Append bytes; the first piece stays in memory."""
        if self._first is None:
            self._first = bytes(data)
        else:
            self._opened().write(data)

    def publish(self, key: str, batch: Batch) -> None:
        """Put all that was written under a key."""
        self._opened().publish(key, batch)

    def discard(self) -> None:
        """Forget what was written."""
        if self._upload is not None:
            self._upload.discard()

    def _opened(self) -> Upload:
        if self._upload is None:
            self._upload = self._storage.upload(self._size)
            self._upload.write(self._first or b"")
        return self._upload


class Ingest:
    """Stores one stream: reads and writes here, hashes file and chunks on two more threads.

    Args:
        store: Where to.
        batch: Collects the names that are to be made durable.
        path: Name of the stream, for errors.
    """

    def __init__(self, store: Publisher, batch: Batch, path: Path) -> None:
        self._store = store
        self._batch = batch
        self._path = path
        self._ring = Ring()
        self._slots = threading.BoundedSemaphore(_OPEN_UPLOADS)

    def run(self, stream: BinaryIO, spans: tuple[tuple[int, int], ...]) -> str:
        """Store a stream cut at the given offsets, and give its SHA-256."""
        if len(spans) == 1:
            return self._whole(stream, spans[0][1])
        # The syncing threads are left first: what is queued there must end before its hashes do.
        with Lane() as files_lane, Lane() as chunks, ThreadPoolExecutor(_PUBLISHERS) as publishers:
            whole = files_lane.digest()
            published: list[Future[ChunkRef]] = []
            for start, end in spans:
                part = chunks.digest()
                upload = self._copy(stream, end - start, (whole, part))
                job = (upload, part.hexdigest(), end - start)
                published.append(publishers.submit(self._publish, *job))
            layout = Layout(tuple(future.result() for future in published))
            digest = whole.hexdigest().result()
        self._store.put_layout(digest, layout, self._batch)
        return digest

    def _whole(self, stream: BinaryIO, size: int) -> str:
        if size <= BLOCK_BYTES:  # most files are smaller than it takes to start a thread
            return self._small(stream, size)
        with Lane() as lane:
            whole = lane.digest()
            upload = self._copy(stream, size, (whole,))
            return self._publish(upload, whole.hexdigest(), size).digest

    def _small(self, stream: BinaryIO, size: int) -> str:
        data = stream.read(size)
        if len(data) != size:
            raise self._shrank()
        digest = hashlib.sha256(data).hexdigest()
        upload = LazyUpload(self._store.storage)
        upload.write(data)
        self._store.publish(upload, digest, size, self._batch)
        return digest

    def _shrank(self) -> InvalidInputError:
        return InvalidInputError(
            f"{self._path} shrank while it was read", "try again when it is not in use"
        )

    def _copy(self, stream: BinaryIO, length: int, digests: tuple[Digest, ...]) -> Upload:
        self._slots.acquire()
        upload = LazyUpload(self._store.storage, length)
        copied = 0
        try:
            for block in self._ring.blocks(stream, length):
                for digest in digests:
                    digest.update(block)
                upload.write(block.data)
                copied += len(block.data)
            if copied != length:
                raise self._shrank()
        except BaseException:
            upload.discard()
            raise
        return upload

    def _publish(self, upload: Upload, digest: Future[str], length: int) -> ChunkRef:
        try:
            self._store.publish(upload, digest.result(), length, self._batch)
        finally:
            self._slots.release()
        return ChunkRef(digest.result(), length)
