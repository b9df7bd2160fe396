"""Tokens of servers, in a file that nobody else can read.

A token comes from PRESSMARK_TOKEN, else from this file, which `pressmark login` writes. It is never
part of an address and never an argument, where `ps` and a shell's history would show it.
"""

import ipaddress
import json
import os
import stat
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pressmark.registry.errors import InvalidInputError
from pressmark.registry.files import write_atomic

VARIABLE: Final = "PRESSMARK_TOKEN"
CLEAR_TEXT: Final = "PRESSMARK_ALLOW_HTTP"


def checked_url(text: str) -> str:
    """A server's address in its one form: scheme, host, port and the path that it is under.

    Raises:
        InvalidInputError: It is none, or has a secret in it.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InvalidInputError(f"{text!r} is no address of a server: {error}", _FORM) from None
    if parts.username is not None or parts.password is not None:
        raise InvalidInputError("the server's address has a user's name in it", f"{_FORM}; {_LOG}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise InvalidInputError(f"{text!r} is no address of a server", _FORM)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


_FORM: Final = "such as --server https://models.example.org"
_LOG: Final = "pressmark login keeps a token for it"


def token_for(url: str, given: str | None = None) -> str | None:
    """The token to send to a server; None if there is none.

    Args:
        url: Its address, as `checked_url` gives it.
        given: A token that counts before those of the environment and the file.

    Raises:
        InvalidInputError: It would go in clear text to another machine, or others can read the
            file of tokens.
    """
    token = given or os.environ.get(VARIABLE, "").strip() or _kept().get(url)
    if token and not _may_carry(url):
        raise InvalidInputError(
            f"the token for {url} would go over the network in clear text",
            f"use https, or set {CLEAR_TEXT}=1 where the network itself is safe",
        )
    return token or None


def keep(url: str, token: str) -> Path:
    """Keeps a token for a server.

    Returns:
        The file.
    """
    return _write({**_kept(), url: token})


def forget(url: str) -> bool:
    """Forgets the token for a server; whether there was one."""
    kept = _kept()
    known = kept.pop(url, None) is not None
    if known:
        _write(kept)
    return known


def servers() -> list[str]:
    """The servers that a token is kept for, sorted."""
    return sorted(_kept())


def file() -> Path:
    """Where tokens are kept: below XDG_CONFIG_HOME, else below ``~/.config``."""
    home = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(home) if home else Path.home() / ".config"
    return folder / "pressmark" / "credentials.json"


def _may_carry(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or _is_loopback(parts.hostname or "") or CLEAR_TEXT in os.environ


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _kept() -> dict[str, str]:
    try:
        path = file()
        with path.open(encoding="utf-8") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            text = stream.read()
    except (FileNotFoundError, RuntimeError):  # no file, or no home folder to have it in
        return {}
    if mode & 0o077:
        raise InvalidInputError(f"others can read the tokens in {path}", f"chmod 600 {path}")
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InvalidInputError(f"{path} is damaged", "remove it, and log in again")
    return {str(url): str(token) for url, token in found.items()}


def _write(tokens: dict[str, str]) -> Path:
    path = file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    old = os.umask(0o077)  # so that not even the temporary file is ever readable by others
    try:
        write_atomic(path, json.dumps(tokens, indent=2).encode())
    finally:
        os.umask(old)
    return path
