"""Writes the malformed files of this folder, each named after its defect.

Run it from anywhere; it writes the same bytes every time.
"""

import json
from pathlib import Path

FOLDER = Path(__file__).parent


def pack(header: str | bytes, data: bytes = b"", length: int | None = None) -> bytes:
    raw = header.encode() if isinstance(header, str) else header
    return (len(raw) if length is None else length).to_bytes(8, "little") + raw + data


def tensors(**entries: tuple[str, list[object], list[object]]) -> str:
    return json.dumps(
        {
            name: {"dtype": dtype, "shape": shape, "data_offsets": offsets}
            for name, (dtype, shape, offsets) in entries.items()
        }
    )


SOUND = tensors(a=("F32", [2], [0, 8]), b=("F32", [1], [8, 12]))

FILES: dict[str, bytes] = {
    "empty_file": b"",
    "length_cut_short": b"\x10\x00\x00",
    "header_longer_than_file": pack(SOUND, length=10_000),
    "header_length_negative": pack(SOUND, length=(1 << 64) - 1),
    "header_not_json": pack("{not json", bytes(12)),
    "header_not_utf8": pack(b'{"\xff": 1}', bytes(12)),
    "header_is_list": pack("[1, 2]", bytes(12)),
    "header_after_space": pack(" " + SOUND, bytes(12)),
    "header_nested_deeply": pack('{"a":' + "[" * 20_000, bytes(12)),
    "header_number_of_10000_digits": pack(
        '{"a":{"dtype":"U8","shape":[' + "9" * 10_000 + '],"data_offsets":[0,12]}}', bytes(12)
    ),
    "duplicate_key": pack(
        '{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},'
        '"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}',
        bytes(4),
    ),
    "duplicate_metadata_key": pack(
        '{"__metadata__":{"k":"1","k":"2"},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}',
        bytes(4),
    ),
    "metadata_not_text": pack('{"__metadata__":{"k":1}}'),
    "entry_not_object": pack('{"a":7}'),
    "entry_without_dtype": pack('{"a":{"shape":[1],"data_offsets":[0,4]}}', bytes(4)),
    "entry_with_extra_key": pack(
        '{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"code":"x"}}', bytes(4)
    ),
    "unknown_dtype": pack(tensors(a=("F33", [1], [0, 4])), bytes(4)),
    "dtype_not_text": pack('{"a":{"dtype":["U8"],"shape":[4],"data_offsets":[0,4]}}', bytes(4)),
    "shape_negative": pack(tensors(a=("U8", [-4], [0, 4])), bytes(4)),
    "shape_of_booleans": pack(tensors(a=("U8", [True], [0, 1])), bytes(1)),
    "shape_of_floats": pack(tensors(a=("U8", [4.0], [0, 4])), bytes(4)),
    "shape_of_1000_dimensions": pack(tensors(a=("U8", [1] * 1000, [0, 1])), bytes(1)),
    "shape_larger_than_bytes": pack(tensors(a=("F32", [2, 2], [0, 8])), bytes(8)),
    "half_a_byte": pack(tensors(a=("F4", [3], [0, 1])), bytes(1)),
    "offsets_negative": pack(tensors(a=("U8", [4], [-4, 0])), bytes(4)),
    "offsets_reversed": pack(tensors(a=("U8", [4], [4, 0])), bytes(4)),
    "offsets_of_three": pack(tensors(a=("U8", [4], [0, 4, 8])), bytes(4)),
    "gap_before_first_tensor": pack(tensors(a=("U8", [4], [2, 6])), bytes(6)),
    "gap_between_tensors": pack(tensors(a=("U8", [4], [0, 4]), b=("U8", [4], [6, 10])), bytes(10)),
    "overlapping_tensors": pack(tensors(a=("U8", [4], [0, 4]), b=("U8", [4], [2, 6])), bytes(6)),
    "truncated_tensor": pack(SOUND, bytes(10)),
    "trailing_bytes": pack(SOUND, bytes(20)),
    "bytes_without_tensors": pack("{}", bytes(3)),
}


if __name__ == "__main__":
    for name, data in FILES.items():
        (FOLDER / f"{name}.safetensors").write_bytes(data)
