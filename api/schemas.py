"""Schemas of the JSON that `pressmark.api.plain` makes of dataclasses.

Both follow the same rules, so that what a route returns and what its OpenAPI description says
cannot drift apart.
"""

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, create_model
from pyoxigraph import Literal, NamedNode

_ATTRIBUTE: Final = re.compile(r"^    (\w+): (.+(?:\n {8}\S.*)*)", re.MULTILINE)


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
