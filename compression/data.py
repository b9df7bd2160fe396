"""Texts to calibrate and to evaluate with: named, digested, licensed, cut into token windows.

A data set is one text. Its digest is the SHA-256 of that text in UTF-8, so two runs used the same
data if and only if they recorded the same digest. Rows of a JSON Lines, Parquet or hub data set are
joined by a blank line. Every data set names its licence.

Law: calibration and evaluation text are never the same (`refuse_shared_text`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor

from pressmark.compression.errors import DataSetError

Bos = bool | Literal["auto"]
"""Whether windows start with the begin-of-text token; "auto" does what the tokenizer does."""

PACKAGED: dict[str, str] = {
    "wikitext-2-calibration": "WikiText-2 validation split, first 22 articles (arXiv:1609.07843)",
    "wikitext-2-evaluation": "WikiText-2 test split, first 3 articles (arXiv:1609.07843)",
}
"""The data sets in `compression/texts/`: name -> source."""

_FORMATS = {".txt": "text", ".jsonl": "json", ".json": "json", ".parquet": "parquet"}
_LARGEST = 1 << 28
"""Characters of text that are held at most; a crawl of the web must not fill the memory."""
_TELLING_LINE = 40
"""Shorter lines (headings, blank lines) may occur in any two texts."""


@dataclass(frozen=True)
class DataSet:
    """One text with its name, licence and source.

    Attributes:
        name: What people call it.
        text: All of it.
        license: SPDX identifier or name of the licence; required.
        source: Where it came from, for a person.
    """

    name: str
    text: str = field(repr=False)
    license: str
    source: str

    def __post_init__(self) -> None:
        if not self.license.strip():
            raise DataSetError(f"data set '{self.name}' names no licence", "set its 'license'")
        if not self.text.strip():
            raise DataSetError(f"data set '{self.name}' holds no text")

    @classmethod
    def packaged(cls, name: str) -> Self:
        """One of the texts that come with Pressmark.

        Raises:
            DataSetError: There is none of this name.
        """
        if name not in PACKAGED:
            raise DataSetError(
                f"there is no packaged text '{name}'", f"packaged texts: {', '.join(PACKAGED)}"
            )
        text = files("pressmark.compression").joinpath("texts", f"{name}.txt").read_bytes()
        return cls(name, text.decode("utf-8"), "CC-BY-SA-3.0", PACKAGED[name])

    @classmethod
    def from_file(cls, path: Path, license: str, column: str = "text") -> Self:  # noqa: A002
        """A local .txt, .jsonl, .json or .parquet file.

        Args:
            path: The file; its stem becomes the name.
            license: SPDX identifier or name.
            column: Which column of a file with columns holds the text.

        Raises:
            DataSetError: The file is missing, unreadable, or has no such column.
        """
        builder = _FORMATS.get(path.suffix.lower())
        if builder is None:
            raise DataSetError(
                f"{path}: the format '{path.suffix}' is not read",
                f"give a file that ends in {', '.join(_FORMATS)}",
            )
        if not path.is_file():
            raise DataSetError(f"{path}: there is no such data file")
        options = {"sample_by": "document"} if builder == "text" else {}
        rows = _rows(str(path), builder, column, data_files=str(path), split="train", **options)
        return cls(path.stem, _join(str(path), rows), license, path.name)

    @classmethod
    def from_hub(
        cls,
        hub: str,
        license: str,  # noqa: A002
        *,
        revision: str | None = None,
        subset: str | None = None,
        split: str | None = None,
        column: str = "text",
    ) -> Self:
        """A data set of the Hugging Face hub, without ever running code of its repository.

        Args:
            hub: `owner/name`.
            license: SPDX identifier or name.
            revision: Commit or tag; the newest if None.
            subset: The configuration.
            split: The split, "train" if None; "train[:1000]" takes its first thousand rows.
            column: Which column holds the text.

        Raises:
            DataSetError: The hub cannot be reached, or has no such data set or column.
        """
        part, count = _first_rows(split or "train")
        options = {"name": subset, "split": part, "revision": revision}
        source = f"https://huggingface.co/datasets/{hub}" + (f"@{revision}" if revision else "")
        rows = islice(_rows(hub, hub, column, **options), count)
        return cls(hub, _join(hub, rows), license, source)

    @cached_property
    def content(self) -> bytes:
        """The text in UTF-8, the bytes that the digest is of."""
        return self.text.encode("utf-8")

    @cached_property
    def sha256(self) -> str:
        """Hex SHA-256 of `content`."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def size(self) -> int:
        """Length of `content` in bytes."""
        return len(self.content)

    def tokens(self, tokenizer: Any, limit: int | None = None) -> Tensor:
        """The text as token ids, without any special token.

        Returns:
            int64 [tokens], at most `limit`.
        """
        encoded = tokenizer(self.text, add_special_tokens=False, verbose=False).input_ids
        return torch.tensor(encoded[:limit], dtype=torch.int64)

    def windows(
        self, tokenizer: Any, count: int, length: int, seed: int, bos: Bos = "auto"
    ) -> Tensor:
        """Draws `count` windows that do not overlap; the same seed draws the same ones.

        The token stream is cut into consecutive windows after a seeded offset into what the cut
        leaves over, and `count` of them are taken in a seeded order.

        Args:
            tokenizer: A transformers tokenizer.
            count: How many windows.
            length: Tokens in each, the begin-of-text token included.
            seed: Chooses offset and windows.
            bos: Whether each window starts with the begin-of-text token.

        Returns:
            int64 [count, length].

        Raises:
            DataSetError: The text is too short, or `bos` is asked of a tokenizer without one.
        """
        start = bos_token(tokenizer, bos)
        body = length - len(start)
        stream = self.tokens(tokenizer)
        fits = len(stream) // body if body > 0 else 0
        if fits < count or count < 1:
            raise DataSetError(
                f"data set '{self.name}' has {len(stream)} tokens, enough for {fits} windows of "
                f"{length}, but {count} are asked for",
                "ask for fewer or shorter windows, or give a longer text",
            )
        generator = np.random.default_rng(seed)
        offset = int(generator.integers(len(stream) - fits * body + 1))
        chosen = torch.from_numpy(generator.permutation(fits)[:count])
        windows = stream[offset : offset + fits * body].reshape(fits, body)[chosen]
        return torch.cat([torch.tensor(start, dtype=torch.int64).expand(count, -1), windows], dim=1)


def bos_token(tokenizer: Any, bos: Bos) -> list[int]:
    """What every window starts with: the begin-of-text id in a list, or an empty list.

    Models that were trained with the token (Gemma) are badly wrong without it.
    """
    known = tokenizer.bos_token_id
    if bos == "auto":
        encoded = tokenizer("a").input_ids
        return [known] if known is not None and encoded[:1] == [known] else []
    if bos and known is None:
        raise DataSetError(
            "this tokenizer has no begin-of-text token", "leave out 'bos' or set it to false"
        )
    return [known] if bos else []


def refuse_shared_text(calibration: DataSet, evaluation: DataSet) -> None:
    """Refuses two data sets that share text: a model must not be judged by what it was fitted to.

    Exact and cheap: equal digests, or any line of at least 40 characters that stands in both.

    Raises:
        DataSetError: They share text; the first shared line is quoted.
    """
    if calibration.sha256 == evaluation.sha256:
        raise DataSetError(
            f"calibration and evaluation use the same text: '{calibration.name}' and "
            f"'{evaluation.name}' have the digest {calibration.sha256}",
            "evaluate on another text",
        )
    known = set(_telling_lines(calibration.text.splitlines()))
    lines = _telling_lines(evaluation.text.splitlines())
    shared = next((line for line in lines if line in known), "")
    if shared:
        raise DataSetError(
            f"calibration set '{calibration.name}' and evaluation set '{evaluation.name}' share "
            f'text, first: "{shared[:80]}"',
            "take the shared documents out of one of them",
        )


def _telling_lines(lines: Iterable[str]) -> Iterator[str]:
    stripped = (line.strip() for line in lines)
    return (line for line in stripped if len(line) >= _TELLING_LINE)


def _first_rows(split: str) -> tuple[str, int | None]:
    """Takes "train[:1000]" apart, which the library does not do while streaming."""
    sliced = re.fullmatch(r"([^\[\]]+)\[:(\d+)\]", split)
    return (sliced[1], int(sliced[2])) if sliced else (split, None)


def _join(where: str, rows: Iterable[str]) -> str:
    joined: list[str] = []
    size = 0
    for row in rows:
        joined.append(row)
        size += len(row) + 2
        if size > _LARGEST:
            raise DataSetError(
                f"{where}: the data set holds more than {_LARGEST:,} characters",
                'take a part of it, e.g. split "train[:1000]"',
            )
    return "\n\n".join(joined)


def _rows(where: str, builder: str, column: str, **options: Any) -> Iterator[str]:
    """Streams one column through the `datasets` library; its errors become ours."""
    import datasets

    try:
        # Streaming keeps no second copy of the data in the library's cache.
        for row in datasets.load_dataset(builder, streaming=True, **options):
            yield _cell(where, column, row)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise DataSetError(
            f"{where}: the data set cannot be read: {error}",
            "is a local file complete and of the format that its name says? "
            "is the hub reachable and the id right?",
        ) from error


def _cell(where: str, column: str, row: Mapping[str, Any]) -> str:
    cell = row.get(column)
    if not isinstance(cell, str):
        raise DataSetError(
            f"{where}: column '{column}' holds no text in some row",
            f"its columns: {', '.join(map(str, row))}",
        )
    return cell
