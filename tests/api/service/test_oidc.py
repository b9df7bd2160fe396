"""Bearer tokens of an OpenID provider: a real one on loopback, and tokens that want to deceive."""

import base64
import hashlib
import hmac
import http.server
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI
from jwt.algorithms import get_default_algorithms
from starlette.testclient import TestClient

from pressmark.api.service.app import create_app
from pressmark.api.service.database import FILE_NAME, Database
from pressmark.api.service.issuers import Issuer
from pressmark.api.service.oidc import KeySet
from pressmark.api.service.profiles import Profiles
from pressmark.api.service.settings import Settings, read_settings
from pressmark.registry.errors import InvalidInputError

KEYS: dict[str, Any] = {
    "rsa": (rsa.generate_private_key(65537, 2048), "RS256"),
    "ec": (ec.generate_private_key(ec.SECP256R1()), "ES256"),
    "ed": (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
}
OTHER = rsa.generate_private_key(65537, 2048)


def jwk(name: str, key: Any, algorithm: str) -> dict[str, Any]:
    made = get_default_algorithms()[algorithm].to_jwk(key.public_key(), as_dict=True)
    return {**made, "kid": name, "use": "sig"}


class Provider(http.server.ThreadingHTTPServer):
    """An OpenID provider, as far as this service asks it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.issuer = f"http://127.0.0.1:{self.server_port}"
        self.keys = [jwk(name, *key) for name, key in KEYS.items()]
        self.asked: list[str] = []
        self.discovery = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}

    def token(
        self,
        name: str = "rsa",
        header: dict[str, Any] | None = None,
        key: Any = None,
        drop: str = "",
        **claims: Any,
    ) -> str:
        now = int(time.time())
        told = {
            "iss": self.issuer,
            "sub": "248289761001",
            "aud": "pressmark",
            "iat": now,
            "exp": now + 300,
            "name": "Ada Lovelace",
            "email": "ada@example.org",
            "groups": ["makers"],
        } | claims
        told.pop(drop, None)
        signing, algorithm = KEYS[name]
        return jwt.encode(told, key or signing, algorithm, {"kid": name, **(header or {})})


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        found: dict[str, Any] = {
            "/.well-known/openid-configuration": self.server.discovery,
            "/keys": {"keys": self.server.keys},
        }.get(self.path, {})
        body = json.dumps(found).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def provider() -> Iterator[Provider]:
    server = Provider()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def folder(chain: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(chain, tmp_path / "registry", symlinks=True))


@pytest.fixture
def app(folder: Path, provider: Provider) -> FastAPI:
    issuer = Issuer(
        issuer=provider.issuer,
        audience="pressmark",
        read=("readers",),
        write=("makers",),
        admin=("admins",),
    )
    return create_app(folder, Settings(oidc=(issuer,)))


Status = Callable[..., int]


@pytest.fixture
def status(app: FastAPI) -> Iterator[Status]:
    with TestClient(app) as client:

        def ask(token: str, method: str = "GET", path: str = "/v1/artifacts") -> int:
            headers = {"Authorization": f"Bearer {token}"}
            return client.request(method, path, headers=headers).status_code

        yield ask


@pytest.mark.parametrize("name", KEYS)
def test_a_token_of_each_kind_of_key_is_taken(
    status: Status, provider: Provider, name: str
) -> None:
    assert status(provider.token(name)) == 200
    assert provider.asked == ["/.well-known/openid-configuration", "/keys"]
    assert status(provider.token(name)) == 200
    assert len(provider.asked) == 2


def test_groups_tell_what_somebody_may_do(status: Status, provider: Provider) -> None:
    write, admin = ("DELETE", "/v1/uploads/nothing"), ("GET", "/v1/refusals")
    for groups, allowed in (
        (["readers"], (200, 403, 403)),
        (["makers", "readers"], (200, 404, 403)),
        (["admins"], (200, 404, 200)),
        ("other admins", (200, 404, 200)),
        (["others"], (403, 403, 403)),
        ([], (403, 403, 403)),
        ({"admins": 1}, (403, 403, 403)),
        (None, (403, 403, 403)),
    ):
        token = provider.token(groups=groups)
        assert (status(token), status(token, *write), status(token, *admin)) == allowed, groups


def test_a_claim_may_lie_in_an_object() -> None:
    issuer = Issuer(issuer="https://x", audience="a", claim="realm.roles", read=("r",))
    assert issuer.scope({"realm": {"roles": ["r"]}}) is not None
    assert issuer.scope({"realm": "r", "roles": ["r"]}) is None


def test_somebody_becomes_one_opaque_agent_and_can_be_forgotten(
    status: Status, provider: Provider, folder: Path
) -> None:
    assert status(provider.token("rsa")) == status(provider.token("ec")) == 200
    assert status(provider.token(sub="2")) == 200
    profiles = Profiles(Database(folder / FILE_NAME))
    first, second = profiles.all()
    assert first.name == "Ada Lovelace <ada@example.org>"
    assert second.name == f"{first.name} ({second.agent})"
    for profile in (first, second):
        assert "2482" not in profile.agent
        profiles.erase(profile.agent)
    assert (folder / FILE_NAME).exists()
    assert not Database(folder / FILE_NAME).rows("SELECT * FROM subject")
    status(provider.token())
    assert profiles.all()[0].agent not in (first.agent, second.agent)


def encoded(data: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")


def unsigned(provider: Provider, algorithm: str) -> str:
    claims = jwt.decode(provider.token(), options={"verify_signature": False})
    return f"{encoded({'alg': algorithm, 'kid': 'rsa', 'typ': 'JWT'})}.{encoded(claims)}."


def signed_with_the_public_key(provider: Provider) -> str:
    """RFC 8725 section 2.1: a public RSA key taken for a shared secret."""
    text = unsigned(provider, "HS256").rstrip(".")
    public = KEYS["rsa"][0].public_key()
    secret = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    digest = hmac.digest(secret, text.encode(), hashlib.sha256)
    return f"{text}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def with_another_name(provider: Provider) -> str:
    head, _, signature = provider.token().split(".")
    claims = jwt.decode(provider.token(), options={"verify_signature": False})
    return ".".join((head, encoded(claims | {"sub": "admin"}), signature))


def soon(seconds: int) -> int:
    return int(time.time()) + seconds


own = {"jku": "http://127.0.0.1:9/", "x5u": "http://127.0.0.1:9/", "jwk": jwk("x", OTHER, "RS256")}
HOSTILE: dict[str, Callable[[Provider], str]] = {
    "algorithm none": lambda p: unsigned(p, "none"),
    "algorithm None": lambda p: unsigned(p, "None"),
    "no signature": lambda p: unsigned(p, "RS256"),
    "HS256 with the public key": signed_with_the_public_key,
    "another's signature": lambda p: p.token(key=OTHER),
    "a changed name": with_another_name,
    "a key of its own in the header": lambda p: p.token(header=own, key=OTHER),
    "an unknown key": lambda p: p.token(header={"kid": "../../keys"}),
    "an empty key identifier": lambda p: p.token(header={"kid": ""}),
    "a key of another kind": lambda p: p.token("rsa", header={"kid": "ec"}),
    "another RSA algorithm": lambda _: jwt.encode({}, KEYS["rsa"][0], "RS512", {"kid": "rsa"}),
    "another audience": lambda p: p.token(aud="another"),
    "no audience": lambda p: p.token(drop="aud"),
    "another issuer": lambda p: p.token(iss="https://evil.example"),
    "an issuer that begins alike": lambda p: p.token(iss=f"{p.issuer}/"),
    "no issuer": lambda p: p.token(drop="iss"),
    "expired": lambda p: p.token(exp=soon(-60)),
    "without an end": lambda p: p.token(drop="exp"),
    "an end that is no number": lambda p: p.token(exp="never"),
    "an end beyond all calendars": lambda p: p.token(exp=1e300),
    "not valid yet": lambda p: p.token(nbf=soon(120)),
    "issued in the future": lambda p: p.token(iat=soon(120)),
    "nobody": lambda p: p.token(drop="sub"),
    "a subject that is no text": lambda p: p.token(sub=7),
    "a logout token": lambda p: p.token(header={"typ": "logout+jwt"}),
    "a critical extension": lambda p: p.token(header={"crit": ["b64"], "b64": True}),
    "two dots": lambda _: "..",
    "an object that is none": lambda _: f"{encoded({'alg': 'RS256'})}.W10.x",
    "too long": lambda p: p.token(padding="x" * 20_000),
}


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_a_token_that_deceives_is_nobody_s(
    status: Status, provider: Provider, make: Callable[[Provider], str]
) -> None:
    assert status(make(provider)) == 401
    assert set(provider.asked) <= {"/.well-known/openid-configuration", "/keys"}


def test_clocks_may_differ_a_little(status: Status, provider: Provider) -> None:
    token = provider.token(exp=soon(-10), nbf=soon(10), iat=soon(10))
    assert status(token) == 200


def test_a_new_key_is_looked_up_but_not_all_the_time(provider: Provider) -> None:
    now = [0.0]
    keys = KeySet(provider.issuer, lambda: now[0])
    provider.keys = [jwk("rsa", *KEYS["rsa"])]
    keys.key("rsa")
    provider.keys = [jwk("ec", *KEYS["ec"])]
    for moment, known in ((1.0, False), (29.0, False), (31.0, True), (32.0, True)):
        now[0] = moment
        if known:
            keys.key("ec")
        else:
            with pytest.raises(Exception, match="not known"):
                keys.key("ec")
    with pytest.raises(Exception, match="not known"):
        keys.key("rsa")  # the issuer does not sign with it any more
    for number in range(100):
        with pytest.raises(Exception, match="not known"):
            keys.key(f"invented {number}")
    assert provider.asked.count("/keys") == 2


def test_keys_hold_while_the_issuer_does_not_answer(provider: Provider) -> None:
    now = [0.0]
    keys = KeySet(provider.issuer, lambda: now[0])
    assert keys.key("rsa")
    provider.discovery = {}
    now[0] = 7200.0
    assert keys.key("rsa")


def test_an_issuer_that_does_not_answer_is_no_defect(status: Status, provider: Provider) -> None:
    provider.discovery = {}
    assert status(provider.token()) == 503


def test_a_discovery_document_of_another_is_not_believed(
    status: Status, provider: Provider
) -> None:
    for wrong in ({"issuer": "https://evil.example"}, {"jwks_uri": "http://evil.example/keys"}):
        provider.discovery = provider.discovery | wrong
        assert status(provider.token()) == 503


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "rsa"},
        {**jwk("rsa", *KEYS["rsa"]), "use": "enc"},
        {**jwk("rsa", *KEYS["rsa"]), "alg": "RS512"},
        {"kty": "RSA", "n": "!", "e": "AQAB", "kid": "rsa"},
        {"kty": "RSA", "kid": "rsa"},
        "no object",
    ],
)
def test_a_key_that_is_not_meant_for_this_is_not_used(
    status: Status, provider: Provider, key: Any
) -> None:
    provider.keys = [key, jwk("ec", *KEYS["ec"])]
    assert status(provider.token("ec")) == 200
    assert status(provider.token("rsa")) == 401


@pytest.mark.parametrize(
    "text",
    [
        'issuer = "http://login.example"\naudience = "a"\nread = ["x"]',
        'issuer = "ftp://login.example"\naudience = "a"\nread = ["x"]',
        'issuer = "https://me:secret@login.example"\naudience = "a"\nread = ["x"]',
        'issuer = "https://login.example"\nread = ["x"]',
        'issuer = "https://login.example"\naudience = ""\nread = ["x"]',
        'issuer = "https://login.example"\naudience = "a"',
    ],
)
def test_an_issuer_that_cannot_be_trusted_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "service.toml").write_text(f"[[oidc]]\n{text}\n")
    with pytest.raises(InvalidInputError, match="oidc"):
        read_settings(tmp_path / "service.toml")
