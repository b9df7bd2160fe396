"""Hints of the packages below, for whoever asks over HTTP.

Those packages name commands, which a client of the service does not have. Here stands, once, which
request does the same; what only works beside the registry's files is left to whoever runs the
server.
"""

import re
from typing import Final

# The first that fits decides, so a longer one stands before its beginning.
_REQUESTS: Final[tuple[tuple[str, str], ...]] = (
    (r"ls --runs", "GET /v1/runs"),
    (r"ls", "GET /v1/artifacts"),
    (r"where FILE", "GET /v1/artifacts?digest=SHA256"),
    (r"query (?P<name>[a-z]+(?:_[a-z]+)+|descriptions)", r"GET /v1/queries/\g<name>"),
    (r"query", "GET /v1/queries"),
    (r"run --resume (?P<run>[\w:-]+)", r"POST /v1/runs/\g<run>/resume"),
    (r"show", "GET /v1/artifacts/ARTIFACT"),
    (r"verify", "GET /v1/artifacts/ARTIFACT/verification"),
    (r"report", "GET /v1/artifacts/ARTIFACT/report"),
    (r"import MODEL", "POST /v1/artifacts"),
)
_BY_REQUEST: Final = tuple(
    (re.compile(rf"`?pressmark {command}\b`?"), request) for command, request in _REQUESTS
)
_COMMAND: Final = re.compile(r"\bpressmark (?!token\b)[a-z]+")
_OPERATOR: Final = "whoever runs the server can help: "


def over_http(hint: str) -> str:
    """A hint with requests in place of commands."""
    for command, request in _BY_REQUEST:
        hint = command.sub(request, hint)
    return f"{_OPERATOR}{hint}" if _COMMAND.search(hint) else hint
