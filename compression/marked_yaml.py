"""YAML that remembers its lines, for documents that strangers write.

Values are read by the YAML 1.2 core schema, not by the 1.1 rules that PyYAML defaults to: `no` is
a string, `1e-5` is a number and `2024-01-01` is no date. Anchors, aliases and tags are refused
(no expansion bombs, no objects), so are duplicate keys, deep nesting and large files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from pressmark.compression.errors import RecipeError

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 16

_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None, "~": None}

Path = tuple[str | int, ...]
"""Where a value stands in a document: keys and positions from the root."""


@dataclass(frozen=True)
class Document:
    """A parsed document and the lines of its parts.

    Attributes:
        data: Plain dicts, lists, strings, numbers, booleans and None.
        file: Name of the document for messages.
    """

    data: Any
    file: str
    _lines: dict[Path, int] = field(default_factory=dict, repr=False)

    def line(self, path: Path) -> int:
        """The line, from 1, of the part at `path`, or of the nearest part around it."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def error(self, message: str, path: Path, hint: str = "") -> RecipeError:
        """A refusal of the part at `path`, to be raised."""
        return RecipeError(message, hint, file=self.file, line=self.line(path))


def parse(source: bytes, file: str) -> Document:
    """Reads one YAML document.

    Raises:
        RecipeError: Not UTF-8, not YAML, too large or deep, several documents, or using anchors,
            aliases, tags or duplicate keys; with the line.
    """
    if len(source) > MAX_BYTES:
        raise RecipeError(f"larger than {MAX_BYTES} bytes", "a recipe is a page", file=file)
    try:
        text = source.decode("utf-8")
        _refuse_hostile(text, file)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise RecipeError("not UTF-8 text", "save the file as UTF-8", file=file) from error
    except yaml.YAMLError as error:
        raise _syntax_error(error, file) from error
    lines: dict[Path, int] = {}
    return Document(_value(node, (), lines, file), file, lines)


def _refuse_hostile(text: str, file: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = 0 if event.start_mark is None else event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise RecipeError(
                "anchors and aliases are not read", "write it out", file=file, line=line
            )
        if getattr(event, "tag", None):
            raise RecipeError("tags are not read", "remove the '!' tag", file=file, line=line)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise RecipeError(
                f"nested deeper than {MAX_DEPTH}", "a recipe is flat", file=file, line=line
            )


def _syntax_error(error: yaml.YAMLError, file: str) -> RecipeError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    line = None if mark is None else mark.line + 1
    return RecipeError(f"not valid YAML: {problem}", "check indentation", file=file, line=line)


def _value(node: yaml.Node | None, path: Path, lines: dict[Path, int], file: str) -> Any:
    if node is None:
        return None
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines, file)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, i), lines, file) for i, item in enumerate(node.value)]
    # Quoted and block text is text, whatever it looks like.
    return _plain(node.value) if getattr(node, "style", None) is None else str(node.value)


def _mapping(
    node: yaml.MappingNode, path: Path, lines: dict[Path, int], file: str
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise RecipeError(
                "a key must be plain text", "write the key as one word", file=file, line=line
            )
        key = str(key_node.value)
        if key in found:
            first = lines[(*path, key)]
            hint = f"it was given in line {first} already; keep one"
            raise RecipeError(f"duplicate key '{key}'", hint, file=file, line=line)
        lines[(*path, key)] = line
        found[key] = _value(value_node, (*path, key), lines, file)
    return found


def _plain(text: str) -> str | int | float | bool | None:
    if text == "" or text.lower() in _CONSTANTS:
        return _CONSTANTS.get(text.lower())
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
