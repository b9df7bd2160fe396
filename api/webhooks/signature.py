"""Signatures of webhooks (Standard Webhooks 1.0.0, "Signature scheme", symmetric)."""

import base64
import hashlib
import hmac
import secrets
from typing import Final

_PREFIX: Final = "whsec_"
_LENGTH: Final = 32


def new_secret() -> bytes:
    """A random secret, 32 bytes."""
    return secrets.token_bytes(_LENGTH)


def shown(secret: bytes) -> str:
    """A secret as its receiver is told it."""
    return _PREFIX + base64.b64encode(secret).decode()


def signed_headers(secret: bytes, identifier: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers by which a receiver knows who sends a body, and when.

    Args:
        secret: What sender and receiver share.
        identifier: The event's, without a full stop.
        timestamp: Of this attempt, seconds since 1970 in UTC.
        body: What is sent.
    """
    content = f"{identifier}.{timestamp}.".encode() + body
    digest = hmac.new(secret, content, hashlib.sha256).digest()
    return {
        "webhook-id": identifier,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }
