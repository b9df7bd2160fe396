"""The stock architecture of a checkpoint, without its weights.

`Architecture` stands for what `config.json` says: a transformers model class on torch's meta
device, which knows every parameter's name and shape and costs no memory. Stored tensor names are
mapped to the model's through transformers' own tables (an older release may have called
``backbone.`` what is now ``model.``), so that the folder loads as stock code loads it.

Nothing here ever draws a random weight: parameters stay on the meta device until `assign` puts a
stored tensor in their place, and `require_complete` refuses a model that still has one there.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from pressmark.compression.errors import ModelFileError
from pressmark.compression.structure import Structure

CONFIG_FILE: Final = "config.json"
_PLAUSIBLE_DEPTH: Final = 1024
_DEPTH: Final = re.compile(r"(layers?|blocks|depths?)$")
_DTYPES: Final = {
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float32": torch.float32,
    "float64": torch.float64,
}


def read_config(folder: Path) -> dict[str, Any]:
    """Reads `config.json` as data and refuses what cannot be loaded safely.

    Raises:
        ModelFileError: It is missing, no JSON object, asks for code of its own, is quantized in a
            foreign format, or names no causal language model that transformers ships.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    config = read_json(folder / CONFIG_FILE)
    if "auto_map" in config:
        raise ModelFileError(
            "'auto_map' asks for Python code from the model folder, which is never run",
            "use a revision of the model that is written for stock transformers",
            file=CONFIG_FILE,
        )
    if "quantization_config" in config:
        raise ModelFileError(
            "'quantization_config' says that the weights are already quantized in another format",
            "start from the model it was quantized from",
            file=CONFIG_FILE,
        )
    if config.get("model_type") not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise ModelFileError(
            f"'model_type' is {config.get('model_type')!r}, which is no causal language model "
            "that the installed transformers knows",
            "check the name, or upgrade transformers",
            file=CONFIG_FILE,
        )
    return config


def read_json(file: Path) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        ModelFileError: The file is missing or holds something else.
    """
    if not file.is_file():
        raise ModelFileError(
            "is missing", f"a model folder needs {file.name}; is {file.parent} one?", file=file.name
        )
    try:
        found = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ModelFileError(
            f"is not JSON: {error}", "the file is damaged; fetch it again", file=file.name
        ) from error
    if not isinstance(found, dict):
        raise ModelFileError(
            "is not a JSON object", "the file is damaged; fetch it again", file=file.name
        )
    return found


@dataclass(frozen=True)
class Architecture:
    """A stock causal language model without weights.

    Attributes:
        config: The transformers configuration.
        dtype: The floating-point type that the configuration names; None if it names none.
        structure: What is left of its layers.
    """

    config: Any
    dtype: torch.dtype | None
    structure: Structure = field(default_factory=Structure)

    @classmethod
    def of(
        cls, folder: Path, tensors: int | None = None, structure: Structure | None = None
    ) -> Architecture:
        """Reads the architecture of a model folder.

        Args:
            folder: Holds `config.json`.
            structure: What the plan says is left of its layers.
            tensors: How many tensors the folder stores; a model of far more layers is refused
                before it is built.

        Raises:
            ModelFileError: The configuration is refused; see `read_config`.
        """
        from transformers import AutoConfig

        said = read_config(folder)
        if tensors is not None:
            _require_plausible_depth(said, max(tensors, _PLAUSIBLE_DEPTH))
        try:
            config = AutoConfig.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        except Exception as error:  # whatever a configuration class makes of hostile values
            raise _bad_config(error) from error
        return cls(config, _config_dtype(config), structure or Structure())

    @cached_property
    def meta(self) -> nn.Module:
        """The model on the meta device; shared, so never change it."""
        return self._build(self.dtype or torch.float32)

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of everything the model keeps: parameters and persistent buffers."""
        return {name: tuple(value.shape) for name, value in self.meta.state_dict().items()}

    @cached_property
    def tied(self) -> Mapping[str, str]:
        """Parameters that are another one: target name -> source name."""
        return dict(getattr(self.meta, "all_tied_weights_keys", None) or {})

    def skeleton(self, dtype: torch.dtype | None = None) -> nn.Module:
        """A new model: parameters on the meta device, computed buffers (rotary, ...) real.

        It is in evaluation mode. Fill it with `assign`, then call `tie` and `require_complete`.

        Args:
            dtype: Type of the parameters; the configuration's if not given.
        """
        dtype = dtype or self.dtype or torch.float32
        model = self._stock(dtype)
        _compute_buffers(model)  # stock code, which expects every module to be there
        self.structure.apply(model)
        model.eval()
        return model

    def parameter_dtypes(self, dtype: torch.dtype) -> Mapping[str, torch.dtype]:
        """What each parameter is held in when the model is asked for in `dtype`.

        Some architectures keep a few (routers, for example) in float32.
        """
        model: Any = self._build(dtype)
        plan = model._get_dtype_plan(dtype)
        return {
            name: next((d for p, d in plan.items() if re.search(p, name)), value.dtype)
            for name, value in model.state_dict().items()
        }

    def bind(self, stored: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
        """Finds the stored tensor of every parameter.

        Args:
            stored: Shapes by stored name.

        Returns:
            Parameter name -> stored name, in the order of the model. A tied parameter is left out
            when only its partner is stored.

        Raises:
            ModelFileError: A tensor is missing, unexpected or of another shape; it is named.
        """
        bound: dict[str, str] = {}
        for name, shape in stored.items():
            target = self._target(name)
            if target is None:
                continue
            if target in bound:
                raise ModelFileError(
                    f"is the same parameter as {bound[target]}",
                    "keep one of the two tensors",
                    tensor=name,
                )
            if shape != self.shapes[target]:
                raise ModelFileError(
                    f"has the shape {list(shape)}, but {CONFIG_FILE} makes it "
                    f"{list(self.shapes[target])}",
                    "config.json and weights do not belong together; fetch both again",
                    tensor=name,
                )
            bound[target] = name
        self._require_all(bound)
        return {name: bound[name] for name in self.shapes if name in bound}

    def _require_all(self, bound: Mapping[str, str]) -> None:
        groups = _tied_groups(self.tied)
        ignored = _patterns(self.meta, "_keys_to_ignore_on_load_missing")
        for name in self.shapes:
            partners = groups.get(name, frozenset())
            if name in bound or partners & bound.keys() or _matches(ignored, name):
                continue
            raise ModelFileError(
                f"is missing, but {CONFIG_FILE} ({self.config.model_type}) needs it",
                "fetch the model again; a shard may be incomplete",
                tensor=name,
            )

    def _target(self, stored: str) -> str | None:
        """The parameter of a stored tensor; None for one that stock code ignores too."""
        from transformers.core_model_loading import rename_source_key

        renamings, converters = self._conversions
        prefix, shapes = str(self.meta.base_model_prefix), self.shapes
        target, fused = rename_source_key(stored, renamings, converters, prefix, shapes)
        if target not in shapes and stored in shapes:
            target, fused = stored, None
        if fused is not None:
            raise ModelFileError(
                f"is stored in parts that {self.config.model_type} joins on loading",
                "models with fused experts are not supported yet",
                tensor=stored,
            )
        if target in shapes:
            return str(target)
        ignored = _patterns(self.meta, "_keys_to_ignore_on_load_unexpected")
        if _matches((*ignored, r"rotary_emb\.inv_freq$", r"(^|\.)position_ids$"), stored):
            return None
        raise ModelFileError(
            f"is stored, but {CONFIG_FILE} ({self.config.model_type}) has no such parameter",
            "config.json and weights do not belong together",
            tensor=stored,
        )

    @cached_property
    def _conversions(self) -> tuple[list[Any], list[Any]]:
        from transformers.conversion_mapping import get_model_conversion_mapping
        from transformers.core_model_loading import WeightConverter, WeightRenaming

        mapping = get_model_conversion_mapping(self.meta)
        renamings = [entry for entry in mapping if isinstance(entry, WeightRenaming)]
        return renamings, [entry for entry in mapping if isinstance(entry, WeightConverter)]

    def _build(self, dtype: torch.dtype) -> nn.Module:
        model = self._stock(dtype)
        self.structure.apply(model)
        return model

    def _stock(self, dtype: torch.dtype) -> nn.Module:
        from transformers import AutoModelForCausalLM

        try:
            with torch.device("meta"):
                config = copy.deepcopy(self.config)  # a slim model has layer types of its own
                model: nn.Module = AutoModelForCausalLM.from_config(config, dtype=dtype)
        except Exception as error:  # whatever a model class makes of hostile values
            raise _bad_config(error) from error
        return model


def assign(model: nn.Module, name: str, value: Tensor) -> None:
    """Puts a tensor in the place of a parameter or buffer; shapes must agree.

    Parameters need no gradient: whoever trains asks for it.

    Raises:
        ModelFileError: The shapes differ.
    """
    path, _, leaf = name.rpartition(".")
    module = model.get_submodule(path)
    if getattr(module, leaf).shape != value.shape:
        expected = list(getattr(module, leaf).shape)
        raise ModelFileError(f"has the shape {list(value.shape)}, not {expected}", tensor=name)
    if leaf in module._buffers:
        module._buffers[leaf] = value
    else:
        module._parameters[leaf] = nn.Parameter(value, requires_grad=False)


def tie(model: nn.Module, tied: Mapping[str, str], given: Iterable[str]) -> None:
    """Makes tied parameters one, as stock loading does.

    Args:
        model: The model, filled.
        tied: Target name -> source name.
        given: The parameters that were assigned. Where both partners were and differ, both stay.
    """
    given = set(given)
    for target, source in tied.items():
        one, other = (target, source) if source in given else (source, target)
        if one in given and not torch.equal(model.get_parameter(one), model.get_parameter(other)):
            continue
        path, _, leaf = one.rpartition(".")
        model.get_submodule(path)._parameters[leaf] = model.get_parameter(other)


def require_complete(model: nn.Module) -> None:
    """Refuses a model that still has a parameter or buffer without a value.

    Raises:
        ModelFileError: Naming the first.
    """
    for name, value in (*model.named_parameters(), *model.named_buffers()):
        if value.is_meta:
            raise ModelFileError("has no value", tensor=name)


def _compute_buffers(model: Any) -> None:
    """Gives buffers that are computed, not stored, their values.

    Stock loading does the same: room is made for them, everything that will be assigned is marked
    as already initialised, and the model's own initialisation fills the rest. They start as NaN,
    so one that the model forgets is found.
    """
    buffers = list(model.named_non_persistent_buffers())
    for name, buffer in buffers:
        empty = torch.empty_like(buffer, device="cpu")
        assign(model, name, empty.fill_(float("nan")) if empty.is_floating_point() else empty)
    kept = model.state_dict(keep_vars=True)
    for value in kept.values():
        value._is_hf_initialized = True
    model.initialize_weights()
    for name, _ in buffers:
        value = model.get_buffer(name)
        if value.is_floating_point() and bool(torch.isnan(value).any()):
            raise ModelFileError(
                f"is a buffer that {type(model).__name__} does not compute", tensor=name
            )


def _require_plausible_depth(said: Mapping[str, Any], limit: int) -> None:
    """Building a model takes time for every layer, so a billion of them must not be begun."""
    for key, value in said.items():
        if isinstance(value, dict):
            _require_plausible_depth(value, limit)
        elif _DEPTH.search(key) and isinstance(value, int | float) and value > limit:
            raise ModelFileError(
                f"{key!r} is {value}, more than there are tensors",
                "config.json and weights do not belong together; fetch both again",
                file=CONFIG_FILE,
            )


def _config_dtype(config: Any) -> torch.dtype | None:
    found = getattr(config, "dtype", None)
    return found if isinstance(found, torch.dtype) else _DTYPES.get(str(found))


def _tied_groups(tied: Mapping[str, str]) -> dict[str, frozenset[str]]:
    by_source: dict[str, set[str]] = {}
    for target, source in tied.items():
        by_source.setdefault(source, {source}).add(target)
    return {name: frozenset(group) for group in by_source.values() for name in group}


def _patterns(model: nn.Module, attribute: str) -> tuple[str, ...]:
    return tuple(getattr(model, attribute, None) or ())


def _matches(patterns: Iterable[str], name: str) -> bool:
    return any(re.search(pattern, name) for pattern in patterns)


def _bad_config(error: Exception) -> ModelFileError:
    return ModelFileError(
        f"transformers cannot build this model: {error}",
        "check the configuration's values",
        file=CONFIG_FILE,
    )
