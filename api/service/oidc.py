"""People and services that an OpenID provider vouches for: their bearer tokens are signed JWTs.

Only issuers that the operator names are asked, only for their discovery document and their keys
(OpenID Connect Discovery 1.0 section 4); nothing in a token leads anywhere. What is checked follows
RFC 8725 "JSON Web Token Best Current Practices": one algorithm for each kind of key, never none and
never a shared secret, issuer and audience, times with a little leeway.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import httpx2
import jwt

from pressmark.api.errors import BusyError, ForbiddenError, UnauthorizedError
from pressmark.api.service.issuers import Issuer, protected
from pressmark.api.service.profiles import Profiles
from pressmark.api.service.tokens import Principal, Scope

#: Kind of key -> the one algorithm that it is used with.
ALGORITHMS: Final[Mapping[tuple[str, str], str]] = {
    ("RSA", ""): "RS256",
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
}
_LOG: Final = logging.getLogger(__name__)
_TYPES: Final = ("jwt", "at+jwt", "application/at+jwt")
_REQUIRED: Final = ["iss", "sub", "aud", "exp", "iat"]
_LEEWAY: Final = 30.0
_LONGEST_TOKEN: Final = 16_384
_LONGEST_ANSWER: Final = 1 << 20
_TIMEOUT: Final = 5.0
#: Seconds between two attempts to get keys, and after which known keys are looked up again.
_PAUSE, _FRESH = 30.0, 3600.0
_SUGGESTION: Final = "get a new token from your identity provider"


class KeySet:
    """The public keys of an issuer, looked up when they are needed and kept for an hour.

    A key that is not known is looked for again, but not more often than every 30 seconds: whoever
    invents key identifiers cannot make this service ask all the time. While the issuer does not
    answer, the keys that are known hold.

    Args:
        issuer: The issuer.
        clock: Gives seconds; only tests need another one.
    """

    def __init__(self, issuer: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._tried = self._fetched = float("-inf")
        self._lock = threading.Lock()

    def key(self, identifier: str) -> jwt.PyJWK:
        """The key of an identifier (JWS ``kid``).

        Raises:
            UnauthorizedError: The issuer has no such key.
            BusyError: The issuer does not answer.
        """
        with self._lock:
            is_old = self._clock() - self._fetched > _FRESH
            may_try = self._clock() - self._tried > _PAUSE
            if (identifier not in self._keys or is_old) and may_try:
                self._refresh()
        if not self._keys:
            raise BusyError(
                f"the keys of {self._issuer} cannot be had",
                "try again in a moment, or use a token of this service",
            )
        if identifier not in self._keys:
            raise UnauthorizedError("the token is signed with a key that is not known", _SUGGESTION)
        return self._keys[identifier]

    def _refresh(self) -> None:
        self._tried = self._clock()
        try:
            self._keys = _keys(_fetched(self._address()))
            self._fetched = self._clock()
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            _LOG.warning("the keys of %s cannot be had: %s", self._issuer, error)

    def _address(self) -> str:
        found = _fetched(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != self._issuer:  # Discovery section 4.3
            raise ValueError(f"the discovery document is that of {found.get('issuer')}")
        return protected(str(found.get("jwks_uri", "")))


@dataclass(frozen=True)
class Identity:
    """Whom a token is about.

    Attributes:
        issuer: Who vouches for them.
        subject: How the issuer calls them.
        name: How people call them.
        scope: The most that they may do.
        expires: When the token does.
    """

    issuer: str
    subject: str
    name: str
    scope: Scope
    expires: datetime


@dataclass(frozen=True)
class Oidc:
    """Tells who is behind the tokens of the issuers that are trusted.

    Attributes:
        issuers: Those issuers.
        profiles: Where people get their opaque identifier.
    """

    issuers: Sequence[Issuer]
    profiles: Profiles
    _keys: dict[str, KeySet] = field(default_factory=dict)

    def reads(self, token: str) -> bool:
        """Whether this is the kind of token that is read here."""
        return bool(self.issuers) and token.count(".") == 2

    def principal(self, token: str) -> Principal:
        """Who is behind a token; whoever comes first gets a profile.

        Raises:
            UnauthorizedError: It is not valid, or not for this service.
            ForbiddenError: It is valid, and lets nobody do anything.
            BusyError: The keys of its issuer cannot be had.
        """
        found = self.identity(token)
        agent = self.profiles.vouched(found.issuer, found.subject, found.name)
        return Principal(agent, found.scope, found.expires)

    def identity(self, token: str) -> Identity:
        """Whom a token is about.

        Raises:
            UnauthorizedError: It is not valid, or not for this service.
            ForbiddenError: It is valid, and lets nobody do anything.
            BusyError: The keys of its issuer cannot be had.
        """
        try:
            return self._identity(token)
        except jwt.ExpiredSignatureError:
            raise UnauthorizedError("the token expired", _SUGGESTION) from None
        except (jwt.PyJWTError, ValueError, OverflowError) as error:
            reason = type(error).__name__.removesuffix("Error")
            raise UnauthorizedError(f"the token is not valid: {reason}", _SUGGESTION) from None

    def _identity(self, token: str) -> Identity:
        if len(token) > _LONGEST_TOKEN:
            raise jwt.InvalidTokenError
        issuer = self._issuer(token)
        key = self._key_set(issuer).key(_key_identifier(token))
        claims = jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm_name],
            audience=issuer.audience,
            issuer=issuer.issuer,
            leeway=_LEEWAY,
            options={"require": _REQUIRED, "enforce_minimum_key_length": True},
        )
        if (scope := issuer.scope(claims)) is None:
            raise ForbiddenError(
                f"nothing in the claim {issuer.claim} of the token lets it do anything here",
                "ask an administrator which values do",
            )
        expires = datetime.fromtimestamp(claims["exp"], UTC)
        return Identity(issuer.issuer, claims["sub"], _name(claims), scope, expires)

    def _issuer(self, token: str) -> Issuer:
        """The issuer that a token claims to be from; nothing of it is trusted yet."""
        claimed = jwt.decode(token, options={"verify_signature": False}).get("iss")
        for issuer in self.issuers:
            if issuer.issuer == claimed:
                return issuer
        raise jwt.InvalidIssuerError

    def _key_set(self, issuer: Issuer) -> KeySet:
        return self._keys.setdefault(issuer.issuer, KeySet(issuer.issuer))


def _key_identifier(token: str) -> str:
    """The ``kid`` of a token's header, of which nothing else counts (``jku``, ``jwk``, ``x5u``)."""
    header = jwt.get_unverified_header(token)
    if "crit" in header or str(header.get("typ", "jwt")).lower() not in _TYPES:
        raise jwt.InvalidTokenError
    if not isinstance(identifier := header.get("kid"), str):
        raise jwt.InvalidKeyError
    return identifier


def _kind(data: Mapping[str, Any]) -> tuple[str, str]:
    return str(data.get("kty")), str(data.get("crv", ""))


def _keys(found: Mapping[str, Any]) -> dict[str, jwt.PyJWK]:
    """The keys of a set that sign and are of a kind that is used (RFC 7517 section 5)."""
    keys = (_key(each) for each in found.get("keys", ()) if isinstance(each, dict))
    return {key.key_id: key for key in keys if key is not None and key.key_id is not None}


def _key(data: dict[str, Any]) -> jwt.PyJWK | None:
    if not isinstance(data.get("kid"), str) or not _is_usable(data):
        return None
    try:
        return jwt.PyJWK(data, ALGORITHMS[_kind(data)])
    except jwt.PyJWTError:
        return None  # one that nobody can read does not make the others useless


def _is_usable(data: Mapping[str, Any]) -> bool:
    algorithm = ALGORITHMS.get(_kind(data))
    signs = data.get("use", "sig") == "sig" and "verify" in data.get("key_ops", ["verify"])
    return algorithm is not None and signs and data.get("alg", algorithm) == algorithm


def _fetched(address: str) -> dict[str, Any]:
    with (
        httpx2.Client(timeout=_TIMEOUT, follow_redirects=False) as client,
        client.stream("GET", address, headers={"Accept": "application/json"}) as answer,
    ):
        if not answer.is_success:
            raise ValueError(f"{address} answers {answer.status_code}")
        body = b""
        for part in answer.iter_bytes():
            body += part
            if len(body) > _LONGEST_ANSWER:
                raise ValueError(f"{address} answers with more than {_LONGEST_ANSWER:,} bytes")
    found = json.loads(body)
    if not isinstance(found, dict):
        raise ValueError(f"{address} answers with no JSON object")
    return found


def _name(claims: Mapping[str, Any]) -> str:
    """How people call somebody (OpenID Connect Core 1.0 section 5.1)."""
    given = [claims.get(each) for each in ("name", "preferred_username", "client_id", "sub")]
    name = next(each for each in given if isinstance(each, str) and each.strip())
    email = claims.get("email")
    return f"{name} <{email}>"[:200] if isinstance(email, str) and email else name[:200]
