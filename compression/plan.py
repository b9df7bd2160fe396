"""The plan, `pressmark.json`: what stock transformers cannot express about a checkpoint.

A folder without that file has the empty plan: stock code loads it as it is. The file is versioned
and strict: an unknown version or key is refused, because a plan that is only half understood gives
wrong weights. It holds no time, path, random or parent identifier, so that doing a step again
gives the same bytes.

A quantized weight ``W`` is stored under names of its own (``W.codes``, ``W.scales``, ...; see
`pressmark.compression.quantize.packing`), in files that stock code does not find.

Law: ``Plan.from_json(plan.to_json()) == plan``, and equal plans give equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NoReturn

from pressmark.compression.errors import ModelFileError
from pressmark.compression.structure import Structure

PLAN_FILE: Final = "pressmark.json"
PLAN_VERSION: Final = 1

LAYOUTS: Final = ("dense", "bitmask")
"""How the codes of a weight are packed: all of them, or the nonzero ones behind a bit mask."""

_RESTORED: Final = ("bfloat16", "float16", "float32")


@dataclass(frozen=True)
class PackedWeight:
    """One quantized weight, before it was packed.

    Attributes:
        shape: Its dimensions.
        dtype: torch name of the element type that it is restored to, e.g. "bfloat16".
        layout: One of `LAYOUTS`.
    """

    shape: tuple[int, ...]
    dtype: str
    layout: str = "dense"


@dataclass(frozen=True)
class Quantization:
    """The grid of a quantized checkpoint and the weights that lie on it.

    Attributes:
        bits: Width of a code.
        group_size: Input columns that share a scale; None for one scale a row (per channel).
        symmetric: Whether the grid has no zero point.
        weights: What was quantized, by tensor name.
    """

    bits: int
    group_size: int | None
    symmetric: bool
    weights: Mapping[str, PackedWeight] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", MappingProxyType(dict(sorted(self.weights.items()))))


@dataclass(frozen=True)
class Plan:
    """What is done to the stock architecture.

    Attributes:
        quantization: The grid, if weights are stored as codes.
        structure: What was taken away, if layers differ from stock ones.
    """

    quantization: Quantization | None = None
    structure: Structure = field(default_factory=Structure)

    @property
    def is_empty(self) -> bool:
        """True when stock code loads the checkpoint rightly."""
        return self == Plan()

    @property
    def packed(self) -> Mapping[str, PackedWeight]:
        """The weights that are not stored under their own name."""
        return self.quantization.weights if self.quantization else MappingProxyType({})

    @classmethod
    def read(cls, folder: Path) -> Plan:
        """Reads the plan of a checkpoint folder; the empty plan if it has none.

        Raises:
            ModelFileError: The file is no plan of this version.
        """
        file = folder / PLAN_FILE
        return cls.from_json(file.read_bytes()) if file.exists() else cls()

    @classmethod
    def from_json(cls, data: bytes) -> Plan:
        """Reads a plan, refusing what it does not know.

        Raises:
            ModelFileError: Naming the file and the key.
        """
        try:
            document = json.loads(data)
        except ValueError as error:
            _refuse("", f"is not JSON: {error}")
        version = document.get("version") if isinstance(document, dict) else None
        if version != PLAN_VERSION or isinstance(version, bool):
            _refuse("version", f"is {version!r}; this release reads {PLAN_VERSION}")
        _keys(document, {"version"}, {"quantization", "structure"}, "")
        found, cut = document.get("quantization"), document.get("structure", {})
        return cls(None if found is None else _quantization(found), _structure(cut))

    def to_json(self) -> bytes:
        """Writes the plan: sorted keys, no optional key without a value, a final newline."""
        document: dict[str, Any] = {"version": PLAN_VERSION}
        if self.quantization is not None:
            document["quantization"] = _quantization_json(self.quantization)
        if self.structure:
            document["structure"] = self.structure.to_json()
        return json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"


def _quantization_json(quantization: Quantization) -> dict[str, Any]:
    weights = {
        name: {"shape": list(packed.shape), "dtype": packed.dtype, "layout": packed.layout}
        for name, packed in quantization.weights.items()
    }
    return {
        "bits": quantization.bits,
        "group_size": quantization.group_size,
        "symmetric": quantization.symmetric,
        "weights": weights,
    }


def _quantization(found: Any) -> Quantization:
    key = "quantization"
    _keys(found, {"bits", "group_size", "symmetric", "weights"}, set(), key)
    bits, group, symmetric = found["bits"], found["group_size"], found["symmetric"]
    if not _is_count(bits) or not 2 <= bits <= 8:
        _refuse(f"{key}.bits", f"is {bits!r}; it must be a number from 2 to 8")
    if group is not None and not _is_count(group):
        _refuse(f"{key}.group_size", f"is {group!r}; it must be null or a positive number")
    if not isinstance(symmetric, bool):
        _refuse(f"{key}.symmetric", f"is {symmetric!r}; it must be true or false")
    if not isinstance(found["weights"], dict):
        _refuse(f"{key}.weights", "must map tensor names to what they were")
    weights = {n: _packed(w, f"{key}.weights.{n}") for n, w in found["weights"].items()}
    return Quantization(bits, group, symmetric, weights)


def _structure(found: Any) -> Structure:
    key = "structure"
    _keys(found, set(), {"absent", "channels", "key_heads", "scanless"}, key)
    named = {part: found.get(part, []) for part in ("absent", "scanless")}
    for part, names in named.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            _refuse(f"{key}.{part}", "must be a list of names")
    kept = {part: found.get(part, {}) for part in ("channels", "key_heads")}
    for part, widths in kept.items():
        if not isinstance(widths, dict) or not all(map(_is_count, widths.values())):
            _refuse(f"{key}.{part}", "must map names to positive numbers")
    return Structure(frozenset(named["absent"]), scanless=frozenset(named["scanless"]), **kept)


def _packed(found: Any, key: str) -> PackedWeight:
    _keys(found, {"shape", "dtype", "layout"}, set(), key)
    shape, dtype, layout = found["shape"], found["dtype"], found["layout"]
    if not isinstance(shape, list) or not shape or not all(map(_is_count, shape)):
        _refuse(f"{key}.shape", f"is {shape!r}; it must be a list of positive numbers")
    if prod(shape) > 1 << 48:
        _refuse(f"{key}.shape", f"is {shape!r}, more than any file holds")
    if dtype not in _RESTORED:
        _refuse(f"{key}.dtype", f"is {dtype!r}; it must be one of {', '.join(_RESTORED)}")
    if layout not in LAYOUTS:
        _refuse(f"{key}.layout", f"is {layout!r}; it must be one of {', '.join(LAYOUTS)}")
    return PackedWeight(tuple(shape), dtype, layout)


def _keys(found: Any, required: set[str], optional: set[str], key: str) -> None:
    if not isinstance(found, dict):
        _refuse(key, "must be a table")
    for name in sorted(required - found.keys()):
        _refuse(f"{key}.{name}".lstrip("."), "is missing")
    for name in sorted(found.keys() - required - optional):
        _refuse(f"{key}.{name}".lstrip("."), "is not a key of this version")


def _is_count(value: Any) -> bool:
    return type(value) is int and value > 0


def _refuse(key: str, reason: str) -> NoReturn:
    raise ModelFileError(
        f"'{key}' {reason}" if key else reason,
        "the checkpoint was written by another release of pressmark, or was edited",
        file=PLAN_FILE,
    )
