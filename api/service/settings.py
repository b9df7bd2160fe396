"""How a service is run: one typed file, read at its start.

The file is TOML, every key is checked, and one that is not known is refused. It holds no secret:
where one is needed, the file names an environment variable or another file that holds it.
"""

import os
import stat
import tomllib
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from pressmark.api.outbound.guard import Policy
from pressmark.api.service.fetching import FetchLimits
from pressmark.api.service.issuers import Issuer
from pressmark.api.sparql.pool import Limits
from pressmark.api.webhooks.dispatcher import WebhookLimits
from pressmark.registry.errors import InvalidInputError

_FOLDER: Final = "folder"
#: Somebody else than the owner and the owner's group may read or change a file.
_EXPOSED: Final = stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH

Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A table of the file. Other modules derive their own from it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Secret(Section):
    """Where a secret is: never in the settings themselves, so that it is never shown with them.

    Attributes:
        env: Name of an environment variable that holds it.
        file: A file that holds it, which others must not be able to read; a relative path begins
            at the folder of the settings file.
    """

    env: str | None = None
    file: Path | None = None

    @field_validator("file")
    @classmethod
    def _from_folder(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        folder = (info.context or {}).get(_FOLDER)
        return folder / file if folder and file else file

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError('name one of env and file, such as {env = "WEBHOOK_SECRET"}')
        return self

    def read(self) -> bytes:
        """The secret, without white space around it.

        Raises:
            InvalidInputError: It is not there, empty, or others can read its file.
        """
        found = self._environment() if self.env is not None else self._content()
        if not (secret := found.strip()):
            raise InvalidInputError(f"the secret in {self._place} is empty", "put one there")
        return secret

    @property
    def _place(self) -> str:
        return f"${self.env}" if self.env is not None else str(self.file)

    def _environment(self) -> bytes:
        assert self.env is not None
        if self.env not in os.environ:
            raise InvalidInputError(f"${self.env} is not set", "export it before `pressmark serve`")
        return os.environb[os.fsencode(self.env)]

    def _content(self) -> bytes:
        assert self.file is not None
        try:
            mode = self.file.stat().st_mode
            content = self.file.read_bytes()
        except OSError as error:
            raise InvalidInputError(
                f"the secret in {self.file} cannot be read: {error.strerror}", "name another file"
            ) from None
        if mode & _EXPOSED:
            raise InvalidInputError(
                f"others than its owner can read or change {self.file}", f"chmod 600 {self.file}"
            )
        return content


class RequestLimits(Section):
    """What one request may bring, and how fast it must do so.

    Attributes:
        body_bytes: The longest body, where a route does not say otherwise.
        head_bytes: The longest line with header fields of a request.
        head_seconds: How long a client may take for them.
        idle_seconds: How long a client may send nothing of a body, or take nothing of an answer.
        bytes_per_second: How fast a body must arrive and an answer be taken, on the average of
            `idle_seconds`.
        connections: Connections at once; more are told to come back.
    """

    body_bytes: Positive = 8 << 20
    head_bytes: Positive = 1 << 16
    head_seconds: Seconds = 20.0
    idle_seconds: Seconds = 30.0
    bytes_per_second: Positive = 512
    connections: Positive = 1000


class UploadLimits(Section):
    """What may be uploaded.

    Attributes:
        longest_file: The most bytes that a file may have.
        at_once: How many uploads one agent may be sending at the same time.
        begun: How many uploads of one agent may wait for their bytes or their registration.
    """

    longest_file: Positive = 1 << 40
    at_once: Positive = 16
    begun: Positive = 10_000


class Rates(Section):
    """How many requests a minute one agent may send, or one address where nobody is known; 0: any.

    Attributes:
        requests: Requests of any kind.
        writes: Those of them that change something.
        queries: SPARQL queries and packaged questions.
        failures: Credentials that nobody is known by, by address.
    """

    requests: Annotated[int, Field(ge=0)] = 60_000
    writes: Annotated[int, Field(ge=0)] = 60_000
    queries: Annotated[int, Field(ge=0)] = 6_000
    failures: Annotated[int, Field(ge=0)] = 120


class JobSettings(Section):
    """How recipes are run.

    Attributes:
        workers: Processes that run them; they share the machine's processors.
    """

    workers: Positive = 1


class Settings(Section):
    """How a service is run.

    Attributes:
        host: The address to listen at.
        port: The port to listen at; 0 takes a free one.
        public_url: The address that clients know, where a proxy stands in front.
        anonymous: Whether anybody may read without a token.
        anonymous_metrics: Whether anybody may read the metrics without a token.
        queries: What an untrusted SPARQL query may use.
        requests: What one request may bring.
        uploads: What may be uploaded.
        rates: How often one client may ask.
        outbound: Which addresses the service itself may call.
        fetches: What it may fetch from there.
        oidc: The OpenID providers whose tokens are taken.
        jobs: How recipes are run.
        webhooks: How others are told of what was recorded.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    public_url: HttpUrl | None = None
    anonymous: bool = False
    anonymous_metrics: bool = False
    queries: Limits = Limits()
    requests: RequestLimits = RequestLimits()
    uploads: UploadLimits = UploadLimits()
    rates: Rates = Rates()
    outbound: Policy = Policy()
    fetches: FetchLimits = FetchLimits()
    oidc: tuple[Issuer, ...] = ()
    jobs: JobSettings = JobSettings()
    webhooks: WebhookLimits = WebhookLimits()

    def changed(self, **values: object) -> Self:
        """These settings with other values, checked like those of a file; None changes nothing.

        Raises:
            InvalidInputError: A value is none that a service understands.
        """
        given = {name: value for name, value in values.items() if value is not None}
        try:
            return self.model_validate(self.model_dump() | given)
        except ValidationError as error:
            raise InvalidInputError(_reasons(error), "pressmark serve --help") from None


def read_settings(path: Path) -> Settings:
    """Reads a settings file.

    Raises:
        InvalidInputError: It is missing, no TOML, or says what no service understands.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        return Settings.model_validate(told, context={_FOLDER: path.absolute().parent})
    except OSError as error:
        reason = error.strerror or str(error)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reason = f"it is no TOML: {error}"
    except ValidationError as error:
        reason = _reasons(error)
    raise InvalidInputError(f"{path}: {reason}", "api/service/service.toml shows every setting")


def _reasons(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
