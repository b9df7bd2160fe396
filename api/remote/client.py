"""A registry behind a server, as commands ask it."""

from pressmark.api.client import Client
from pressmark.api.remote import credentials
from pressmark.api.remote.administering import RemoteAdministering
from pressmark.api.remote.connection import Connection
from pressmark.api.remote.making import RemoteMaking
from pressmark.api.remote.peer import RemotePeer


class RemoteClient(RemoteMaking, RemoteAdministering, Client):
    """A registry behind a server; see `pressmark.api.client.Client`."""

    def peer(self) -> RemotePeer:
        return RemotePeer(self.connection)

    def close(self) -> None:
        self.connection.close()


def connected(server: str, token: str | None = None) -> RemoteClient:
    """The registry of a server.

    Args:
        server: Its address.
        token: Who asks; None for the token that the environment or the user's file has for it.

    Raises:
        InvalidInputError: It is no address, or the token must not be sent there.
    """
    url = credentials.checked_url(server)
    return RemoteClient(Connection(url, credentials.token_for(url, token)))
