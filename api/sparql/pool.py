"""Workers that answer queries, each in a process that is ended when it takes too long."""

import json
import os
import queue
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Annotated, ClassVar, Final

import anyio
import anyio.to_thread
from pydantic import ConfigDict, Field

from pressmark.api.errors import (
    BusyError,
    MalformedQueryError,
    QueryTimeoutError,
    RequestError,
    TooLargeError,
    WorkerError,
)
from pressmark.api.sparql.worker import READY, Ask, Reply
from pressmark.registry.errors import PressmarkError, StoreDamagedError

_CHUNK: Final = 1 << 16
#: Seconds that a worker may take to start.
_START: Final = 60.0

_Count = Annotated[int, Field(gt=0)]
_Seconds = Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class Limits:
    """What an untrusted query may use.

    Attributes:
        seconds: Wall-clock time of one query.
        megabytes: Address space of a worker, about 300 of which it takes without a query.
        query_bytes: Length of the query's text.
        answer_bytes: Length of the serialised answer.
        rows: Rows of a table.
        workers: Queries that run at once.
        wait: Seconds that a query waits for a free worker.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    seconds: _Seconds = 10.0
    megabytes: Annotated[int, Field(ge=400)] = 2048
    query_bytes: _Count = 100_000
    answer_bytes: _Count = 32 << 20
    rows: _Count = 100_000
    workers: _Count = 2
    wait: _Seconds = 5.0


@dataclass(frozen=True)
class Answer:
    """What a query gave.

    Attributes:
        data: The answer in the format that was asked for.
        sequence: The last journal entry that it knows of.
    """

    data: bytes
    sequence: int


class QueryPool:
    """Answers untrusted queries. Any number of threads may ask.

    A worker is started when it is needed first, and again after it was ended.

    Args:
        snapshots: The registry's folder of snapshots.
        limits: What each query may use.
    """

    def __init__(self, snapshots: Path, limits: Limits) -> None:
        self.limits = limits
        self._snapshots = snapshots
        self._idle: queue.LifoQueue[_Process | None] = queue.LifoQueue()
        for _ in range(limits.workers):
            self._idle.put(None)
        self._turns = anyio.Semaphore(limits.workers)
        self._threads = anyio.CapacityLimiter(limits.workers)
        self._counting = threading.Lock()
        self._results: Counter[str] = Counter()

    def answer(self, ask: Ask) -> Answer:
        """Answers one query.

        Raises:
            BusyError: All workers stayed busy.
            TooLargeError: The query or its answer is too long.
            MalformedQueryError: The engine cannot read the query.
            QueryTimeoutError: It took too long, or too much memory.
            StoreDamagedError: The graph cannot be read.
            WorkerError: The worker ended by itself.
        """
        try:
            answer = self._answer(ask)
        except PressmarkError as error:
            self._count(type(error).__name__.removesuffix("Error"))
            raise
        self._count("Answered")
        return answer

    @property
    def working(self) -> int:
        """How many workers are answering a query."""
        return self.limits.workers - self._idle.qsize()

    @property
    def results(self) -> dict[str, int]:
        """How many queries were answered, or refused with which error."""
        with self._counting:
            return dict(self._results)

    def _count(self, result: str) -> None:
        with self._counting:
            self._results[result] += 1

    def _answer(self, ask: Ask) -> Answer:
        if len(ask.text.encode()) > self.limits.query_bytes:
            raise TooLargeError(f"a query may have {self.limits.query_bytes:,} bytes")
        with self._process() as process:
            reply, data = process.ask(ask, self.limits.seconds)
        if reply.outcome != "answered":
            raise _error(reply)
        return Answer(data, reply.sequence)

    async def answered(self, ask: Ask) -> Answer:
        """Answers one query without keeping a thread busy while it waits for its turn.

        The threads that other requests need are left to them: whatever the queries do, as many
        threads of their own work on them as there are workers.

        Raises:
            BusyError: All workers stayed busy.
            RequestError: What `answer` raises.
        """
        try:
            with anyio.fail_after(self.limits.wait):
                await self._turns.acquire()
        except TimeoutError:
            self._count("Busy")
            raise self._busy() from None
        try:
            return await anyio.to_thread.run_sync(self.answer, ask, limiter=self._threads)
        finally:
            self._turns.release()

    def close(self) -> None:
        """Ends the workers; what they are answering is waited for. It can be used again."""
        taken = [self._idle.get() for _ in range(self.limits.workers)]
        for process in taken:
            if process is not None:
                process.end()
            self._idle.put(None)

    def _busy(self) -> BusyError:
        return BusyError(
            f"{self.limits.workers} queries are running already", "try again in a moment"
        )

    @contextmanager
    def _process(self) -> Iterator["_Process"]:
        try:
            process = self._idle.get(timeout=self.limits.wait)
        except queue.Empty:
            raise self._busy() from None
        try:
            if process is not None and not process.is_alive:
                process.end()
                process = None
            process = process or _Process(self._snapshots, self.limits.megabytes)
            yield process
        finally:
            self._idle.put(process)


class _Process:
    """A worker process and its pipes."""

    def __init__(self, snapshots: Path, megabytes: int) -> None:
        command = [sys.executable, "-P", "-m", "pressmark.api.sparql.worker"]
        self._popen = subprocess.Popen(
            [*command, str(snapshots), str(megabytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
        )
        self._is_ready = False

    @property
    def is_alive(self) -> bool:
        return self._popen.poll() is None

    def ask(self, ask: Ask, seconds: float) -> tuple[Reply, bytes]:
        try:
            self._wait_until_ready()
            deadline = time.monotonic() + seconds
            _pipe(self._popen.stdin).write(json.dumps(asdict(ask)).encode() + b"\n")
            _pipe(self._popen.stdin).flush()
            head, _, rest = self._read_until(b"\n", deadline)
            reply = Reply(**json.loads(head))
            return reply, self._read_count(rest, reply.length, deadline)
        except (EOFError, BrokenPipeError):
            self.end()
            raise _crash(self._popen.returncode) from None
        except BaseException:
            self.end()  # an answer that nobody reads would be taken for the next one's
            raise

    def _wait_until_ready(self) -> None:
        """Its start is no query's fault, however long a busy machine takes for it."""
        if not self._is_ready:
            self._read_until(READY, time.monotonic() + _START)
            self._is_ready = True

    def end(self) -> None:
        self._popen.kill()
        self._popen.wait()
        _pipe(self._popen.stdin).close()
        _pipe(self._popen.stdout).close()

    def _read_until(self, mark: bytes, deadline: float) -> tuple[bytes, bytes, bytes]:
        data = b""
        while mark not in data:
            data += self._read(deadline)
        return data.partition(mark)

    def _read_count(self, begun: bytes, count: int, deadline: float) -> bytes:
        parts, rest = [begun], count - len(begun)
        while rest > 0:
            parts.append(self._read(deadline))
            rest -= len(parts[-1])
        return b"".join(parts)

    def _read(self, deadline: float) -> bytes:
        output = _pipe(self._popen.stdout)
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            if not selector.select(max(deadline - time.monotonic(), 0)):
                raise QueryTimeoutError(
                    "the query took longer than it may",
                    "ask for less: fix a subject or a predicate, shorten paths, add LIMIT",
                )
        if not (data := os.read(output.fileno(), _CHUNK)):
            raise EOFError
        return data


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def _crash(returncode: int | None) -> RequestError:
    # The engine aborts when memory is refused, and when its parser's stack is full.
    if returncode in (-signal.SIGABRT, -signal.SIGKILL, -signal.SIGSEGV):
        return _out_of_memory()
    return WorkerError(f"the query worker ended with status {returncode}", "see the server's log")


def _out_of_memory() -> QueryTimeoutError:
    return QueryTimeoutError(
        "the query needed more memory than it may have",
        "ask for less: avoid ORDER BY and DISTINCT over everything, add LIMIT, nest less deeply",
    )


def _error(reply: Reply) -> Exception:
    match reply.outcome:
        case "malformed":
            return MalformedQueryError(f"the query cannot be read: {reply.detail}")
        case "too-large":
            return TooLargeError(reply.detail, "add LIMIT and OFFSET, or ask for less")
        case "out-of-memory":
            return _out_of_memory()
        case _:
            return StoreDamagedError(reply.detail, "run `pressmark reindex`")
