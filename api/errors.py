"""What the interfaces raise on their own; everything else comes from the packages below.

::

    PressmarkError                  (pressmark.registry.errors)
    ├── MissingPackageError         a package of an extra is not installed
    ├── LocalOnlyError              a command has to run beside the registry
    ├── DetachedError               a run on a server goes on, and nobody watches it any more
    ├── StoreError                  (pressmark.registry.errors)
    │   ├── UnreachableError        a server does not answer
    │   └── UnexpectedAnswerError   a server answers what this release does not understand
    └── RequestError                a request cannot be answered; carries its HTTP status
        ├── MalformedQueryError     400  the query text is not SPARQL
        ├── UnauthorizedError       401  nobody is known by this token
        ├── ForbiddenError          403  somebody is known, but may not do this
        ├── QueryRefusedError       403  it is SPARQL, but not of the kind that is answered
        ├── OutboundRefusedError    403  an address is one that the service does not call
        ├── NotAcceptableError      406  no format that the client accepts can be given
        ├── SlowBodyError           408  a request's body comes too slowly
        ├── ConflictError           409  what it is about is in no state for that
        ├── OffsetError             409  bytes do not begin where an upload ends
        ├── TooLargeError           413  the query or the answer is over a limit
        ├── UnsupportedMediaTypeError 415  the request's body has a type that is not read
        ├── ReusedKeyError          422  an idempotency key was used for another request
        ├── RangeError              416  the range lies outside of the file
        ├── TooManyRequestsError    429  a client asks too often, or for too much at once
        ├── OutboundFailedError     502  what the service called gave no answer
        │   └── UnknownHostError    422  nobody knows the host of an address
        ├── QueryTimeoutError       503  the query took too long, or too much memory
        ├── BusyError               503  as many queries are running as may
        └── WorkerError             500  a query worker ended for no reason of the query's
"""

from typing import ClassVar

from pressmark.registry.errors import PressmarkError, StoreError


class MissingPackageError(PressmarkError):
    """Something needs a package that comes with an extra, such as torch."""


class LocalOnlyError(PressmarkError):
    """A command that has to run beside the registry was asked of a server."""


class DetachedError(PressmarkError):
    """A run on a server goes on, and nobody watches it any more.

    Attributes:
        run: The run, as the server calls it.
    """

    def __init__(self, run: str, hint: str) -> None:
        self.run = run
        super().__init__(f"run {run} goes on on the server", hint)


class UnreachableError(StoreError):
    """A server does not answer."""

    advice = "see whether its address is right and it is running: curl URL/healthz"


class UnexpectedAnswerError(StoreError):
    """A server answers what this release does not understand."""

    advice = "use the server's release of Pressmark: pip install pressmark==VERSION"


class RequestError(PressmarkError):
    """A request that cannot be answered.

    Attributes:
        status: The HTTP status that says so (RFC 9110 section 15).
        retry_after: Seconds after which trying again may help; None if it will not.
    """

    status: ClassVar[int] = 400
    retry_after: int | None = None


class MalformedQueryError(RequestError):
    """The query is not SPARQL 1.1."""


class UnauthorizedError(RequestError):
    """Nobody is known by the credentials given, or none were given."""

    status = 401


class ForbiddenError(RequestError):
    """Whoever asks may not do this."""

    status = 403


class QueryRefusedError(RequestError):
    """The query would write, or fetch from elsewhere."""

    status = 403


class OutboundRefusedError(RequestError):
    """The service does not call this address."""

    status = 403


class NotAcceptableError(RequestError):
    """Nothing that the client accepts can be given."""

    status = 406


class SlowBodyError(RequestError):
    """The request's body comes too slowly."""

    status = 408


class ConflictError(RequestError):
    """What the request is about is in no state for that."""

    status = 409


class OffsetError(RequestError):
    """Bytes do not begin where the upload ends."""

    status = 409


class TooLargeError(RequestError):
    """The query or its answer is larger than allowed."""

    status = 413


class UnsupportedMediaTypeError(RequestError):
    """The body has a media type that is not read here."""

    status = 415


class ReusedKeyError(RequestError):
    """An idempotency key was used for another request."""

    status = 422


class RangeError(RequestError):
    """A range lies outside of the file."""

    status = 416


class TooManyRequestsError(RequestError):
    """The client asks more often than it may, or for too much at once.

    Args:
        message: What is too much.
        hint: What to do next.
        seconds: After how long trying again may help.
    """

    status = 429
    retry_after: int | None = 1

    def __init__(self, message: str, hint: str = "", seconds: int = 1) -> None:
        super().__init__(message, hint)
        self.retry_after = seconds


class OutboundFailedError(RequestError):
    """What the service called gave no answer."""

    status = 502


class UnknownHostError(OutboundFailedError):
    """Nobody knows the host of an address."""

    status = 422


class QueryTimeoutError(RequestError):
    """The query needed more time or memory than it may have."""

    status = 503
    retry_after = 60


class BusyError(RequestError):
    """As many queries are running as may run at once."""

    status = 503
    retry_after = 1


class WorkerError(RequestError):
    """A query worker ended, and the query was not the reason."""

    status = 500
