"""Values of the packages below as JSON, and as the schemas that describe that JSON.

Both follow the same rules, so that what a route returns and what its OpenAPI description says
cannot drift apart: dataclasses become objects, IRIs and paths strings, enumerations their words.
"""

import dataclasses
import inspect
import math
import re
import types
import typing
from collections.abc import Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, create_model
from pyoxigraph import Literal, NamedNode, Triple

from pressmark.registry.errors import InvalidInputError
from pressmark.registry.facts import scalar
from pressmark.registry.occurrences import Scalar

_ATTRIBUTE: Final = re.compile(r"^    (\w+): (.+(?:\n {8}\S.*)*)", re.MULTILINE)


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


@cache
def schema(cls: type) -> type[BaseModel]:
    """The model of what `plain` makes of a dataclass; its texts come from the docstring.

    Raises:
        TypeError: A field has a type that `plain` does not turn into JSON.
    """
    hints = typing.get_type_hints(cls)
    about = _attributes(cls)
    fields: dict[str, Any] = {
        each.name: (_json_type(hints[each.name]), Field(description=about.get(each.name)))
        for each in dataclasses.fields(cls)
    }
    summary = (cls.__doc__ or "").partition("\n")[0]
    strict = ConfigDict(extra="forbid", json_schema_extra={"description": summary})
    return create_model(cls.__name__, __config__=strict, **fields)


def _attributes(cls: type) -> dict[str, str]:
    text = (inspect.getdoc(cls) or "").partition("Attributes:")[2]
    return {name: " ".join(said.split()) for name, said in _ATTRIBUTE.findall(text)}


def _json_type(hint: Any) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return schema(hint)
    if hint in (NamedNode, Literal, Path):
        return str
    if isinstance(hint, type) and issubclass(hint, Enum):
        return typing.Literal[tuple(str(member) for member in hint)]
    if hint in (str, int, float, bool, type(None), Any):
        return hint
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return typing.Union[tuple(_json_type(each) for each in arguments)]  # noqa: UP007
    if origin in (list, tuple, set, frozenset):
        return list[_json_type(arguments[0])]  # type: ignore[misc]
    if origin in (dict, Mapping):
        return dict[str, _json_type(arguments[1])]  # type: ignore[misc]
    raise TypeError(f"{hint} has no JSON form")
