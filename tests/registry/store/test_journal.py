import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pressmark.registry.errors import NotFoundError, StoreDamagedError
from pressmark.registry.journal import GENESIS, Entry, Journal, Proof, verify_inclusion
from pressmark.registry.merkle import MerkleTree
from pressmark.registry.merkle import verify_inclusion as verify_path


def bundle(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal")
    for number in range(1, 8):
        journal.append(bundle(number))
    yield journal
    journal.close()


def oracle_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word: MTH over a list."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = oracle_root(leaves[:split]), oracle_root(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def test_an_empty_journal_has_the_genesis_head(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    assert (len(journal), journal.head(), journal.last()) == (0, GENESIS, None)
    assert list(journal.entries()) == []
    assert not (tmp_path / "journal").exists()


def test_entries_are_chained_by_plain_sha256_of_their_text(journal: Journal) -> None:
    previous = "0" * 64
    lines = journal.path.read_text().splitlines()
    for number, line in enumerate(lines, start=1):
        body = f"{number:012d} {bundle(number)} {previous} "
        previous = hashlib.sha256(body.encode()).hexdigest()
        assert line == body + previous
    assert journal.head() == previous


def test_a_second_handle_sees_what_the_first_appended(journal: Journal) -> None:
    other = Journal(journal.path)
    assert list(other.entries()) == list(journal.entries())
    journal.append(bundle(8))
    assert other.refresh() == 8
    assert other.head() == journal.head()


def test_entries_can_be_read_from_any_place(journal: Journal) -> None:
    assert [entry.sequence for entry in journal.entries(from_=5)] == [5, 6, 7]
    assert journal.entry(3).bundle_digest == bundle(3)
    for missing in (-1, 0, 8):
        with pytest.raises(NotFoundError, match=f"no entry {missing}"):
            journal.entry(missing)


def test_a_torn_last_line_was_never_acknowledged(journal: Journal) -> None:
    whole = journal.path.read_bytes()
    torn = Entry.following(journal.last(), bundle(8)).line
    for length in range(1, len(torn), 9):
        journal.path.write_bytes(whole + torn[:length])
        again = Journal(journal.path)
        assert len(again) == 7
        again.repair()
        again.close()
        assert journal.path.read_bytes() == whole


def test_a_line_whose_end_was_never_written_is_torn(journal: Journal) -> None:
    whole = journal.path.read_bytes()
    line = Entry.following(journal.last(), bundle(8)).line
    journal.path.write_bytes(whole + line[:-50] + bytes(50))
    again = Journal(journal.path)
    again.repair()
    assert again.append(bundle(8)).sequence == 8
    again.close()
    assert journal.path.read_bytes() == whole + line


def test_every_flipped_byte_is_found_and_its_line_named(journal: Journal) -> None:
    data = journal.path.read_bytes()
    width = len(data) // 7
    for place in range(len(data)):
        flipped = bytearray(data)
        flipped[place] ^= 1
        journal.path.write_bytes(flipped)
        line = place // width + 1
        damages = journal.damages()
        assert f"line {line} of the journal" in damages[0]
        if place % 20 == 0:
            with pytest.raises(StoreDamagedError, match=f"line {line} "):
                list(Journal(journal.path).entries())


def test_a_line_that_was_replaced_by_a_consistent_one_breaks_the_chain(journal: Journal) -> None:
    lines = journal.path.read_bytes().splitlines(keepends=True)
    lines[3] = Entry.following(journal.entry(3), bundle(99)).line
    journal.path.write_bytes(b"".join(lines))
    assert journal.damages() == [f"line 5 of the journal {journal.path} does not follow line 4"]


def test_a_full_disk_leaves_the_journal_as_it_was(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = journal.path.read_bytes()

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fdatasync", fail)
        with pytest.raises(OSError, match="No space"):
            journal.append(bundle(8))
    assert journal.path.read_bytes() == before
    assert journal.append(bundle(8)).sequence == 8


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33])
def test_roots_and_proofs_follow_rfc_6962(size: int) -> None:
    tree, leaves = MerkleTree(), [f"entry {number}".encode() for number in range(size)]
    for count, leaf in enumerate(leaves, start=1):
        tree.append(leaf)
        assert tree.root() == oracle_root(leaves[:count])
    for count in range(size + 1):
        assert tree.root(count) == oracle_root(leaves[:count])
        for index in range(count):
            proof = tree.inclusion_proof(index, count)
            root = oracle_root(leaves[:count])
            assert verify_path(leaves[index], index, count, proof, root)
            assert not verify_path(leaves[index] + b"x", index, count, proof, root)
            assert not verify_path(leaves[index], (index + 1) % count, count, proof, root) or (
                count == 1
            )
            assert not verify_path(leaves[index], index, count, (*proof, root), root)
            assert not verify_path(leaves[index], index, count, proof[:-1], root) or not proof


def test_the_empty_tree_has_no_proofs() -> None:
    with pytest.raises(IndexError):
        MerkleTree().inclusion_proof(0)
    assert not verify_path(b"", 0, 0, (), MerkleTree().root())


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 200), st.data())
def test_a_changed_proof_never_verifies(size: int, data: st.DataObject) -> None:
    tree = MerkleTree()
    for number in range(size):
        tree.append(str(number).encode())
    index = data.draw(st.integers(0, size - 1))
    path = list(tree.inclusion_proof(index))
    assert verify_path(str(index).encode(), index, size, path, tree.root())
    if path:
        place = data.draw(st.integers(0, len(path) - 1))
        path[place] = bytes(32)
        assert not verify_path(str(index).encode(), index, size, path, tree.root())


def test_inclusion_is_proved_to_whoever_kept_the_root(journal: Journal) -> None:
    entry, root = journal.entry(4), journal.root()
    proof = journal.inclusion_proof(4)
    assert verify_inclusion(entry, proof, root)
    other = Entry.following(journal.entry(3), bundle(99))
    assert not verify_inclusion(other, proof, root)
    journal.append(bundle(8))
    assert not verify_inclusion(entry, journal.inclusion_proof(4), root)
    assert verify_inclusion(entry, proof, root), "an old proof holds against the old root"
    assert not verify_inclusion(entry, Proof(proof.size, bytes(32), proof.path))
    with pytest.raises(NotFoundError):
        journal.inclusion_proof(9)


def test_opening_does_not_read_the_whole_file(tmp_path: Path) -> None:
    last, lines = None, []
    for number in range(20_000):
        last = Entry.following(last, bundle(number))
        lines.append(last.line)
    path = tmp_path / "journal"
    path.write_bytes(b"".join(lines))
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    assert len(Journal(path)) == 20_000, "a damaged first line is not read on opening"
