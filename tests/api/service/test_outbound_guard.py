"""Which addresses may be called: the special ones by the IANA registries never by themselves."""

from ipaddress import ip_address

import pytest

from pressmark.api.errors import OutboundFailedError, OutboundRefusedError
from pressmark.api.outbound.guard import Guard, Policy, is_public

# From the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890), and multicast.
SPECIAL = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.1",
    "192.0.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "fec0::1",
    "2001:db8::1",
    "100::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2002:a00:1::",
]
PUBLIC = ("1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101")


@pytest.mark.parametrize("address", SPECIAL)
def test_special_addresses_are_not_called(address: str) -> None:
    assert not is_public(ip_address(address))
    with pytest.raises(OutboundRefusedError, match="not on the public internet"):
        Guard(Policy(), lambda *_: [address]).addresses("example.org", 443)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_called(address: str) -> None:
    assert Guard(Policy(), lambda *_: [address]).addresses("example.org", 443) == [address]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "017700000001", "localhost", "::1"]
)
def test_loopback_is_recognised_however_it_is_written(host: str) -> None:
    with pytest.raises(OutboundRefusedError, match="not on the public internet"):
        Guard(Policy()).addresses(host, 443)


def test_one_forbidden_address_is_enough() -> None:
    guard = Guard(Policy(), lambda *_: ["1.1.1.1", "127.0.0.1"])
    with pytest.raises(OutboundRefusedError):
        guard.addresses("example.org", 443)


def test_other_ports_are_refused() -> None:
    with pytest.raises(OutboundRefusedError, match="port 25"):
        Guard(Policy(), lambda *_: ["1.1.1.1"]).addresses("example.org", 25)


@pytest.mark.parametrize("allowed", ["127.0.0.1", "127.0.0.0/8", "models.internal"])
def test_what_the_operator_names_is_called_at_any_port(allowed: str) -> None:
    guard = Guard(Policy(allowed=(allowed,)), lambda *_: ["127.0.0.1"])
    assert guard.addresses("Models.internal", 8443) == ["127.0.0.1"]


def test_a_host_that_is_allowed_allows_no_other() -> None:
    guard = Guard(Policy(allowed=("models.internal",)), lambda *_: ["127.0.0.1"])
    for host in ("internal", "x.models.internal", "models.internal.example.org"):
        with pytest.raises(OutboundRefusedError):
            guard.addresses(host, 443)


def test_a_host_that_is_not_known_is_named() -> None:
    with pytest.raises(OutboundFailedError, match=r"nowhere\.invalid"):
        Guard(Policy()).addresses("nowhere.invalid", 443)
