"""Which licence a model folder states.

What a person says wins; then the model card's front matter, the configuration, the metadata of a
GGUF file, and the text of a licence file. A folder that states none has the licence "NOASSERTION",
which is said openly and carried on like any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import yaml

from pressmark.registry.occurrences import NO_LICENSE

_SPDX: Final[Mapping[str, str]] = MappingProxyType(
    {
        identifier.lower(): identifier
        for identifier in (
            *("Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Unlicense", "CC0-1.0"),
            *("CC-BY-4.0", "CC-BY-3.0", "CC-BY-SA-4.0", "CC-BY-SA-3.0", "CC-BY-NC-4.0"),
            *("CC-BY-NC-SA-4.0", "CC-BY-NC-ND-4.0", "GPL-2.0", "GPL-3.0", "LGPL-2.1", "LGPL-3.0"),
            *("AGPL-3.0", "MPL-2.0", "EPL-2.0", "Artistic-2.0", "BSL-1.0", "ECL-2.0"),
        )
    }
)
"""Hub identifiers that differ from SPDX only in case. Others ("gemma", "llama3.2") stay."""

_PHRASES: Final = (
    ("Apache-2.0", r"Apache License\s+Version 2\.0"),
    ("AGPL-3.0", r"GNU AFFERO GENERAL PUBLIC LICENSE\s+Version 3"),
    ("LGPL-3.0", r"GNU LESSER GENERAL PUBLIC LICENSE\s+Version 3"),
    ("GPL-3.0", r"GNU GENERAL PUBLIC LICENSE\s+Version 3"),
    ("MPL-2.0", r"Mozilla Public License,? Version 2\.0"),
    ("MIT", r"Permission is hereby granted, free of charge, to any person obtaining a copy"),
    ("gemma", r"Gemma Terms of Use"),
)
_LICENSE_FILE: Final = re.compile(r"(license|licence|copying)(\.(txt|md))?", re.IGNORECASE)
_CARD_BYTES: Final = 1 << 20


def license_of(
    files: Mapping[str, Path], config: Mapping[str, Any], metadata: Mapping[str, Any]
) -> str:
    """Finds the licence that a model's files state.

    Args:
        files: The folder's files by name.
        config: `config.json`; empty if there is none.
        metadata: The metadata of a GGUF file; empty if there is none.

    Returns:
        An SPDX identifier where it is one, else the publisher's name for it, else `NO_LICENSE`.
    """
    stated = (
        _card(files.get("README.md")),
        _text(config.get("license")),
        _text(metadata.get("general.license")),
        next((_file(f) for n, f in files.items() if _LICENSE_FILE.fullmatch(n)), None),
    )
    return normal(next((name for name in stated if name), NO_LICENSE))


def normal(name: str) -> str:
    """Writes a licence's name as SPDX does, where it is an SPDX licence."""
    return _SPDX.get(name.strip().lower(), name.strip())


def _card(file: Path | None) -> str | None:
    """The licence in the YAML front matter of a model card."""
    if file is None:
        return None
    text = _head(file)
    match = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", text, re.DOTALL)
    try:
        front = yaml.safe_load(match[1]) if match else None
    except yaml.YAMLError:
        return None  # a card that cannot be read states nothing
    if not isinstance(front, dict):
        return None
    found = _text(front.get("license"))
    named = _text(front.get("license_name"))
    return named if found == "other" and named else found


def _file(file: Path) -> str | None:
    text = _head(file)
    return next((name for name, phrase in _PHRASES if re.search(phrase, text)), None)


def _head(file: Path) -> str:
    with file.open("rb") as stream:
        return stream.read(_CARD_BYTES).decode("utf-8", "replace").replace("\r\n", "\n")


def _text(value: Any) -> str | None:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value.strip() if isinstance(value, str) and value.strip() else None
