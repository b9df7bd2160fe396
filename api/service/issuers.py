"""Which OpenID providers are trusted, and what those whom they vouch for may do."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pressmark.api.service.tokens import Scope

_HTTPS: Final = "https"
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


class Issuer(BaseModel):
    """An OpenID provider, and what those whom it vouches for may do.

    Attributes:
        issuer: Its identifier, an https address; the claim ``iss`` of its tokens.
        audience: What the claim ``aud`` must name: this service, as the provider calls it.
        claim: The claim that tells what somebody may do, such as "groups" or "scope"; a dot leads
            into an object, as in "realm_access.roles".
        read: Its values that let somebody read.
        write: Its values that let somebody write as well.
        admin: Its values that let somebody administrate as well.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str
    audience: Annotated[str, Field(min_length=1)]
    claim: Annotated[str, Field(min_length=1)] = "groups"
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    admin: tuple[str, ...] = ()

    @field_validator("issuer")
    @classmethod
    def _isprotected(cls, issuer: str) -> str:
        return protected(issuer)

    @model_validator(mode="after")
    def _lets_somebody_in(self) -> Self:
        if not (self.read or self.write or self.admin):
            raise ValueError("name values of the claim for read, write or admin")
        return self

    def scope(self, claims: Mapping[str, Any]) -> Scope | None:
        """The most that somebody with these claims may do; None: nothing."""
        found: Any = claims
        for name in self.claim.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
        values = found.split() if isinstance(found, str) else found
        held = {each for each in values if isinstance(each, str)} if _is_list(values) else set()
        for scope in reversed(Scope):
            if held.intersection(getattr(self, scope.name.lower())):
                return scope
        return None


def protected(address: str) -> str:
    """An address whose answer nobody can change on its way: by TLS, or on this machine.

    Raises:
        ValueError: It is another one.
    """
    parts = urlsplit(address)
    is_local = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not (is_local or (parts.scheme == _HTTPS and parts.hostname)) or parts.username:
        raise ValueError(f"{address!r} is no https address")
    return address


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple)
