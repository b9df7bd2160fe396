"""Content-addressed bytes: a file is named by its SHA-256, and stored once.

A safetensors file is kept as the chunks that `pressmark.registry.layout` cuts it into, plus a
layout named by the digest of the *file*; so a step that leaves a tensor alone does not store it
again. Everything else, malformed safetensors files included, is kept whole. Laws: what was put is
read back byte for byte; putting it again changes nothing; a digest is never believed, it is
computed from the bytes, on the way in and on the way out.

On disk::

    objects/a/bcdef…   bytes under their own digest: whole files and chunks
    layouts/a/bcdef…   JSON lists of chunks, under the digest of the file that they make
    tmp/               files being written; what a crash leaves here means nothing
    lock               see `pressmark.registry.leases`
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import filterfalse
from pathlib import Path
from typing import BinaryIO, Final, cast

from pressmark.registry import files
from pressmark.registry.assembly import Assembled
from pressmark.registry.errors import BlobDamagedError, BlobMissingError, InvalidInputError
from pressmark.registry.hashing import Lane, Ring, Seen, sha256_stream, unseen
from pressmark.registry.ingest import Ingest, LazyUpload
from pressmark.registry.layout import (
    LAYOUTS,
    OBJECTS,
    PACK_BYTES,
    ChunkRef,
    Header,
    Layout,
    chunk_spans,
    digest_of,
    is_key,
    layout_key,
    object_key,
    read_header,
)
from pressmark.registry.leases import Lease
from pressmark.registry.storage import (
    BLOCK_BYTES,
    Batch,
    LocalStorage,
    Storage,
    Upload,
    full_disk_named,
    open_storage,
    reserve,
)

_HEAL: Final = "run pressmark fsck --repair, then pressmark pull or restore to get the bytes back"


@dataclass(frozen=True, order=True)
class Damage:
    """Bytes that are not what they should be.

    Attributes:
        file: SHA-256 of the stored file that is damaged.
        blob: SHA-256 under which the damaged bytes lie (a chunk, or the file itself).
        start: Offset in the file of the first byte that may be wrong.
        end: Offset after the last one.
        tensors: Names of the tensors that have bytes in that range; empty where there are none.
        problem: What is wrong, for a person.
    """

    file: str
    blob: str
    start: int
    end: int
    tensors: tuple[str, ...]
    problem: str

    def __str__(self) -> str:
        names = f" (tensor {', '.join(self.tensors)})" if self.tensors else ""
        return f"file {self.file}, bytes {self.start} to {self.end}{names}: {self.problem}"


class BlobStore:
    """Blobs in a local folder or at any URL that fsspec opens.

    Args:
        url: A path or ``file://`` URL (made if missing), or ``memory://…``, ``s3://…`` and so on.
        lock: Lock file of a store that is not local. Without one, garbage collection there relies
            on its grace period alone.

    Methods that take a digest expect 64 lowercase hexadecimal digits, and raise InvalidInputError
    for anything else: a digest becomes a path.
    """

    def __init__(self, url: str | Path, *, lock: Path | None = None) -> None:
        self.url = os.fspath(url)
        self.storage: Storage = open_storage(url, (OBJECTS, LAYOUTS))
        if isinstance(self.storage, LocalStorage):
            lock = self.storage.root / "lock"
        self._lease = Lease(lock)
        self._thread = threading.local()

    # -- storing ---------------------------------------------------------------------------------

    def put_bytes(self, data: bytes) -> str:
        """Store bytes.

        Returns:
            Their SHA-256.

        Raises:
            StorageFullError: The disk is full; nothing was stored.
        """
        digest = hashlib.sha256(data).hexdigest()
        with self._lease.shared(), self.batch() as batch, full_disk_named(self.url):
            upload = LazyUpload(self.storage)
            upload.write(data)
            self.publish(upload, digest, len(data), batch)
        return digest

    def put_file(self, path: Path | str, expected: str | None = None) -> str:
        """Store a file, reading it once in constant memory.

        Args:
            path: A regular file.
            expected: Its supposed digest. Where the store has that already, the file is only
                hashed, and nothing is written if the digest is true.

        Returns:
            The SHA-256 of the bytes that were stored.

        Raises:
            InvalidInputError: Not a regular file, or it shrank while it was read.
            StorageFullError: The disk is full; no file was stored (chunks may have been).
        """
        path = Path(path)
        size = _regular_size(path)
        with self._lease.shared(), self.batch() as batch, path.open("rb", buffering=0) as raw:
            stream = cast(BinaryIO, raw)
            if expected is not None and self._keep(expected, stream, batch):
                return expected
            with full_disk_named(self.url):
                return Ingest(self, batch, path).run(stream, _spans(stream, size, path))

    def receive(self, source: BlobStore, digest: str, seen: Seen = unseen) -> bool:
        """Take a file from another store, chunk by chunk, and only the chunks that are new.

        Whatever its chunks, `seen` is told of all of its bytes as they come.

        Returns:
            Whether it was not here yet.

        Raises:
            BlobMissingError: The other store lacks it or a part of it.
            BlobDamagedError: What arrived has another digest; it is not kept as this file.
        """
        with self._lease.shared(), self.batch() as batch, full_disk_named(self.url):
            if keys := self._keys(digest):
                for key in keys:
                    self.storage.touch(key, batch)
                seen(self.size(digest))
                return False
            layout = source.layout(digest)
            if layout is None or source.storage.size(object_key(digest)) is not None:
                self._receive_object(source, ChunkRef(digest, source.size(digest)), batch)
                seen(source.size(digest))
            else:
                self._receive_chunks(source, digest, layout, batch, seen)
            return True

    def _receive_chunks(
        self, source: BlobStore, digest: str, layout: Layout, batch: Batch, seen: Seen
    ) -> None:
        for chunk in layout.chunks:
            if self.storage.size(object_key(chunk.digest)) != chunk.length:
                self._receive_object(source, chunk, batch)
            seen(chunk.length)
        with Assembled(self.storage, layout) as stream:
            if sha256_stream(cast(BinaryIO, stream)) != digest:
                raise source._damaged(digest)
        self.put_layout(digest, layout, batch)

    def _receive_object(self, source: BlobStore, chunk: ChunkRef, batch: Batch) -> None:
        where = Path(f"{source.url}/{chunk.digest}")
        with source.storage.open(object_key(chunk.digest)) as stream:
            found = Ingest(self, batch, where).run(stream, ((0, chunk.length),))
        if found != chunk.digest:
            raise source._damaged(chunk.digest)

    @property
    def is_lockable(self) -> bool:
        """Whether storing can be locked out while blobs are collected."""
        return self._lease.is_real

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Keep what is stored inside safe from garbage collection until it is journalled."""
        with self._lease.shared():
            yield

    @contextmanager
    def collecting(self, wait: float = 10.0) -> Iterator[None]:
        """Keep everybody from storing, while blobs are removed.

        Raises:
            StoreLockedError: Somebody was still storing after `wait` seconds.
        """
        with self._lease.exclusive(wait):
            yield

    @contextmanager
    def batch(self) -> Iterator[Batch]:
        """Make many writes cheap: names become durable at the end, each folder synced once.

        Batches nest (the outermost counts), and each thread has its own.
        """
        outer: Batch | None = getattr(self._thread, "batch", None)
        if outer is not None:
            yield outer
            return
        self._thread.batch = Batch()
        try:
            yield self._thread.batch
            self._thread.batch.sync()
        finally:
            self._thread.batch = None

    def put_layout(self, digest: str, layout: Layout, batch: Batch) -> None:
        """Store how a file is put together; its chunks' names are made durable first."""
        key, data = layout_key(digest), layout.to_bytes()
        if self.storage.size(key) == len(data):
            self.storage.touch(key, batch)
            return
        batch.sync()
        upload = self.storage.upload()
        try:
            upload.write(data)
            upload.publish(key, batch)
        finally:
            upload.discard()

    def _keep(self, digest: str, stream: BinaryIO, batch: Batch) -> bool:
        """Tell whether a stream's bytes are here already, and keep them from being collected."""
        keys = self._keys(digest)
        if keys and sha256_stream(stream) == digest:
            for key in keys:
                self.storage.touch(key, batch)
            return True
        stream.seek(0)
        return False

    def _keys(self, digest: str) -> list[str]:
        """Give every key that a file consists of; none where a part is missing."""
        if self.storage.size(object_key(digest)) is not None:
            return [object_key(digest)]
        layout = self.layout(digest)
        if layout is None:
            return []
        keys = [object_key(chunk.digest) for chunk in layout.chunks]
        complete = all(
            self.storage.size(key) == chunk.length
            for key, chunk in zip(keys, layout.chunks, strict=True)
        )
        return [*keys, layout_key(digest)] if complete else []

    def publish(self, upload: Upload, digest: str, length: int, batch: Batch) -> None:
        """Keep an upload under its digest, or drop it where that is here already."""
        key = object_key(digest)
        try:
            if self.storage.size(key) == length:
                self.storage.touch(key, batch)
            else:
                upload.publish(key, batch)
        finally:
            upload.discard()

    # -- finding ---------------------------------------------------------------------------------

    def has(self, digest: str) -> bool:
        """Tell whether a file is here; `verify` tells whether it is whole."""
        return (
            self.storage.size(object_key(digest)) is not None
            or self.storage.size(layout_key(digest)) is not None
        )

    def size(self, digest: str) -> int:
        """Give a file's length in bytes.

        Raises:
            BlobMissingError: It is not here.
        """
        size = self.storage.size(object_key(digest))
        return self._layout(digest).size if size is None else size

    def layout(self, digest: str) -> Layout | None:
        """Give the chunks of a file, or None where it is kept whole or not at all.

        Raises:
            BlobDamagedError: The layout is not readable.
        """
        key = layout_key(digest)
        try:
            with self.storage.open(key) as stream:
                return Layout.from_bytes(stream.read(), f"the layout of {digest}")
        except BlobMissingError:
            return None
        except InvalidInputError as error:
            raise BlobDamagedError(error.message, _HEAL) from error

    def digests(self) -> Iterator[str]:
        """List the digest of every file and chunk that is here, in no order."""
        whole = set(self.objects())
        yield from whole
        yield from (digest for digest in self.layouts() if digest not in whole)

    def objects(self) -> Iterator[str]:
        """List the digests of all bytes that are stored under their own digest."""
        return map(digest_of, filter(is_key, self.storage.keys(OBJECTS)))

    def layouts(self) -> Iterator[str]:
        """List the digests of all files that are stored as chunks."""
        return map(digest_of, filter(is_key, self.storage.keys(LAYOUTS)))

    def foreign(self) -> Iterator[str]:
        """List the keys that no digest leads to: somebody else put them here."""
        for folder in (OBJECTS, LAYOUTS):
            yield from filterfalse(is_key, self.storage.keys(folder))

    # -- reading ---------------------------------------------------------------------------------

    def open(self, digest: str) -> BinaryIO:
        """Open a file for reading and seeking, *without* checking its digest.

        Raises:
            BlobMissingError: It is not here.
        """
        if self.storage.size(object_key(digest)) is not None:
            return self.storage.open(object_key(digest))
        return cast(BinaryIO, Assembled(self.storage, self._layout(digest)))

    def read(self, digest: str) -> bytes:
        """Read a whole file and check its digest.

        Raises:
            BlobMissingError: It is not here.
            BlobDamagedError: The bytes have another digest.
        """
        with self.open(digest) as stream:
            data = stream.read()
        if hashlib.sha256(data).hexdigest() != digest:
            raise self._damaged(digest)
        return data

    def materialise(
        self, digest: str, target: Path | str, *, durable: bool = False, seen: Seen = unseen
    ) -> None:
        """Write a file, checking its digest meanwhile; the target appears whole or not at all.

        Args:
            digest: Which file.
            target: Where to; an existing file is replaced.
            durable: Whether the file must survive a power cut when this returns.
            seen: Is told how many bytes were written, again and again.

        Raises:
            BlobMissingError: It is not here, or a chunk of it is not.
            BlobDamagedError: The bytes have another digest; the message names the tensors.
            StorageFullError: The target's disk is full.
        """
        target = Path(target)
        with full_disk_named(str(target)), files.PendingFile(target.parent) as pending:
            self._copy(digest, pending.file, seen)
            if durable:
                pending.publish(target)
            else:
                pending.file.close()
                pending.path.replace(target)

    def _copy(self, digest: str, target: BinaryIO, seen: Seen) -> None:
        """Write a file's bytes, hashing them meanwhile."""
        if self.size(digest) <= BLOCK_BYTES:  # most are smaller than it takes to start a thread
            seen(target.write(self.read(digest)))
            return
        reserve(target, self.size(digest))
        with self.open(digest) as stream, Lane() as lane:
            whole = lane.digest()
            for block in Ring().blocks(stream):
                whole.update(block)
                seen(target.write(block.data))
            found = whole.hexdigest().result()
        if found != digest:
            raise self._damaged(digest)

    def delete(self, digest: str) -> None:
        """Remove a file; chunks of it that are left alone are for garbage collection."""
        for key in (layout_key(digest), object_key(digest)):
            self.storage.remove(key)

    # -- checking --------------------------------------------------------------------------------

    def verify(self, digest: str, seen: Seen = unseen) -> list[Damage]:
        """Compare a file with its digest; `seen` is told how many bytes were read, while it is.

        Hashing the re-assembled file is enough to accept it; only where that fails is every chunk
        hashed, to say which tensor it is.

        Returns:
            What is wrong, by offset; nothing where the file is whole.
        """
        try:
            with self.open(digest) as stream:
                if sha256_stream(stream, seen) == digest:
                    return []
        except BlobMissingError as error:
            if not self.has(digest):
                return [Damage(digest, digest, 0, 0, (), error.message)]
        except BlobDamagedError as error:
            return [Damage(digest, digest, 0, 0, (), error.message)]
        return self._locate(digest)

    def _locate(self, digest: str) -> list[Damage]:
        layout = self.layout(digest)
        if layout is None or self.storage.size(object_key(digest)) is not None:
            return [Damage(digest, digest, 0, self.size(digest), (), "the bytes were changed")]
        header = self._header(layout, digest)
        found = [
            Damage(
                digest,
                chunk.digest,
                offset,
                offset + chunk.length,
                header.overlapping(offset, offset + chunk.length) if header else (),
                problem,
            )
            for offset, chunk in layout.placed()
            if (problem := self.chunk_problem(chunk))
        ]
        wrong_layout = "the layout lists other chunks than those of this file"
        return found or [Damage(digest, digest, 0, layout.size, (), wrong_layout)]

    def chunk_problem(self, chunk: ChunkRef) -> str:
        """Tell what is wrong with a chunk, or "" where it is whole."""
        size = self.storage.size(object_key(chunk.digest))
        if size is None:
            return f"the chunk {chunk.digest} is missing"
        if size != chunk.length:
            return f"the chunk {chunk.digest} has {size} bytes instead of {chunk.length}"
        with self.storage.open(object_key(chunk.digest)) as stream:
            if sha256_stream(stream) != chunk.digest:
                return f"the bytes of the chunk {chunk.digest} were changed"
        return ""

    def _header(self, layout: Layout, digest: str) -> Header | None:
        """Read the tensors' names from a stored file, if its header can still be read."""
        try:
            with io.BufferedReader(Assembled(self.storage, layout)) as stream:
                return read_header(cast(BinaryIO, stream), layout.size, digest)
        except (InvalidInputError, BlobMissingError):
            return None

    def _layout(self, digest: str) -> Layout:
        layout = self.layout(digest)
        if layout is None:
            raise BlobMissingError(f"the blob {digest} is not in {self.url}", _HEAL)
        return layout

    def _damaged(self, digest: str) -> BlobDamagedError:
        damages = "\n".join(f"  - {damage}" for damage in self._locate(digest))
        return BlobDamagedError(f"the blob {digest} in {self.url} is damaged:\n{damages}", _HEAL)


def _regular_size(path: Path) -> int:
    status = path.stat()  # before opening: that would wait for ever on a named pipe
    if not stat.S_ISREG(status.st_mode):
        raise InvalidInputError(f"{path} is not a regular file", "only files can be stored")
    return status.st_size


def _spans(stream: BinaryIO, size: int, path: Path) -> tuple[tuple[int, int], ...]:
    """Decide how to cut a file; anything but a well-formed safetensors file stays whole."""
    whole = ((0, size),)
    if size <= PACK_BYTES:
        return whole
    try:
        return chunk_spans(read_header(stream, size, str(path)))
    except InvalidInputError:
        return whole
    finally:
        stream.seek(0)
