"""A stored file as an answer: whole, or the one range that was asked for (RFC 9110 section 14)."""

import re
from collections.abc import Iterator
from typing import BinaryIO, Final
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from pressmark.api.errors import RangeError
from pressmark.api.service.heads import wants_no_content
from pressmark.api.service.resources import matches
from pressmark.registry.blobs import BlobStore
from pressmark.registry.descriptions import FileEntry

_CHUNK: Final = 1 << 20
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")


def file_answer(request: Request, blobs: BlobStore, entry: FileEntry) -> Response:
    """Answers with a file's bytes, or a range of them. Its SHA-256 is its entity tag.

    Raises:
        RangeError: The range lies outside of the file.
        BlobMissingError: The bytes are not here any more.
    """
    etag = f'"{entry.sha256}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Content-Disposition": f"attachment; filename*=UTF-8''{_quoted(entry.name)}",
        "X-Content-Type-Options": "nosniff",
    }
    if matches(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    first, end = 0, entry.size
    wanted = _RANGE.fullmatch(request.headers.get("range", ""))
    if wanted and request.headers.get("if-range", etag) == etag:
        first, end = _span(wanted[1], wanted[2], entry.size)
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{entry.size}"
    headers["Content-Length"] = str(end - first)
    status = 206 if "Content-Range" in headers else 200
    kind = "application/octet-stream"
    if wants_no_content(request):
        return Response(status_code=status, headers=headers, media_type=kind)
    stream = blobs.open(entry.sha256)
    return StreamingResponse(_read(stream, first, end), status, headers, kind)


def _span(first: str, last: str, size: int) -> tuple[int, int]:
    """First byte and the one after the last; ``-n`` means the last n bytes."""
    if first:
        begin, end = int(first), min(int(last) + 1, size) if last else size
    else:
        begin, end = max(size - int(last or 0), 0), size
    if begin >= end:
        raise RangeError(f"the file has {size:,} bytes; the range lies outside")
    return begin, end


def _read(stream: BinaryIO, first: int, end: int) -> Iterator[bytes]:
    with stream:
        stream.seek(first)
        while first < end:
            data = stream.read(min(_CHUNK, end - first))
            first += len(data)
            yield data


def _quoted(name: str) -> str:
    return quote(name.rpartition("/")[2], safe="")
