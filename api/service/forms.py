"""A form with files (RFC 7578), received part by part: what is long goes to the disk as it comes.

Nothing of a form is kept unless all of it arrived: its files lie in a folder of their own, which is
removed with whatever goes wrong.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from pressmark.api.errors import TooLargeError
from pressmark.registry.errors import InvalidInputError
from pressmark.registry.folders import new_file

MEDIA_TYPE: Final = "multipart/form-data"
#: The most bytes of a field that is no file.
_LONGEST_FIELD: Final = 1 << 20
_MOST_FILES: Final = 10_000


@dataclass
class Form:
    """What a form held.

    Attributes:
        fields: The fields that are no files.
        files: SHA-256 of each file, by its name.
    """

    fields: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


async def receive(
    content_type: str, data: AsyncIterator[bytes], folder: Path, longest: int
) -> Form:
    """Reads a form; its files are written to a folder, under their names.

    Args:
        content_type: The request's Content-Type, which names the boundary.
        data: The request's body as it arrives.
        folder: Where the files go.
        longest: The most bytes that a file may have.

    Raises:
        InvalidInputError: It is malformed, ends too early, names a file twice, or names one so that
            it would leave the folder.
        TooLargeError: A file or a field is longer than it may be, or there are too many.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise InvalidInputError(
            "the form names no boundary", "send Content-Type as your client has"
        )
    with ExitStack() as opened:
        parts = _Parts(folder, longest, opened)
        try:
            parser = MultipartParser(boundary, parts.callbacks())  # type: ignore[arg-type]
            async for piece in data:
                parser.write(piece)
        except FormParserError as error:
            raise InvalidInputError(f"the form is malformed: {error}", _AGAIN) from None
    if not parts.ended:
        raise InvalidInputError("the form ends before its last boundary", _AGAIN)
    return parts.form


_AGAIN: Final = "send it as RFC 7578 says, such as with curl -F"


class _Parts:
    """What the parser finds, one part after the other."""

    def __init__(self, folder: Path, longest: int, opened: ExitStack) -> None:
        self.form = Form()
        self.ended = False
        self._folder = folder
        self._longest = longest
        self._opened = opened
        self._header = (bytearray(), bytearray())
        self._disposition = ""
        self._part: _File | _Field | None = None

    def callbacks(self) -> dict[str, object]:
        """The parser's callbacks by their names."""
        names = (
            "part_begin",
            "header_field",
            "header_value",
            "header_end",
            "headers_finished",
            "part_data",
            "part_end",
            "end",
        )
        return {f"on_{name}": getattr(self, name) for name in names}

    def part_begin(self) -> None:
        self._disposition = ""

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def header_end(self) -> None:
        name, value = (bytes(part) for part in self._header)
        self._header = (bytearray(), bytearray())
        if name.strip().lower() == b"content-disposition":
            self._disposition = value.decode("latin-1")

    def headers_finished(self) -> None:
        said = parse_options_header(self._disposition)[1]
        name, file_name = said.get(b"name"), said.get(b"filename")
        if file_name is not None:
            self._part = self._new_file(_text(file_name))
        elif name is not None and (known := _text(name)) not in self.form.fields:
            self._part = _Field(known)
        else:
            raise InvalidInputError("a part of the form has no name, or a name for the second time")

    def part_data(self, data: bytes, start: int, end: int) -> None:
        assert self._part is not None
        self._part.add(data[start:end])

    def part_end(self) -> None:
        if isinstance(self._part, _File):
            self.form.files[self._part.name] = self._part.digest()
        elif self._part is not None:
            self.form.fields[self._part.name] = bytes(self._part.data)
        self._part = None

    def end(self) -> None:
        self.ended = True

    def _new_file(self, name: str) -> "_File":
        if len(self.form.files) >= _MOST_FILES:
            raise TooLargeError(f"a form may have {_MOST_FILES:,} files")
        stream = self._opened.enter_context(new_file(self._folder, name).open("xb"))
        return _File(name, stream, self._longest)


class _File:
    """A file that is arriving."""

    def __init__(self, name: str, stream: BinaryIO, longest: int) -> None:
        self.name = name
        self._stream = stream
        self._longest = longest
        self._size = 0
        self._sha256 = hashlib.sha256()

    def add(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._longest:
            raise TooLargeError(f"{self.name} is longer than {self._longest:,} bytes")
        self._sha256.update(data)
        self._stream.write(data)

    def digest(self) -> str:
        self._stream.close()
        return self._sha256.hexdigest()


class _Field:
    """A field that is arriving."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.data = bytearray()

    def add(self, data: bytes) -> None:
        self.data += data
        if len(self.data) > _LONGEST_FIELD:
            raise TooLargeError(f"the field {self.name} is longer than {_LONGEST_FIELD:,} bytes")


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise InvalidInputError(f"the name {data!r} is not UTF-8", "send names in UTF-8") from None
