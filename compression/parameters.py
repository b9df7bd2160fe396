"""A step's parameters as records hold them, and as cache keys hash them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from pydantic import ValidationError

from pressmark.compression.errors import CompressionError
from pressmark.compression.step import Step
from pressmark.registry.occurrences import Json, Parameter, Scalar


def encode_parameters(step: Step) -> tuple[Parameter, ...]:
    """A step's parameters as they are recorded: all of them, defaults included.

    A parameter that is None is recorded by its absence, which is why None must be its default.
    Law: `decode_parameters(type(step), recorded) == step`.

    Raises:
        CompressionError: The parameters would not read back as they are.
    """
    recorded = tuple(Parameter(k, v) for k, v in step.parameters().items() if v is not None)
    flat = {parameter.name: _flat(parameter.value) for parameter in recorded}
    if decode_parameters(type(step), flat) != step:
        raise CompressionError(
            f"the parameters of {step.name} cannot be recorded without loss",
            "parameters are numbers, strings, booleans and lists and tables of them; None only as "
            "default",
        )
    return recorded


def decode_parameters(kind: type[Step], recorded: Mapping[str, Scalar]) -> Step:
    """The inverse of `encode_parameters`: text that a field refuses is read as JSON.

    Raises:
        pydantic.ValidationError: The class refuses the parameters.
    """
    try:
        return kind.parse(recorded)
    except ValidationError as error:
        complex_fields = {str(found["loc"][0]) for found in error.errors() if found["loc"]}
        decoded = {
            name: _from_json(value) if name in complex_fields else value
            for name, value in recorded.items()
        }
        return kind.parse(decoded)


def cache_key(facts: Mapping[str, Json]) -> str:
    """SHA-256 over the canonical JSON of everything that a result depends on."""
    return hashlib.sha256(canonical_json(facts).encode()).hexdigest()


def canonical_json(value: Json) -> str:
    """JSON with sorted keys and no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _flat(value: Json) -> Scalar:
    return value if isinstance(value, str | bool | int | float) else canonical_json(value)


def _from_json(value: Scalar) -> Json:
    try:
        decoded: Json = json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError:
        return value
    return decoded
