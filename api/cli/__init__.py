"""The command line: `pressmark COMMAND`, one module per group of commands."""

import sys
import traceback
from typing import NoReturn

from pressmark.api.cli import (
    ask,
    browse,
    closed_pipe,
    curate,
    demo,
    exit_codes,
    login,
    make,
    refusals,
    service,
    store,
    trust,
)
from pressmark.api.cli.app import app
from pressmark.api.cli.output import print_error, stderr

__all__ = ["main"]

for _group in (make, browse, ask, trust, curate, store, demo, service, login):
    _group.add_to(app)


def main() -> None:
    """Run the command line: print results, turn errors into messages and exit codes."""
    closed_pipe.watch_standard_output()
    try:
        try:
            refusals.refuse_what_is_no_text(sys.argv)
            app()
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        stderr.print("interrupted")
        sys.exit(exit_codes.INTERRUPTED)
    except Exception as error:
        _end(error)


def _end(error: Exception) -> NoReturn:
    known = refusals.explained(error)
    if known is None:
        traceback.print_exception(error)
        stderr.print("[bold red]error:[/] this is a defect of Pressmark: please report the above")
        sys.exit(exit_codes.DEFECT)
    print_error(known, as_json="--json" in sys.argv)
    sys.exit(exit_codes.of(known))
