"""Reading what a client sends, within limits."""

from fastapi import Request

from pressmark.api.errors import TooLargeError


async def limited_body(request: Request, limit: int) -> bytes:
    """Reads a request's body, but never more than a limit.

    Raises:
        TooLargeError: It is longer.
    """
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > limit:
            raise TooLargeError(f"this request may have a body of {limit:,} bytes")
    return b"".join(parts)
