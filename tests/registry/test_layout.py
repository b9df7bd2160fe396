import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import safetensors
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from pressmark.registry.errors import InvalidInputError
from pressmark.registry.layout import (
    MAX_HEADER_BYTES,
    PACK_BYTES,
    ChunkRef,
    Layout,
    chunk_spans,
    is_digest,
    layout_key,
    object_key,
    parse_header,
    read_header_file,
)

HOSTILE = sorted((Path(__file__).parents[1] / "hostile" / "safetensors").glob("*.safetensors"))
# The reference library accepts these; the specification does not, or they are of no use.
LIBRARY_ACCEPTS = {"duplicate_key", "duplicate_metadata_key", "shape_of_1000_dimensions"}
LIBRARY_ACCEPTS |= {"entry_with_extra_key", "header_after_space"}
DTYPES = {"U8": "uint8", "F16": "float16", "F32": "float32", "I64": "int64", "C64": "complex64"}

shapes = st.lists(st.integers(0, 40), max_size=3)
tensor_sets = st.dictionaries(
    st.text(min_size=1, max_size=12).filter(lambda name: name != "__metadata__"),
    st.tuples(st.sampled_from(sorted(DTYPES)), shapes),
    max_size=8,
)


def written_by_library(tensors: dict[str, tuple[str, list[int]]]) -> bytes:
    return save({name: np.zeros(shape, DTYPES[dtype]) for name, (dtype, shape) in tensors.items()})


def header_of(sizes: list[int]) -> bytes:
    offsets, position = [], 0
    for size in sizes:
        offsets.append((position, position + size))
        position += size
    entries = {
        f"t{index:03}": {"dtype": "U8", "shape": [end - start], "data_offsets": [start, end]}
        for index, (start, end) in enumerate(offsets)
    }
    return json.dumps(entries).encode()


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_malformed_file_is_refused_by_name(path: Path) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        read_header_file(path)
    assert str(path) in refusal.value.message
    assert refusal.value.hint


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_the_reference_library_refuses_no_less(path: Path) -> None:
    if path.stem in LIBRARY_ACCEPTS:
        safetensors.deserialize(path.read_bytes())
    else:
        with pytest.raises(safetensors.SafetensorError):
            safetensors.deserialize(path.read_bytes())


@pytest.mark.parametrize(
    ("defect", "named"),
    [
        ("gap_between_tensors", "tensor 'b' begins after a gap of 2 bytes"),
        ("overlapping_tensors", "tensor 'b' overlaps the tensor before it by 2"),
        ("truncated_tensor", "tensor 'b' ends 2 bytes after the truncated file"),
        ("unknown_dtype", "tensor 'a' has the unknown dtype 'F33'"),
        ("duplicate_key", "the key 'a' occurs twice"),
        ("trailing_bytes", "8 trailing bytes"),
        ("header_longer_than_file", "longer than the file"),
    ],
)
def test_the_message_names_the_tensor(defect: str, named: str) -> None:
    path = HOSTILE[0].with_name(f"{defect}.safetensors")
    with pytest.raises(InvalidInputError, match=named):
        read_header_file(path)


def test_a_huge_header_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.safetensors"
    with path.open("wb") as file:
        file.write((MAX_HEADER_BYTES + 1).to_bytes(8, "little"))
        file.truncate(MAX_HEADER_BYTES + 100)
    with pytest.raises(InvalidInputError, match="are allowed"):
        read_header_file(path)


@settings(max_examples=50, deadline=None)
@given(tensor_sets)
def test_header_agrees_with_the_reference_library(
    tensors: dict[str, tuple[str, list[int]]],
) -> None:
    data = written_by_library(tensors)
    length = int.from_bytes(data[:8], "little")
    header = parse_header(data[8 : 8 + length], len(data), "sample")
    read = dict(safetensors.deserialize(data))
    assert {t.name for t in header.tensors} == set(read)
    for tensor in header.tensors:
        assert tensor.dtype == read[tensor.name]["dtype"]
        assert list(tensor.shape) == read[tensor.name]["shape"]
        assert tensor.end - tensor.start == len(read[tensor.name]["data"])


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.sampled_from([0, 1, 7, 1000, PACK_BYTES // 2, PACK_BYTES, PACK_BYTES + 1]), max_size=12
    )
)
def test_spans_cover_the_file_and_never_cut_a_tensor(sizes: list[int]) -> None:
    data = header_of(sizes)
    total = 8 + len(data) + sum(sizes)
    header = parse_header(data, total, "sample")
    spans = chunk_spans(header)
    assert spans[0] == (0, header.length)
    assert spans[-1][1] == total
    assert all(left[1] == right[0] for left, right in pairwise(spans))
    assert all(start < end for start, end in spans)
    borders = {border for span in spans for border in span}
    assert not any(t.start < border < t.end for t in header.tensors for border in borders)
    for start, end in spans[1:]:
        assert end - start <= PACK_BYTES or len(header.overlapping(start, end)) == 1


def test_small_neighbours_are_packed() -> None:
    sizes = [100] * 50 + [PACK_BYTES * 3] + [100] * 50
    data = header_of(sizes)
    header = parse_header(data, 8 + len(data) + sum(sizes), "sample")
    lengths = [end - start for start, end in chunk_spans(header)]
    assert lengths == [header.length, 5000, PACK_BYTES * 3, 5000]


@given(st.lists(st.tuples(st.binary(min_size=32, max_size=32), st.integers(0, 1 << 50))))
def test_layout_round_trip(chunks: list[tuple[bytes, int]]) -> None:
    layout = Layout(tuple(ChunkRef(digest.hex(), length) for digest, length in chunks))
    assert Layout.from_bytes(layout.to_bytes(), "layout") == layout
    assert layout.size == sum(length for _, length in chunks)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"format":"other","chunks":[]}',
        b'{"format":"pressmark-layout-1","chunks":[["../../etc/passwd",3]]}',
        b'{"format":"pressmark-layout-1","chunks":[["' + b"a" * 64 + b'",-1]]}',
        b'{"format":"pressmark-layout-1","chunks":[["' + b"a" * 64 + b'",true]]}',
    ],
)
def test_malformed_layout_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInputError, match="bad layout"):
        Layout.from_bytes(data, "bad layout")


@pytest.mark.parametrize("text", ["", "a" * 63, "A" * 64, "../" + "a" * 61, "a" * 64 + "\n"])
def test_only_digests_become_paths(text: str) -> None:
    assert not is_digest(text)
    for key in (object_key, layout_key):
        with pytest.raises(InvalidInputError, match="not a SHA-256"):
            key(text)


def test_metadata_is_read() -> None:
    data = save({"a": np.zeros(3)}, {"format": "pt"})
    header = parse_header(data[8 : 8 + int.from_bytes(data[:8], "little")], len(data), "sample")
    assert dict(header.metadata) == {"format": "pt"}
