"""Watching long work; Ctrl-C asks what becomes of it where it goes on without anybody watching."""

import sys
from collections.abc import Callable
from typing import TypeVar

import typer

from pressmark.api.cli.output import stderr
from pressmark.api.cli.progress import RichProgress
from pressmark.api.client import Client
from pressmark.api.errors import DetachedError
from pressmark.compression.errors import RunAbortedError

Order = TypeVar("Order")
Result = TypeVar("Result")


def watched(asked: Client, work: Callable[[Order, RichProgress], Result], order: Order) -> Result:
    """Does work and shows how far it is; on Ctrl-C a person may stop what runs on a server.

    Args:
        asked: Where it is done.
        work: What is done.
        order: What it is done with.

    Raises:
        DetachedError: It goes on on the server.
        RunAbortedError: It does not.
        PressmarkError: What became of the work.
    """
    try:
        return work(order, RichProgress())
    except DetachedError as left:
        if not (sys.stdin.isatty() and stderr.is_terminal):
            raise
        if not typer.confirm("stop it on the server too?", err=True):
            raise
        asked.cancel(left.run)
        raise RunAbortedError(
            f"run {left.run} stops at its next safe point; its finished steps are kept",
            f"go on with it: pressmark run --resume {left.run}",
        ) from left
