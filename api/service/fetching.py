"""Files that are fetched from where they are: uploads that the service makes itself.

Each is streamed to the folder of its upload by a thread of a few that do nothing else, so that no
request waits. A fetch that breaks off is gone on with at its last byte where the source names a
version of it (a strong entity tag), also after a restart of the server; without one it begins anew.
"""

import logging
import os
import re
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Final
from urllib.parse import unquote, urlsplit

from pydantic import ConfigDict, Field

from pressmark.api.errors import BusyError, OutboundFailedError
from pressmark.api.outbound.client import Outbound, Reply
from pressmark.api.service.uploads import State, Upload, Uploads
from pressmark.registry.errors import (
    BlobDamagedError,
    InvalidInputError,
    NotFoundError,
    PressmarkError,
)
from pressmark.registry.ids import sha256_file

_LOG: Final = logging.getLogger(__name__)
_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+)")
#: RFC 9110 sections 15.5.9 and 15.5.17, and RFC 6585 section 4: another time it may go well.
_PASSING: Final = frozenset({408, 425, 429})


@dataclass(frozen=True)
class FetchLimits:
    """What may be fetched.

    Attributes:
        at_once: Files that are fetched at the same time.
        waiting: Files that wait for their turn.
        seconds: How long one attempt may take.
        attempts: How often it is tried without a byte of progress.
        pause: Seconds before the second attempt; each further pause is twice as long.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    at_once: Annotated[int, Field(gt=0)] = 4
    waiting: Annotated[int, Field(gt=0)] = 1000
    seconds: Annotated[float, Field(gt=0)] = 86_400.0
    attempts: Annotated[int, Field(gt=0)] = 5
    pause: Annotated[float, Field(ge=0)] = 1.0


class Fetches:
    """The files that are being fetched.

    Args:
        uploads: Where their bytes go.
        outbound: Fetches them.
        limits: How many, and for how long.
    """

    def __init__(self, uploads: Uploads, outbound: Outbound, limits: FetchLimits) -> None:
        self._uploads = uploads
        self._outbound = outbound
        self._limits = limits
        self._threads = self._new_threads()
        self._running: set[Future[None]] = set()
        self._ending = threading.Event()

    @property
    def count(self) -> int:
        """How many files are being fetched, or wait for it."""
        return len(self._running)

    def begin(self, uri: str, name: str | None, sha256: str | None, agent: str) -> Upload:
        """Begins to fetch a file.

        Args:
            uri: Where it is.
            name: What it is called in the artifact; the last part of the URI by default.
            sha256: The digest that its bytes must have.
            agent: Whose upload it is.

        Raises:
            OutboundRefusedError: The address is not called.
            OutboundFailedError: Its host is not known.
            InvalidInputError: The name leads out of a folder.
            BusyError: Too many are waiting.
        """
        self._outbound.check(uri)
        if self.count >= self._limits.at_once + self._limits.waiting:
            raise BusyError("too many files wait for being fetched", "try again later")
        upload = self._uploads.begin_fetch(name or _last_part(uri), uri, sha256, agent)
        self._submit(upload)
        return upload

    def resume(self) -> None:
        """Goes on with what a server before this one had begun."""
        for upload in self._uploads.all():
            if upload.state is State.FETCHING:
                self._submit(upload)

    def close(self) -> None:
        """Breaks off what is under way; whoever resumes goes on with it."""
        self._ending.set()
        self._outbound.close()
        self._threads.shutdown(cancel_futures=True)
        self._threads = self._new_threads()
        self._ending.clear()

    def _new_threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._limits.at_once, thread_name_prefix="fetch")

    def _submit(self, upload: Upload) -> None:
        future = self._threads.submit(self._run, upload)
        self._running.add(future)
        future.add_done_callback(self._running.discard)

    def _run(self, upload: Upload) -> None:
        try:
            self._try_often(upload)
        except FileNotFoundError:
            return  # it was given up
        except (PressmarkError, OSError) as error:
            if not self._ending.is_set():
                self._fail(upload, getattr(error, "message", None) or str(error))
        except Exception:
            _LOG.exception("fetching %s ended with a defect", upload.id)
            self._fail(upload, "a defect of the service ended it; its log says more")

    def _try_often(self, upload: Upload) -> None:
        failures = 0
        while True:
            before = self._size(upload)
            try:
                return self._try(upload)
            except OutboundFailedError:
                failures = 1 if self._size(upload) > before else failures + 1
                if failures >= self._limits.attempts or self._ending.is_set():
                    raise
                self._ending.wait(self._limits.pause * 2 ** (failures - 1))
            upload = self._uploads.get(upload.id, upload.agent)

    def _try(self, upload: Upload) -> None:
        here = self._size(upload)
        if here == 0 or here != upload.size:
            wanted = _range(upload, here)
            with self._outbound.get(upload.uri or "", wanted, self._limits.seconds) as reply:
                upload = self._begun(upload, reply, here)
                self._receive(upload, reply)
        self._finish(upload)

    def _begun(self, upload: Upload, reply: Reply, here: int) -> Upload:
        """Judges the head of an answer: what comes, and where in the file it belongs."""
        _refuse_bad(upload, reply)
        first, size = _place(reply)
        version = _strong_tag(reply)
        if first and (first, size, version) != (here, upload.size, upload.version):
            raise OutboundFailedError("the source sends another part than was asked for")
        self._uploads.expect_room(upload.name, (size or 0) - first)
        os.truncate(self._uploads.path(upload.id), first)
        begun = replace(upload, size=size, version=version)
        self._uploads.keep(begun)
        return begun

    def _receive(self, upload: Upload, reply: Reply) -> None:
        path = self._uploads.path(upload.id)
        with path.open("ab") as file:
            for part in reply.body:
                path.stat()  # fails where the upload was given up
                self._uploads.expect_short(upload.name, file.tell() + len(part))
                file.write(part)
                file.flush()  # whoever asks how far it is sees the file's length
            os.fsync(file.fileno())

    def _finish(self, upload: Upload) -> None:
        path, size = self._uploads.path(upload.id), self._size(upload)
        if upload.size not in (None, size):
            raise OutboundFailedError(f"the source sent {size:,} bytes of {upload.size:,}")
        if upload.sha256 is not None and (found := sha256_file(path)) != upload.sha256:
            os.truncate(path, 0)
            raise BlobDamagedError(f"its bytes have the SHA-256 {found}, not {upload.sha256}")
        self._uploads.keep(replace(upload, state=State.COMPLETE, size=size))

    def _fail(self, upload: Upload, problem: str) -> None:
        with suppress(FileNotFoundError, NotFoundError):  # it was given up
            now = self._uploads.get(upload.id, upload.agent)
            self._uploads.keep(replace(now, state=State.FAILED, problem=problem))

    def _size(self, upload: Upload) -> int:
        return self._uploads.path(upload.id).stat().st_size


def _range(upload: Upload, here: int) -> dict[str, str]:
    """RFC 9110 section 13.1.5: the rest if it is still the same, else all of it."""
    if not here or upload.version is None:
        return {}
    return {"range": f"bytes={here}-", "if-range": upload.version}


def _refuse_bad(upload: Upload, reply: Reply) -> None:
    if reply.status >= 500 or reply.status in _PASSING:
        raise OutboundFailedError(f"the source answers {reply.status}")
    if reply.status not in (200, 206):
        raise InvalidInputError(f"the source answers {reply.status}")
    if reply.headers.get("content-encoding", "identity") != "identity":
        raise InvalidInputError("the source sends other bytes than the file's: they are encoded")
    ends = "content-length" in reply.headers or "transfer-encoding" in reply.headers
    if not ends and upload.sha256 is None:
        raise InvalidInputError(
            "the source does not tell how long the file is, so that its end cannot be recognised",
            "state its sha256",
        )


def _place(reply: Reply) -> tuple[int, int | None]:
    """Offset of an answer's first byte, and the length of the whole file if it is told."""
    if reply.status == 206:
        found = _RANGE.fullmatch(reply.headers.get("content-range", ""))
        if found is None:
            raise OutboundFailedError("the source sends a part and does not tell which")
        return int(found[1]), int(found[2])
    length = reply.headers.get("content-length", "")
    return 0, int(length) if length.isdecimal() else None


def _strong_tag(reply: Reply) -> str | None:
    tag = reply.headers.get("etag", "")
    return tag if tag.startswith('"') else None


def _last_part(uri: str) -> str:
    return unquote(urlsplit(uri).path).rpartition("/")[2]
