"""Which addresses may be called: none of this machine's or its network's, unless somebody says so.

Whoever may register a URI makes the service send a request. Without a guard that is a way into
whatever the service reaches and its clients do not (server-side request forgery): the metadata of a
cloud, a database on loopback, a router.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import ClassVar, Final, TypeAlias

from pydantic import ConfigDict

from pressmark.api.errors import OutboundRefusedError, UnknownHostError

Address: TypeAlias = IPv4Address | IPv6Address
Resolve: TypeAlias = Callable[[str, int], list[str]]

#: RFC 6052 section 2.1: the last 32 bits are an IPv4 address, which a gateway calls.
_NAT64: Final = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True)
class Policy:
    """What the service may call.

    Attributes:
        http: Whether requests may go out without TLS.
        ports: The ports that may be called.
        allowed: Host names, addresses and networks that may be called whatever they are, at any
            port: ``("models.internal", "10.1.0.0/16")``.
        redirects: How often a request is sent on.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    http: bool = False
    ports: frozenset[int] = frozenset({80, 443})
    allowed: tuple[str, ...] = ()
    redirects: int = 5


class Guard:
    """Tells at which addresses a host may be called.

    Args:
        policy: What may be called.
        resolve: Gives a host's addresses; the system's resolver by default.
    """

    def __init__(self, policy: Policy, resolve: Resolve | None = None) -> None:
        self._policy = policy
        self._resolve = resolve or system_addresses
        self._networks = [ip_network(each) for each in policy.allowed if _is_network(each)]
        self._hosts = {each.lower() for each in policy.allowed if not _is_network(each)}

    def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host, all of which may be called.

        One that may not be called is enough to refuse them all: a name that means both the world
        and this network is a trick or a mistake.

        Raises:
            OutboundRefusedError: It may not be called.
            UnknownHostError: The host is not known.
        """
        found = self._resolve(host, port)
        if host.lower() in self._hosts:
            return found
        for text in found:
            self._refuse(ip_address(text.partition("%")[0]), host, port)
        return found

    def _refuse(self, address: Address, host: str, port: int) -> None:
        if any(address in network for network in self._networks):
            return
        if not is_public(address):
            raise OutboundRefusedError(
                f"{host} is not on the public internet, and is not called from here",
                "upload its bytes; or ask the operator: `allowed` in [outbound] of the settings",
            )
        if port not in self._policy.ports:
            ports = ", ".join(map(str, sorted(self._policy.ports)))
            hint = "ask the operator: `ports` in [outbound] of the settings"
            raise OutboundRefusedError(f"port {port} is not called, only {ports}", hint)


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet (the IANA special-purpose registries).

    An IPv6 address that stands for an IPv4 address is what that one is.
    """
    if isinstance(address, IPv6Address):
        if (inner := _embedded(address)) is not None:
            return is_public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def system_addresses(host: str, port: int) -> list[str]:
    """A host's addresses, as the system resolves it, the one to try first at the front.

    Raises:
        UnknownHostError: It is not known.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise UnknownHostError(f"the host {host} is not known", "check its name") from None
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True
