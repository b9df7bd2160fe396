"""Caring for a server's registry prints what it prints here, and does the same."""

import re
from pathlib import Path

STORING = (
    "retire int8 --reason old",
    "gc --dry-run",
    "gc --json",
    "gc",
    "fsck",
    "fsck --json",
    "reindex",
    "reindex --json",
    "verify",
    "backup {kept}/folder",
    "backup {kept}/file.tar --json",
    "backup {kept}/file.tar",
    "ls",
)


def nameless(text: str) -> str:
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)
    text = re.sub(r"[0-9a-f]{64}", "DIGEST", text)
    text = re.sub(r'"bytes": \d+', "BYTES", text)  # a record names its time and its agent
    return re.sub(r"kept-\w+", "KEPT", text)


def test_a_registry_is_cared_for_the_same(cli, mine, theirs, tmp_path) -> None:
    for line in STORING:
        said = []
        for name, place in (("here", ("--registry", mine)), ("there", ("--server", theirs.url))):
            arguments = line.format(kept=tmp_path / f"kept-{name}").split()
            ran = cli(*place, *arguments)
            said.append((line, ran.code, nameless(ran.out), nameless(ran.err)))
        assert said[0] == said[1]
    for kind in ("folder", "file.tar"):
        restored = tmp_path / f"restored-{kind}"
        assert cli("-R", restored, "restore", tmp_path / "kept-there" / kind).code == 0
        assert cli("-R", restored, "verify").code == 0
        assert cli("-R", restored, "ls").out.count("retired") == 1


def test_a_damage_is_told_and_mended_alike(cli, mine, theirs, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for registry in (mine, theirs.folder):
        blob = max((registry / "blobs").rglob("*"), key=lambda path: path.stat().st_size)
        data = bytearray(blob.read_bytes())
        data[len(data) // 2] ^= 1
        blob.chmod(0o644)
        blob.write_bytes(data)
    for line in ("fsck --json", "fsck", "backup nowhere.tar", "fsck --repair", "fsck"):
        here = cli("--registry", mine, *line.split())
        there = cli("--server", theirs.url, *line.split())
        assert (line, there.code, there.out) == (line, here.code, here.out)
    assert not Path("nowhere.tar").exists()


def test_only_administrators_care_for_a_registry(cli, theirs, monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    made = cli("--server", theirs.url, "token", "create", "--for", "Bo", "--scope", "write")
    monkeypatch.setenv("PRESSMARK_TOKEN", made.out.strip())
    for line in ("gc", "fsck", "reindex", "backup nowhere.tar", "token list"):
        ran = cli("--server", theirs.url, *line.split())
        assert (ran.code, "scope admin" in ran.err) == (4, True), ran.err
