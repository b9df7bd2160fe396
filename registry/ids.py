"""How things are named and timed.

An *occurrence* (a run, a step, an artifact) is named by an opaque ``urn:uuid:`` UUIDv7 (RFC 9562
section 5.7), so that two runs that give equal bytes stay two entities. *Bytes* and shared
descriptions are named by their SHA-256 in an RFC 6920 ``ni:`` IRI.
"""

import base64
import hashlib
import os
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

from pyoxigraph import NamedNode

_READ_BYTES = 1 << 20
_NI_PREFIX = "ni:///sha-256;"


def new_uuid() -> uuid.UUID:
    """Make a UUIDv7 whose 12 bits after the milliseconds are their fraction (method 3).

    Names minted one after another in one process therefore sort in that order, unless the
    clock is set back.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = rest * 4096 // 1_000_000
    tail = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    return uuid.UUID(
        int=(milliseconds << 80) | (0x7 << 76) | (fraction << 64) | (0b10 << 62) | tail
    )


def new_iri() -> NamedNode:
    """Mint the IRI of a new occurrence: ``urn:uuid:`` and a UUIDv7."""
    return NamedNode(f"urn:uuid:{new_uuid()}")


def sub_iri(node: NamedNode, suffix: str) -> NamedNode:
    """Name a part of a minted thing: ``<urn:uuid:X#suffix>``."""
    return NamedNode(f"{node.value}#{suffix}")


def base_iri(node: NamedNode) -> NamedNode:
    """Give the minted thing that a part belongs to: the IRI without its fragment."""
    return NamedNode(node.value.partition("#")[0])


def ni_iri(sha256: bytes | str) -> NamedNode:
    """Name content by its SHA-256 (RFC 6920).

    Args:
        sha256: 32 raw bytes or 64 hexadecimal digits.
    """
    raw = bytes.fromhex(sha256) if isinstance(sha256, str) else sha256
    if len(raw) != hashlib.sha256().digest_size:
        raise ValueError(f"a SHA-256 has 32 bytes, not {len(raw)}")
    return NamedNode(_NI_PREFIX + base64.urlsafe_b64encode(raw).rstrip(b"=").decode())


def is_ni_iri(node: NamedNode) -> bool:
    """Tell whether an IRI names something by its digest."""
    return node.value.startswith(_NI_PREFIX)


def format_time(moment: datetime) -> str:
    """Write a moment as an ``xsd:dateTime`` in UTC, in the form that Oxigraph keeps.

    Oxigraph drops trailing zeros of the fraction when it stores a time, so they are never
    written: a record's bytes must survive one pass through the store unchanged.
    """
    text = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return text.rstrip("0").rstrip(".") + "Z"


def utc_now() -> str:
    """Read the clock, as an ``xsd:dateTime`` in UTC with microseconds."""
    return format_time(datetime.now(UTC))


def sha256_file(path: Path | str) -> str:
    """Hash a file in constant memory, as 64 hexadecimal digits.

    Raises:
        OSError: It cannot be read; unlike those of reading, the error names the file.
    """
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb", buffering=0) as file:
            while chunk := file.read(_READ_BYTES):
                digest.update(chunk)
    except OSError as error:
        error.filename = str(path)
        raise
    return digest.hexdigest()
