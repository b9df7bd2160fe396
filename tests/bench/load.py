"""A load generator: many HTTP clients in one thread, each with one connection that is kept.

Runs as a process of its own, so that it shares no interpreter with a server, and prints what it saw
as JSON::

    load.py PLAN.json       goes through the plan that `run_load` wrote
    load.py --nothing       serves a fixed answer, to find out how much the generator can send

Requests are prepared bytes: what is measured costs it some 50 microseconds for each answer. It
sends what the plan holds and ends; it gives up when `LONGEST` seconds are over.
"""

import asyncio
import json
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Generator, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

LONGEST: Final = 300.0
_BLOCK: Final = 1 << 20

Exchange = Generator[bytes, bytes, None]
"""What one client says, request by request: it is sent the body of each answer."""


@dataclass(frozen=True)
class Load:
    """What a load generator saw.

    Attributes:
        took: Seconds from the first request to the last answer.
        seconds: Seconds of each exchange that succeeded, in the order of their ends.
        failures: What the server said to the others.
    """

    took: float
    seconds: list[float]
    failures: list[str]

    @property
    def rate(self) -> float:
        """Successful exchanges per second."""
        return len(self.seconds) / self.took


def request(method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """An HTTP/1.1 request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def run_load(port: int, clients: int, messages: Iterable[bytes]) -> Load:
    """Let another process send requests, each an exchange of its own."""
    return _run({"port": port, "clients": clients, "messages": [m.decode() for m in messages]})


def run_mlflow_load(port: int, clients: int, count: int, experiment: str) -> Load:
    """Let another process make registrations in MLflow."""
    return _run({"port": port, "clients": clients, "count": count, "experiment": experiment})


def begin_load(port: int, clients: int, messages: Iterable[bytes]) -> "subprocess.Popen[bytes]":
    """Begin to send requests in another process; its output is for nobody."""
    plan = {"port": port, "clients": clients, "messages": [m.decode() for m in messages]}
    process = subprocess.Popen(
        [sys.executable, __file__, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(plan).encode())
    process.stdin.close()
    return process


def _run(plan: dict[str, object]) -> Load:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(plan, file)
        file.flush()
        command = [sys.executable, __file__, file.name]
        done = subprocess.run(command, check=True, capture_output=True, timeout=2 * LONGEST)
    return Load(**json.loads(done.stdout))


def main(plan: dict[str, object]) -> Load:
    """Go through a plan."""
    port, clients = int(str(plan["port"])), int(str(plan["clients"]))
    if isinstance(messages := plan.get("messages"), list):
        return drive(port, clients, [single(message.encode()) for message in messages])
    experiment = str(plan["experiment"])
    return drive(
        port, clients, [mlflow_registration(experiment) for _ in range(int(str(plan["count"])))]
    )


def single(message: bytes) -> Exchange:
    """An exchange of one request."""
    yield message


def mlflow_registration(experiment: str) -> Exchange:
    """One recorded step in MLflow: a run, five parameters in one batch, a model version."""
    answer = yield _mlflow("runs/create", experiment_id=experiment, start_time=_now())
    run = json.loads(answer)["run"]["info"]
    values = {"sparsity": 0.5, "samples": 128, "length": 512, "seed": 0, "pattern": "none"}
    parameters = [{"key": key, "value": str(value)} for key, value in values.items()]
    yield _mlflow("runs/log-batch", run_id=run["run_id"], params=parameters)
    version = {"name": "model", "source": run["artifact_uri"], "run_id": run["run_id"]}
    yield _mlflow("model-versions/create", **version)


def _now() -> int:
    return int(time.time() * 1000)


def _mlflow(path: str, **content: object) -> bytes:
    body = json.dumps(content).encode()
    return request("POST", f"/api/2.0/mlflow/{path}", body, {"Content-Type": "application/json"})


# -- clients -----------------------------------------------------------------------------------


class RefusedError(Exception):
    """The server did not do what it was asked."""


@dataclass
class Client:
    """One connection, and the exchange that it is in."""

    socket: socket.socket
    exchange: Exchange
    began: float
    received: bytearray = field(default_factory=bytearray)


def drive(port: int, clients: int, exchanges: Iterable[Exchange]) -> Load:
    """Let clients go through exchanges, each as soon as its last one is over.

    Args:
        port: Where the server listens, on loopback.
        clients: How many connections.
        exchanges: What is to be said, in order; whoever is free takes the next.

    Raises:
        TimeoutError: Not all was said in `LONGEST` seconds.
    """
    left = deque(exchanges)
    opened = [socket.create_connection(("127.0.0.1", port)) for _ in range(min(clients, len(left)))]
    seconds: list[float] = []
    failures: list[str] = []
    began = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        for connection in opened:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client = Client(connection, left.popleft(), time.perf_counter())
            selector.register(connection, selectors.EVENT_READ, client)
            connection.sendall(next(client.exchange))
        while selector.get_map():
            if time.perf_counter() - began > LONGEST:
                raise TimeoutError(f"not done after {LONGEST:.0f} seconds")
            for key, _ in selector.select(timeout=1.0):
                if _is_over(key.data, seconds, failures) and not _began_next(key.data, left):
                    selector.unregister(key.fileobj)
    took = time.perf_counter() - began
    for connection in opened:
        connection.close()
    return Load(took, seconds, failures)


def _is_over(client: Client, seconds: list[float], failures: list[str]) -> bool:
    """Take in what a server sent, and go on; tells whether that was the end of an exchange."""
    try:
        body = _received(client)
        if body is None:
            return False
        client.socket.sendall(client.exchange.send(body))
    except StopIteration:
        seconds.append(time.perf_counter() - client.began)
        return True
    except RefusedError as error:
        failures.append(str(error))
        return True
    return False


def _received(client: Client) -> bytes | None:
    """The body of an answer that is complete, else None."""
    block = client.socket.recv(_BLOCK)
    # Else a server that sends head and body apart waits 40 ms for a delayed acknowledgement.
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    if not block:
        raise ConnectionError("the server closed the connection")
    client.received += block
    head, end, body = bytes(client.received).partition(b"\r\n\r\n")
    if not end or len(body) < _length(head):
        return None
    client.received.clear()
    if not 200 <= int(head[9:12]) < 300:
        raise RefusedError((head[9:] + b" " + body[:1000]).decode(errors="replace"))
    return body


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def _began_next(client: Client, left: "deque[Exchange]") -> bool:
    if not left:
        return False
    client.exchange, client.began = left.popleft(), time.perf_counter()
    client.socket.sendall(next(client.exchange))
    return True


# -- a server that does nothing ----------------------------------------------------------------


class Nothing(asyncio.Protocol):
    """Answers 204 to each block of bytes that arrives."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self._transport = transport

    def data_received(self, _: bytes) -> None:
        """Answer."""
        assert isinstance(self._transport, asyncio.WriteTransport)
        self._transport.write(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")


async def serve_nothing() -> None:
    """Print the port, and answer for half a minute."""
    server = await asyncio.get_running_loop().create_server(Nothing, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(30)


if __name__ == "__main__":
    if sys.argv[1] == "--nothing":
        asyncio.run(serve_nothing())
    else:
        text = sys.stdin.read() if sys.argv[1] == "-" else Path(sys.argv[1]).read_text()
        print(json.dumps(asdict(main(json.loads(text)))))
