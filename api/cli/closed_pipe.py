"""A reader that had enough: `pressmark ls | head -1` ends quietly, as if killed by SIGPIPE.

SIGPIPE itself stays ignored, as Python has it: it would also kill a run whose connection to a blob
or graph server breaks, between two of its records. Instead standard output alone is watched. The
exit status is the one that shells give for SIGPIPE, which no answer of Pressmark has. It is raised
where the write failed, since both rich and typer take a `BrokenPipeError` for status 1.
"""

import io
import os
import sys
from typing import Final, NoReturn

STATUS: Final = 141


class _Watched(io.TextIOWrapper):
    """Standard output that ends the command when nothing more can be written to it."""

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError as error:
            _stop(error)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            _stop(error)


def _stop(error: OSError) -> NoReturn:
    # What is still buffered is flushed when Python ends, and must not fail again.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    if isinstance(error, BrokenPipeError):
        raise SystemExit(STATUS)
    raise OSError(error.errno, error.strerror, "standard output")


def watch_standard_output() -> None:
    """From now on, a closed pipe on standard output ends the command with status 141."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout is sys.__stdout__:
        old = sys.stdout
        old.flush()
        encoding, lines = old.encoding, old.line_buffering
        # A file's name need not be text; JSON has the escape that stands for such bytes here.
        sys.stdout = _Watched(
            old.detach(), encoding=encoding, errors="backslashreplace", line_buffering=lines
        )
