"""Values of the packages below as JSON, and back."""

import dataclasses
import math
import types
import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from pyoxigraph import Literal, NamedNode, Triple

from pressmark.registry.errors import InvalidInputError
from pressmark.registry.facts import scalar
from pressmark.registry.occurrences import Scalar

Value = TypeVar("Value")

_SCALARS: Final = (str, int, float, bool, type(None))
_MAKERS: Final = (NamedNode, Path)


class UnexpectedShapeError(ValueError):
    """JSON does not have the shape of the type that it was to become; the message says where."""


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


def rebuilt(hint: type[Value], value: object) -> Value:
    """A value from its JSON: the inverse of `plain`, led by type hints.

    Law: ``rebuilt(type(x), plain(x)) == x`` for every dataclass whose fields have types that
    `pressmark.api.schemas` can describe, literals excepted: `plain` drops their datatype.

    Args:
        hint: A class, or a type such as ``list[FileEntry]``.
        value: What a JSON parser gave. Members that a class does not have are left out, since a
            newer release may say more.

    Raises:
        UnexpectedShapeError: It does not have the type's shape.
    """
    return cast(Value, _rebuilt(hint, value, "$"))


def _rebuilt(hint: Any, value: Any, place: str) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or hint is object:
        return value
    if origin in (types.UnionType, typing.Union):
        return _alternative(inner, value, place)
    if origin in (tuple, list, set, frozenset):
        return origin(_items(origin, inner, value, place))
    if origin in (dict, Mapping):
        return {
            _rebuilt(inner[0], key, place): _rebuilt(inner[1], each, f"{place}.{key}")
            for key, each in _checked(dict, value, place).items()
        }
    if origin is typing.Literal:
        return value if value in inner else _refuse(place, f"one of {inner}", value)
    return _instance(hint, value, place)


def _alternative(hints: tuple[Any, ...], value: Any, place: str) -> Any:
    """The first alternative that fits, as `plain` leaves no other trace of which one it was."""
    for hint in hints:
        try:
            return _rebuilt(hint, value, place)
        except UnexpectedShapeError as error:
            last = error
    raise last


def _items(origin: type, hints: tuple[Any, ...], value: Any, place: str) -> Iterator[Any]:
    values = _checked(list, value, place)
    fixed = origin is tuple and hints[-1] is not Ellipsis
    if fixed and len(values) != len(hints):
        _refuse(place, f"{len(hints)} items", value)
    for index, each in enumerate(values):
        yield _rebuilt(hints[index if fixed else 0], each, f"{place}[{index}]")


def _instance(hint: Any, value: Any, place: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint, _checked(dict, value, place), place)
    if hint in _SCALARS:
        # A truth value is an int for Python, and a whole number may be written without a point.
        fits = type(value) is hint or (hint is float and type(value) is int)
        return hint(value) if fits and value is not None else _checked(hint, value, place)
    if issubclass(hint, Enum):
        known = {str(member): member for member in hint}
        return known[value] if value in known else _refuse(place, f"one of {[*known]}", value)
    if hint in _MAKERS:
        try:
            return hint(_checked(str, value, place))
        except ValueError as error:
            raise UnexpectedShapeError(f"{place}: {error}") from None
    raise TypeError(f"{place}: {hint} cannot be made from JSON")


def _dataclass(cls: Any, value: Mapping[str, Any], place: str) -> Any:
    hints = _hints(cls)
    if missing := hints.keys() - value.keys():
        _refuse(place, f"a member '{min(missing)}'", sorted(value))
    return cls(**{name: _rebuilt(hints[name], value[name], f"{place}.{name}") for name in hints})


@cache
def _hints(cls: type) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {each.name: hints[each.name] for each in dataclasses.fields(cls)}


def _checked(kind: type, value: Any, place: str) -> Any:
    return value if type(value) is kind else _refuse(place, kind.__name__, value)


def _refuse(place: str, expected: str, value: object) -> typing.NoReturn:
    raise UnexpectedShapeError(f"{place}: {expected} was expected, not {str(value)[:80]!r}")
