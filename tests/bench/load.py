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
from dataclasses import asdict, dataclass, replace
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
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=2 * LONGEST)
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


class Client:
    """One connection, and the exchange that it is in.

    Args:
        port: Where the server listens, on loopback.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._received = bytearray()
        self.connect()

    def connect(self) -> None:
        """Open a connection."""
        self.socket = socket.create_connection(("127.0.0.1", self._port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def begin(self, exchange: Exchange) -> None:
        """Send the first request of an exchange."""
        self._exchange, self.began = exchange, time.perf_counter()
        self.socket.sendall(next(exchange))

    def go_on(self) -> bool:
        """Take in what the server sent, and send the next request after an answer.

        Returns:
            Whether that was the end of the exchange.

        Raises:
            RefusedError: The answer was no success.
        """
        body = self._answer()
        if body is None:
            return False
        try:
            self.socket.sendall(self._exchange.send(body))
        except StopIteration:
            return True
        return False

    def _answer(self) -> bytes | None:
        """The body of an answer that is complete, else None."""
        block = self.socket.recv(_BLOCK)
        # Else a server that sends head and body apart waits 40 ms for a delayed acknowledgement.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        self._received += block
        head, end, body = bytes(self._received).partition(b"\r\n\r\n")
        if block and (not end or len(body) < _length(head)):
            return None
        self._received.clear()
        if not block:
            self.socket.close()
            self.connect()
            raise RefusedError("the server closed the connection")
        if not 200 <= int(head[9:12]) < 300:
            raise RefusedError((head[9:] + b" " + body[:1000]).decode(errors="replace"))
        return body


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
    free = [Client(port) for _ in range(min(clients, len(left)))]
    load = Load(0.0, [], [])
    began = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        while free or selector.get_map():
            for client in free:
                if left:
                    client.begin(left.popleft())
                    selector.register(client.socket, selectors.EVENT_READ, client)
            free = [key.data for key, _ in selector.select(1.0) if _is_over(selector, key, load)]
            if time.perf_counter() - began > LONGEST:
                raise TimeoutError(f"not done after {LONGEST:.0f} seconds")
    return replace(load, took=time.perf_counter() - began)


def _is_over(selector: selectors.BaseSelector, key: selectors.SelectorKey, load: Load) -> bool:
    """Go on with an exchange; tells whether it is over, and notes how it went."""
    client: Client = key.data
    try:
        if not client.go_on():
            return False
    except RefusedError as error:
        load.failures.append(str(error))
    else:
        load.seconds.append(time.perf_counter() - client.began)
    selector.unregister(key.fileobj)
    return True


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


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
