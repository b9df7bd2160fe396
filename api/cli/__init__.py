"""The command line: `pressmark COMMAND`, one module per group of commands."""

import sys

from pressmark.api.cli import (
    ask,
    browse,
    closed_pipe,
    curate,
    demo,
    exit_codes,
    make,
    store,
    trust,
)
from pressmark.api.cli.app import app
from pressmark.api.cli.output import print_error, stderr
from pressmark.registry.errors import PressmarkError

__all__ = ["main"]

for _group in (make, browse, ask, trust, curate, store, demo):
    _group.add_to(app)


def main() -> None:
    """Run the command line: print results, turn errors into messages and exit codes."""
    closed_pipe.watch_standard_output()
    try:
        app()
    except PressmarkError as error:
        print_error(error, as_json="--json" in sys.argv)
        sys.exit(exit_codes.of(error))
    except KeyboardInterrupt:
        stderr.print("interrupted")
        sys.exit(exit_codes.INTERRUPTED)
    finally:
        sys.stdout.flush()
