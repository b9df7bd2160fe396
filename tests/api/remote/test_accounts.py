"""Tokens: made and revoked on a server, kept for the next command, and never told to anybody."""

import io
import re
import stat
from pathlib import Path

import pytest

from pressmark.api.cli import exit_codes
from pressmark.api.remote import credentials
from pressmark.registry.errors import InvalidInputError

ACCOUNTS = (
    "token list",
    "token create --for Bo --scope write --label laptop",
    "token create --for Bo --scope none",
    "token create --for Bo --json",
    "token list",
    "token list --json",
    "token revoke 00000000",
    "token forget Bo",
    "token forget Bo",
    "token list",
)


def nameless(text: str) -> str:
    text = re.sub(r"pm_\w+_[\w-]+", "TOKEN", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?", "TIME", text)
    return re.sub(r"  +", "  ", re.sub(r"\b[0-9a-f]{16}\b", "ID", text))


def test_tokens_are_made_and_revoked_the_same(cli, mine, theirs) -> None:
    cli("--registry", mine, "token", "create", "--for", "Ada", "--scope", "admin")
    for line in ACCOUNTS:
        here = cli("--registry", mine, *line.split())
        there = cli("--server", theirs.url, *line.split())
        assert (line, there.code, nameless(there.out)) == (line, here.code, nameless(here.out))
        if "--scope none" not in line:  # whose refusal is the route's own
            assert nameless(there.err) == nameless(here.err)


def test_a_token_that_was_revoked_opens_nothing(cli, theirs, monkeypatch) -> None:
    made = cli("--server", theirs.url, "token", "create", "--for", "Bo", "--json").json
    monkeypatch.setenv("PRESSMARK_TOKEN", made["token"])
    assert cli("--server", theirs.url, "ls").code == 0
    refused = cli("--server", theirs.url, "token", "revoke", made["info"]["id"])
    assert (refused.code, "scope admin" in refused.err) == (exit_codes.REFUSED, True)
    monkeypatch.setenv("PRESSMARK_TOKEN", theirs.token)
    assert cli("--server", theirs.url, "token", "revoke", made["info"]["id"]).code == 0
    monkeypatch.setenv("PRESSMARK_TOKEN", made["token"])
    ran = cli("--server", theirs.url, "ls")
    assert ran.code == exit_codes.REFUSED
    assert made["token"] not in ran.err + ran.out


def test_login_keeps_a_token_that_nobody_else_can_read(
    cli, served, no_credentials, monkeypatch
) -> None:
    assert cli("--server", served.url, "ls").code == exit_codes.REFUSED
    monkeypatch.setattr("sys.stdin", io.StringIO("pm_no_token\n"))
    assert cli("login", served.url).code == exit_codes.REFUSED
    assert not credentials.file().exists()
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{served.token}\n"))
    ran = cli("login", f"{served.url}/")
    assert (ran.code, served.token in ran.out + ran.err) == (0, False)
    assert stat.S_IMODE(credentials.file().stat().st_mode) == 0o600
    assert cli("--server", served.url, "ls").code == 0
    credentials.file().chmod(0o640)
    exposed = cli("--server", served.url, "ls")
    assert (exposed.code, "chmod 600" in exposed.err) == (exit_codes.REFUSED, True)
    credentials.file().chmod(0o600)
    assert cli("logout", served.url).code == 0
    assert cli("logout", served.url).code == exit_codes.NOT_FOUND
    assert cli("--server", served.url, "ls").code == exit_codes.REFUSED


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("https://Models.example.org/", "https://models.example.org"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://[::1]:8443/pressmark/", "https://[::1]:8443/pressmark"),
    ],
)
def test_an_address_has_one_form(url: str, form: str) -> None:
    assert credentials.checked_url(url) == form


@pytest.mark.parametrize(
    "url",
    [
        *("models.example.org", "ftp://models.example.org", "https://", "https://x:70000"),
        *("https://ada:secret@models.example.org", "https://x/?token=secret", "https://x/#secret"),
    ],
)
def test_what_is_no_address_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        credentials.checked_url(url)
    assert "ada:secret" not in str(refused.value)


def test_a_token_never_goes_over_a_network_in_clear_text(no_credentials, monkeypatch) -> None:
    credentials.keep("http://models.example.org", "pm_1_secret")
    with pytest.raises(InvalidInputError, match="clear text"):
        credentials.token_for("http://models.example.org")
    monkeypatch.setenv("PRESSMARK_ALLOW_HTTP", "1")
    assert credentials.token_for("http://models.example.org") == "pm_1_secret"
    assert credentials.token_for("https://models.example.org") is None


def test_a_folder_and_a_server_are_not_named_together(cli, served, tmp_path: Path) -> None:
    ran = cli("--registry", tmp_path, "--server", served.url, "ls")
    assert ran.code == exit_codes.USAGE


def test_what_is_typed_outweighs_the_environment(
    cli, served, remotely, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("PRESSMARK_REGISTRY", str(tmp_path / "nothing"))
    assert cli(*remotely, "ls").code == 0
    monkeypatch.setenv("PRESSMARK_SERVER", "http://127.0.0.1:9")
    assert cli("--registry", served.folder, "ls").code == 0


def test_a_server_that_is_not_there_is_named(cli, no_credentials, monkeypatch) -> None:
    monkeypatch.setattr("pressmark.api.remote.connection.ATTEMPTS", 1)
    ran = cli("--server", "http://127.0.0.1:9", "ls")
    assert ran.code == exit_codes.STORE
    assert "http://127.0.0.1:9" in ran.err
    assert "curl http://127.0.0.1:9/healthz" in ran.err
