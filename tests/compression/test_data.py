"""Data sets: reading, digests, windows, and that calibration never leaks into evaluation."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from pressmark.compression import data
from pressmark.compression.data import PACKAGED, DataSet, bos_token, refuse_shared_text
from pressmark.compression.errors import DataSetError

CALIBRATION = DataSet.packaged("wikitext-2-calibration")
EVALUATION = DataSet.packaged("wikitext-2-evaluation")


def numbers(count):
    """A text whose words are all different, so that a window tells where it was cut."""
    return DataSet("numbers", " ".join(str(n) for n in range(count)), "CC0-1.0", "made here")


def test_packaged_texts_name_source_licence_and_digest():
    for name in PACKAGED:
        text = DataSet.packaged(name)
        assert text.license == "CC-BY-SA-3.0"
        assert "WikiText-2" in text.source
        assert text.sha256 == hashlib.sha256(text.text.encode()).hexdigest()
        assert text.size == len(text.text.encode())


def test_packaged_texts_do_not_overlap():
    refuse_shared_text(CALIBRATION, EVALUATION)


def test_readme_states_the_digests():
    from importlib.resources import files

    readme = files("pressmark.compression").joinpath("texts", "README.md").read_text("utf-8")
    assert all(DataSet.packaged(name).sha256 in readme for name in PACKAGED)


def test_the_same_text_under_two_names_is_refused():
    other = DataSet("other", CALIBRATION.text, "CC-BY-SA-3.0", "copy")
    with pytest.raises(DataSetError, match="the same text"):
        refuse_shared_text(CALIBRATION, other)


def test_one_shared_line_is_refused_and_quoted():
    line = max(EVALUATION.text.splitlines()[:20], key=len)
    other = DataSet("other", "my own words\n" + line, "CC-BY-SA-3.0", "mixed")
    with pytest.raises(DataSetError, match="share text") as caught:
        refuse_shared_text(other, EVALUATION)
    assert line.strip()[:40] in str(caught.value)


def test_text_file_is_read_as_it_stands(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("Ein Satz.\n\nNoch einer: ä.\n", "utf-8")
    text = DataSet.from_file(path, "CC0-1.0")
    assert (text.name, text.source) == ("mine", "mine.txt")
    assert text.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_rows_are_joined_by_a_blank_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"body": row, "n": 1}) + "\n" for row in ("a b", "c")))
    assert DataSet.from_file(path, "CC0-1.0", column="body").text == "a b\n\nc"


def test_parquet_is_read(tmp_path):
    import datasets

    path = tmp_path / "rows.parquet"
    datasets.Dataset.from_dict({"text": ["one", "two"]}).to_parquet(str(path))
    assert DataSet.from_file(path, "CC0-1.0").text == "one\n\ntwo"


def test_wrong_column_lists_the_columns(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"body": "a"}\n')
    with pytest.raises(DataSetError, match="'text' holds no text") as caught:
        DataSet.from_file(path, "CC0-1.0")
    assert "body" in caught.value.hint


@pytest.mark.parametrize("content", [b'{"text": "a"}\n{"text": ', b"\xff\xfe\x00broken"])
def test_broken_rows_name_the_file(tmp_path, content):
    path = tmp_path / "broken.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataSetError, match=r"broken\.jsonl"):
        DataSet.from_file(path, "CC0-1.0")


def test_a_broken_parquet_file_is_named(tmp_path):
    path = tmp_path / "broken.parquet"
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(DataSetError, match=r"broken\.parquet"):
        DataSet.from_file(path, "CC0-1.0")


def test_more_text_than_fits_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "_LARGEST", 100)
    path = tmp_path / "large.jsonl"
    path.write_text(json.dumps({"text": "x" * 40}) + "\n")
    assert DataSet.from_file(path, "CC0-1.0").size == 40
    path.write_text((json.dumps({"text": "x" * 40}) + "\n") * 3)
    with pytest.raises(DataSetError, match="more than 100 characters"):
        DataSet.from_file(path, "CC0-1.0")


@pytest.mark.parametrize(
    ("split", "parts"),
    [("train", ("train", None)), ("train[:20]", ("train", 20)), ("train[5:]", ("train[5:]", None))],
)
def test_the_first_rows_of_a_split(split, parts):
    assert data._first_rows(split) == parts


def test_missing_and_unknown_files_are_refused(tmp_path):
    with pytest.raises(DataSetError, match="no such data file"):
        DataSet.from_file(tmp_path / "none.txt", "CC0-1.0")
    with pytest.raises(DataSetError, match=r"'\.csv' is not read"):
        DataSet.from_file(tmp_path / "none.csv", "CC0-1.0")
    with pytest.raises(DataSetError, match="packaged texts: wikitext-2-calibration"):
        DataSet.packaged("wikitext")


def test_a_text_without_licence_or_words_is_refused():
    with pytest.raises(DataSetError, match="no licence"):
        DataSet("x", "words", " ", "here")
    with pytest.raises(DataSetError, match="no text"):
        DataSet("x", " \n", "CC0-1.0", "here")


def test_an_unreachable_hub_is_a_clear_error():
    # In a process of its own: the hub library reads its offline switch on import.
    code = (
        "from pressmark.compression.data import DataSet\n"
        "from pressmark.compression.errors import DataSetError\n"
        "try: DataSet.from_hub('no/such', 'MIT', revision='1')\n"
        "except DataSetError as error: print(error.message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("no/such: the data set cannot be read")


def test_windows_are_disjoint_pieces_of_the_stream(plain_tokenizer):
    text = numbers(3000)
    windows = text.windows(plain_tokenizer, count=20, length=32, seed=3)
    stream = text.tokens(plain_tokenizer).numpy()
    starts = [find(stream, window.numpy()) for window in windows]
    assert windows.shape == (20, 32)
    assert windows.dtype == torch.int64
    assert min(np.diff(sorted(starts))) >= 32


def find(stream, window):
    views = np.lib.stride_tricks.sliding_window_view(stream, len(window))
    (starts,) = np.nonzero((views == window).all(axis=1))
    return starts[0]


def test_the_seed_decides_the_windows(plain_tokenizer):
    text = numbers(3000)
    draws = [text.windows(plain_tokenizer, 8, 16, seed) for seed in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_every_window_starts_with_bos_if_the_tokenizer_adds_it(bos_tokenizer, plain_tokenizer):
    text = numbers(3000)
    assert (text.windows(bos_tokenizer, 8, 16, 0)[:, 0] == 0).all()
    assert (text.windows(bos_tokenizer, 8, 16, 0)[:, 1:] != 0).all()
    assert (text.windows(plain_tokenizer, 8, 16, 0) != 0).all()
    assert (text.windows(plain_tokenizer, 8, 16, 0, bos=True)[:, 0] == 0).all()
    assert bos_token(bos_tokenizer, bos=False) == []


def test_bos_of_a_tokenizer_without_one_is_refused(plain_tokenizer):
    from transformers import PreTrainedTokenizerFast

    bare = PreTrainedTokenizerFast(tokenizer_object=plain_tokenizer.backend_tokenizer)
    assert bos_token(bare, "auto") == []
    with pytest.raises(DataSetError, match="no begin-of-text token"):
        bos_token(bare, bos=True)


def test_too_short_a_text_is_refused_with_numbers(plain_tokenizer):
    text = numbers(20)
    count = len(text.tokens(plain_tokenizer))
    with pytest.raises(DataSetError, match=f"{count} tokens, enough for 0 windows of 512"):
        text.windows(plain_tokenizer, 1, 512, 0)
    with pytest.raises(DataSetError, match="but 1000 are asked for"):
        text.windows(plain_tokenizer, 1000, 8, 0)
