"""One query worker: reads questions from standard input, answers on standard output.

The parent (`pressmark.api.sparql.pool`) ends it when an answer takes too long; an answer that needs
too much memory, or a query so deep that the engine's parser overflows its stack, ends it as well.
Nothing is lost by that: it holds a read-only copy of the graph and nothing else.

A message is one line of JSON, in answers followed by ``length`` bytes.
"""

import csv
import io
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Final

from pyoxigraph import (
    BlankNode,
    DefaultGraph,
    NamedNode,
    QueryBoolean,
    QueryResultsFormat,
    QuerySolutions,
    QueryTriples,
    RdfFormat,
    Store,
)

from pressmark.api.sparql.sandbox import forbid_sockets, limit_memory
from pressmark.registry.snapshots import Snapshot, Snapshots

#: What a worker says first.
READY: Final = b"ready\n"


@dataclass(frozen=True)
class Ask:
    """A query for a worker.

    Attributes:
        text: The query.
        format: Name of pyoxigraph's format for the answer.
        union: Whether its default graph is the union of all graphs.
        default_graphs: IRIs of the graphs that are its default graph; None: as the query says.
        named_graphs: IRIs of its named graphs; None: all, or as the query says.
        max_bytes: The longest answer.
        max_rows: The most rows of a table.
    """

    text: str
    format: str
    union: bool = True
    default_graphs: tuple[str, ...] | None = None
    named_graphs: tuple[str, ...] | None = None
    max_bytes: int = 32 << 20
    max_rows: int = 100_000


@dataclass(frozen=True)
class Reply:
    """A worker's answer, without its bytes.

    Attributes:
        outcome: ``answered``, ``malformed``, ``too-large``, ``out-of-memory`` or ``failed``.
        detail: What is wrong; "" if answered.
        sequence: The last journal entry that the graph held.
        length: How many bytes follow.
    """

    outcome: str
    detail: str = ""
    sequence: int = 0
    length: int = 0


class _OverLimitError(Exception):
    """The answer is longer than it may be."""


class _Sink(io.BytesIO):
    """Bytes in memory, up to a limit."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def write(self, data: object, /) -> int:
        count = super().write(data)  # type: ignore[arg-type]
        if self.tell() > self._limit:
            raise _OverLimitError(f"the answer is longer than {self._limit:,} bytes")
        return count


class Worker:
    """Answers queries over the newest snapshot of a registry's graph.

    Args:
        snapshots: The registry's folder of snapshots.
    """

    def __init__(self, snapshots: Path) -> None:
        self._snapshots = Snapshots(snapshots)
        self._open: Snapshot | None = None

    def answer(self, ask: Ask) -> tuple[Reply, bytes]:
        """Answers one query; whatever is wrong with it becomes part of the reply."""
        snapshot = self._newest()
        if snapshot is None:
            return Reply("failed", "there is no snapshot of the graph to read"), b""
        try:
            data = _answer(snapshot.graph.store, ask)
        except _OverLimitError as error:
            return Reply("too-large", str(error)), b""
        except (SyntaxError, ValueError) as error:
            return Reply("malformed", str(error)), b""
        except MemoryError:
            return Reply("out-of-memory"), b""
        except OSError as error:
            return Reply("failed", str(error)), b""
        return Reply("answered", "", snapshot.sequence, len(data)), data

    def _newest(self) -> Snapshot | None:
        if self._open is None or self._open.name != self._snapshots.current():
            self._open = self._snapshots.open() or self._open
        return self._open


def _answer(store: Store, ask: Ask) -> bytes:
    found = store.query(
        ask.text,
        use_default_graph_as_union=ask.union,
        default_graph=_default_graph(ask.default_graphs),
        named_graphs=_named_graphs(ask.named_graphs),
    )
    sink = _Sink(ask.max_bytes)
    if isinstance(found, QueryTriples):
        found.serialize(sink, getattr(RdfFormat, ask.format))
        return sink.getvalue()
    assert isinstance(found, QuerySolutions | QueryBoolean)
    found.serialize(sink, getattr(QueryResultsFormat, ask.format))
    data = sink.getvalue()
    if isinstance(found, QuerySolutions) and (rows := _rows(data, ask.format)) > ask.max_rows:
        raise _OverLimitError(f"the answer has {rows:,} rows, more than {ask.max_rows:,}")
    return data


def _rows(data: bytes, format_name: str) -> int:
    """Counts the rows of a serialised table: the engine writes it in one go, without counting."""
    match format_name:
        case "JSON":
            return len(json.loads(data)["results"]["bindings"])
        case "XML":
            return data.count(b"<result>")  # in text, < is escaped
        case "TSV":
            return data.count(b"\n") - 1  # in terms, line ends are escaped
        case _:
            return sum(1 for _ in csv.reader(io.StringIO(data.decode(), newline=""))) - 1


def _default_graph(
    names: tuple[str, ...] | None,
) -> list[NamedNode | BlankNode | DefaultGraph] | DefaultGraph | None:
    if names is None:
        return None
    # No name at all means an empty default graph, which the store's own is.
    return [NamedNode(name) for name in names] if names else DefaultGraph()


def _named_graphs(names: tuple[str, ...] | None) -> list[NamedNode | BlankNode] | None:
    return None if names is None else [NamedNode(name) for name in names]


def serve(worker: Worker, source: BinaryIO, target: BinaryIO) -> None:
    """Answers message after message, until the parent closes the pipe."""
    for line in source:
        asked = json.loads(line)
        for name in ("default_graphs", "named_graphs"):
            asked[name] = None if asked[name] is None else tuple(asked[name])
        reply, data = worker.answer(Ask(**asked))
        target.write(json.dumps(asdict(reply)).encode() + b"\n" + data)
        target.flush()


def main() -> None:
    """``python -m pressmark.api.sparql.worker SNAPSHOTS MEGABYTES``."""
    snapshots, megabytes = sys.argv[1:]
    limit_memory(int(megabytes))
    forbid_sockets()
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    serve(Worker(Path(snapshots)), sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
