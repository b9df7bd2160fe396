"""Requests to addresses that others name, against real servers on loopback."""

import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pressmark.api.errors import OutboundFailedError, OutboundRefusedError
from pressmark.api.outbound.client import Outbound, Reply
from pressmark.api.outbound.guard import Policy

from .loopback import Serve, listening, send

LOOPBACK = Policy(http=True, allowed=("127.0.0.1",))


@pytest.fixture
def outbound() -> Iterator[Outbound]:
    client = Outbound(LOOPBACK)
    yield client
    client.close()


def whole(client: Outbound, url: str, seconds: float = 10) -> tuple[Reply, bytes]:
    with client.get(url, {}, seconds) as reply:
        return reply, b"".join(reply.body)


def test_a_resource_is_fetched(serve: Serve, outbound: Outbound) -> None:
    seen: list[tuple[str, dict[str, str]]] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        seen.append((handler.path, dict(handler.headers)))
        send(handler, b"abc" * 100_000, ETag='"1"')

    base = serve(answer)
    reply, body = whole(outbound, f"{base}/a%20b?c=d#e")
    assert (reply.status, reply.headers["etag"], body) == (200, '"1"', b"abc" * 100_000)
    assert seen[0][0] == "/a%20b?c=d"
    assert {name.lower(): value for name, value in seen[0][1].items()} == {
        "host": base.removeprefix("http://"),
        "user-agent": "Pressmark",
        "accept-encoding": "identity",
    }


def test_loopback_is_refused_by_default(serve: Serve) -> None:
    asked: list[str] = []
    url = serve(lambda handler: asked.append(handler.path))
    for policy in (Policy(http=True), Policy(http=True, allowed=("10.0.0.0/8", "other"))):
        with pytest.raises(OutboundRefusedError), Outbound(policy).get(url, {}, 5):
            pass
        with pytest.raises(OutboundRefusedError):
            Outbound(policy).post(url, {}, b"", 5)
    assert not asked


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "//example.org/",
        "example.org",
        "https://",
        "https:///x",
        "https://user:secret@example.org/",
        "https://user@example.org/",
        "https://exa mple.org/",
        "https://example.org:99999/",
        "https://example.org\r\nHost: internal/",
        "https://example.org/" + "a" * 5000,
        "",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(OutboundRefusedError) as caught:
        Outbound(Policy(allowed=("example.org",))).check(url)
    assert "secret" not in caught.value.message


def test_a_name_is_looked_up_once_and_its_address_called(serve: Serve) -> None:
    """DNS rebinding: a second look-up would give another address."""
    asked: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.headers["Host"])
        send(handler, b"inside")

    port = serve(answer).rpartition(":")[2]
    given = iter([["127.0.0.1"], ["127.0.0.2"]])
    client = Outbound(LOOPBACK, resolve=lambda *_: next(given))
    assert whole(client, f"http://models.example:{port}/")[1] == b"inside"
    assert asked == [f"models.example:{port}"]
    with pytest.raises(OutboundRefusedError):  # the next request's address is checked again
        whole(client, f"http://models.example:{port}/")
    assert len(asked) == 1


def test_the_next_address_is_tried_where_one_does_not_answer(serve: Serve) -> None:
    port = serve(lambda handler: send(handler, b"ok")).rpartition(":")[2]
    client = Outbound(
        Policy(http=True, allowed=("127.0.0.0/8",)), resolve=lambda *_: ["127.0.0.9", "127.0.0.1"]
    )
    assert whole(client, f"http://two.example:{port}/")[1] == b"ok"


def test_each_hop_of_a_redirect_is_checked(serve: Serve, outbound: Outbound) -> None:
    inside: list[str] = []
    secret = serve(lambda handler: inside.append(handler.path)).replace("127.0.0.1", "127.0.0.2")
    refused = [secret, "http://[::1]/", "http://169.254.169.254/", "file:///etc/passwd"]
    for place in refused:
        url = serve(lambda handler, place=place: send(handler, b"", 302, Location=place))  # type: ignore[misc]
        with pytest.raises(OutboundRefusedError):
            whole(outbound, url)
    assert not inside


def test_a_redirect_is_followed_a_few_times(serve: Serve, outbound: Outbound) -> None:
    def down(handler: BaseHTTPRequestHandler) -> None:
        count = int(handler.path[1:])
        send(
            handler,
            b"there",
            308 if count else 200,
            **({"Location": f"/{count - 1}"} if count else {}),
        )

    url = serve(down)
    reply, body = whole(outbound, f"{url}/5")
    assert (reply.url, body) == (f"{url}/0", b"there")
    with pytest.raises(OutboundFailedError, match="more than 5 times"):
        whole(outbound, f"{url}/6")


def test_a_post_is_not_sent_on(serve: Serve, outbound: Outbound) -> None:
    seen: list[bytes] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        seen.append(handler.rfile.read(int(handler.headers["Content-Length"])))
        send(handler, b"", 307, Location="/elsewhere")

    assert outbound.post(serve(answer), {"content-type": "text/plain"}, b"hello", 10).status == 307
    assert seen == [b"hello"]


def drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(1000):
        handler.wfile.write(b".")
        time.sleep(0.1)


def test_a_slow_server_does_not_hold_anybody_for_longer_than_said(
    serve: Serve, outbound: Outbound
) -> None:
    def ignore_the_end(handler: BaseHTTPRequestHandler) -> None:
        try:
            drip(handler)
        except OSError:
            handler.close_connection = True

    began = time.monotonic()
    with pytest.raises(OutboundFailedError, match=r"took too long|timed out"):
        whole(outbound, serve(ignore_the_end), seconds=0.5)
    assert time.monotonic() - began < 20


def test_closing_ends_what_is_under_way(serve: Serve, outbound: Outbound) -> None:
    waiting, done = threading.Event(), threading.Event()

    def never(_: BaseHTTPRequestHandler) -> None:
        waiting.set()
        done.wait(30)

    url = serve(never)
    failures: list[OutboundFailedError] = []

    def ask() -> None:
        try:
            whole(outbound, url, seconds=60)
        except OutboundFailedError as error:
            failures.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert waiting.wait(10)
    outbound.close()
    thread.join(10)
    done.set()
    assert len(failures) == 1
    with pytest.raises(OutboundFailedError, match="ending"):
        whole(outbound, url)


def test_an_answer_that_breaks_off_is_no_answer(serve: Serve, outbound: Outbound) -> None:
    def half(handler: BaseHTTPRequestHandler) -> None:
        send(handler, b"half", Content_Length="100")
        handler.close_connection = True

    with pytest.raises(OutboundFailedError, match="gave no whole answer"):
        whole(outbound, serve(half))


def test_nobody_listens(outbound: Outbound) -> None:
    with pytest.raises(OutboundFailedError, match=r"127\.0\.0\.1"):
        whole(outbound, "http://127.0.0.1:1/")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for models.example that vouches for itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "models.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("models.example")]), False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def test_the_certificate_must_be_the_name_s_though_an_address_is_called(certificate: Path) -> None:
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    trusted = ssl.create_default_context(cafile=str(certificate))
    client = Outbound(
        Policy(allowed=("127.0.0.1",)), resolve=lambda *_: ["127.0.0.1"], trusted=trusted
    )
    with listening(lambda handler: send(handler, b"secret")) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        port = server.server_port
        assert whole(client, f"https://models.example:{port}/")[1] == b"secret"
        with pytest.raises(OutboundFailedError, match="certificate"):
            whole(client, f"https://other.example:{port}/")
        with pytest.raises(OutboundFailedError, match="certificate"):  # nobody here trusts it
            whole(
                Outbound(client.policy, resolve=lambda *_: ["127.0.0.1"]),
                f"https://models.example:{port}/",
            )
    assert names == ["models.example", "other.example", "models.example"]
