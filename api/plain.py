"""Values of the packages below as JSON, and back."""

import dataclasses
import math
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from pyoxigraph import Literal, NamedNode, Triple

from pressmark.registry.errors import InvalidInputError
from pressmark.registry.facts import scalar
from pressmark.registry.occurrences import Scalar


def plain(value: object) -> Any:
    """A result as JSON values: dataclasses become objects, IRIs and paths become strings.

    A literal becomes a number or a truth value where it is one; a number that JSON has no word for
    (infinity, NaN) stays text.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, NamedNode):
        return value.value
    if isinstance(value, Literal):
        read = scalar(value)
        return value.value if isinstance(read, float) and not math.isfinite(read) else read
    if isinstance(value, Triple):
        return {name: plain(getattr(value, name)) for name in ("subject", "predicate", "object")}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value


def setting(text: str) -> tuple[str, Scalar]:
    """NAME=VALUE as it was recorded: numbers and truth values are not text.

    Raises:
        InvalidInputError: There is no "=".
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidInputError(f"'{text}' is not NAME=VALUE", "such as --parameter sparsity=0.5")
    for read in (int, float):
        try:
            return name, read(value)
        except ValueError:
            continue
    return name, value == "true" if value in ("true", "false") else value
