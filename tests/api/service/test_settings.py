"""One file says how a service is run, and nothing in it is misunderstood."""

from importlib import resources
from pathlib import Path

import pytest

from pressmark.api.service.settings import Secret, Settings, read_settings
from pressmark.registry.errors import InvalidInputError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "service.toml"


def test_the_example_states_every_default() -> None:
    example = resources.files("pressmark.api.service").joinpath("service.toml")
    with resources.as_file(example) as path:
        assert read_settings(path) == Settings()
        told = path.read_text()
    sections = {name: getattr(Settings(), name) for name in Settings.model_fields}
    names = set(Settings.model_fields)
    for section in sections.values():
        names |= set(getattr(type(section), "model_fields", {}))
    assert {name for name in names if name not in told} == set()


WRONG = {
    "anonymus = true": "anonymus: Extra inputs are not permitted",
    "[queries]\nsecnds = 1": "queries.secnds",
    "[queries]\nseconds = 0": "queries.seconds",
    "[rates]\nwrites = -1": "rates.writes",
    "port = 70000": "port",
    "port = ": "no TOML",
    'public_url = "ftp://x"': "public_url",
}


@pytest.mark.parametrize(("text", "said"), WRONG.items(), ids=WRONG)
def test_what_no_service_understands_is_refused(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    with pytest.raises(InvalidInputError, match=said):
        read_settings(file)


def test_a_missing_file_is_said(file: Path) -> None:
    with pytest.raises(InvalidInputError, match="No such file"):
        read_settings(file)


def test_the_command_line_outweighs_the_file(file: Path) -> None:
    file.write_text("port = 9000\nanonymous = true\n[queries]\nseconds = 3\n")
    settings = read_settings(file).changed(port=1, host=None)
    assert (settings.port, settings.host, settings.anonymous) == (1, "127.0.0.1", True)
    assert settings.queries.seconds == 3.0
    with pytest.raises(InvalidInputError, match="port"):
        settings.changed(port=-1)


def test_a_secret_is_read_where_it_is_and_shown_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "secret"
    kept.write_text("hush\n")
    kept.chmod(0o600)
    monkeypatch.setenv("THE_SECRET", "hush")
    for secret in (Secret(file=kept), Secret(env="THE_SECRET")):
        assert secret.read() == b"hush"
        assert "hush" not in repr(secret) + secret.model_dump_json()


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o660, 0o666])
def test_a_secret_that_others_can_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    kept = tmp_path / "secret"
    kept.write_text("hush")
    kept.chmod(mode)
    with pytest.raises(InvalidInputError, match="chmod 600") as caught:
        Secret(file=kept).read()
    assert "hush" not in str(caught.value)


def test_a_secret_has_one_place(tmp_path: Path) -> None:
    for given in ({}, {"env": "A", "file": tmp_path}):
        with pytest.raises(ValueError, match="name one of env and file"):
            Secret.model_validate(given)
    for secret in (Secret(env="PRESSMARK_NOT_SET"), Secret(file=tmp_path / "none")):
        with pytest.raises(InvalidInputError):
            secret.read()
