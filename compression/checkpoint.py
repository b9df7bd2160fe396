"""A model on disk: a folder with configuration, tokenizer, safetensors and, if need be, a plan.

`Checkpoint.open` trusts nothing: it refuses pickles, links and index entries that leave the
folder, damaged files, missing, unexpected and misshapen tensors, before any work is done.
`CheckpointWriter` makes the next folder from the last one: what is not a weight goes along byte
for byte, weights are written or kept one by one, in the files that the parent had them in.

Laws: a checkpoint that opens loads with every parameter from disk, never a random one; one with
the empty plan computes exactly what stock transformers computes from the folder; writing the same
tensors gives the same folder.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import torch
from torch import Tensor, nn

from pressmark.compression.architecture import (
    CONFIG_FILE,
    Architecture,
    assign,
    read_json,
    require_complete,
    tie,
)
from pressmark.compression.errors import ModelFileError
from pressmark.compression.folder import (
    OWN_PREFIX,
    STOCK_WEIGHTS,
    index_file,
    is_sidecar,
    list_files,
    weight_files,
    weight_map,
)
from pressmark.compression.plan import PLAN_FILE, Plan
from pressmark.compression.tensors import (
    METADATA,
    SafetensorsWriter,
    TensorFiles,
    require_finite,
)
from pressmark.registry.progress import SILENT, Progress

GENERATION_FILE: Final = "generation_config.json"
_INDEX_HINT: Final = "index and weights do not belong together; fetch both again"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A validated model folder; nothing of its weights is in memory.

    Attributes:
        folder: The folder.
        files: Every file in it by relative name; the values are resolved hub-cache links.
        tensors: The stored tensors.
        plan: What stock code cannot express.
        architecture: The stock model without weights.
        bound: Parameter name -> name of the weight, in the order of the model. The weight is
            stored under that name, or packed (`plan.packed`).
    """

    folder: Path
    files: Mapping[str, Path]
    tensors: TensorFiles
    plan: Plan
    architecture: Architecture
    bound: Mapping[str, str]

    @classmethod
    def open(cls, folder: Path | str, exclude: Sequence[str] = ()) -> Checkpoint:
        """Opens and validates a folder. Reads headers only, no tensor.

        Args:
            folder: The folder.
            exclude: Patterns (`fnmatch`) of file names that are no part of the checkpoint.

        Raises:
            ModelFileError: Naming the file and the tensor that is wrong, and what to do.
        """
        folder = Path(folder)
        files = list_files(folder, exclude)
        plan = Plan.read(folder)
        weights = weight_files(files)
        _require_matching_names(plan, weights)
        tensors = TensorFiles(folder / name for name in weights)
        _check_index(files, tensors)
        architecture = Architecture.of(folder, len(tensors), plan.structure)
        bound = architecture.bind(logical_shapes(tensors, plan))
        return cls(folder, files, tensors, plan, architecture, bound)

    @cached_property
    def config(self) -> dict[str, Any]:
        """`config.json` as it stands."""
        return read_json(self.files[CONFIG_FILE])

    @property
    def weight_files(self) -> tuple[str, ...]:
        """The names of the safetensors files, sorted."""
        return weight_files(self.files)

    @property
    def size(self) -> int:
        """Bytes of all weight files on disk."""
        return sum(self.files[name].stat().st_size for name in self.weight_files)

    @property
    def dtype(self) -> torch.dtype:
        """The type the model computes in: the configuration's, else that of the first weight."""
        if self.architecture.dtype is not None:
            return self.architecture.dtype
        packed = [getattr(torch, weight.dtype) for weight in self.plan.packed.values()]
        stored = (self.tensors.info(name).dtype for name in self.tensors)
        return next((d for d in (*packed, *stored) if d.is_floating_point), torch.float32)

    @property
    def parameter_count(self) -> int:
        """Number of parameters, tied ones once, packed ones as they are restored."""
        shapes = self.architecture.shapes
        return sum(torch.Size(shapes[parameter]).numel() for parameter in self._distinct)

    def count_nonzero(self, progress: Progress = SILENT) -> int:
        """Counts the parameters that are not zero, tied ones once; reads every weight."""
        names = [self.bound[parameter] for parameter in self._distinct]
        return sum(self._nonzero(n) for n in progress.track(names, len(names), "counting zeros"))

    @cached_property
    def _distinct(self) -> tuple[str, ...]:
        """The stored parameters; of tied ones that are stored twice, and are equal, one."""
        return tuple(parameter for parameter in self.bound if not self._is_copy(parameter))

    def _is_copy(self, parameter: str) -> bool:
        source = self.bound.get(self.architecture.tied.get(parameter, ""))
        return source is not None and torch.equal(
            self.read(self.bound[parameter]), self.read(source)
        )

    def _nonzero(self, name: str) -> int:
        packed, quantization = self.plan.packed.get(name), self.plan.quantization
        if packed is None or quantization is None:
            return int(torch.count_nonzero(self.tensors.read(name)))
        from pressmark.compression.quantize.packing import count_nonzero

        return count_nonzero(self.tensors, name, packed, quantization)

    def sidecars(self) -> dict[str, Path]:
        """Files that go along unchanged when weights change, by name; not the plan."""
        return {n: f for n, f in self.files.items() if is_sidecar(n) and n != PLAN_FILE}

    def weights(self) -> tuple[str, ...]:
        """The names of all weights as stock code stores them, packed ones included."""
        return tuple(logical_shapes(self.tensors, self.plan))

    def read(self, name: str) -> Tensor:
        """Reads a weight by its stock name, unpacked if it is packed.

        Raises:
            ModelFileError: There is no such weight.
        """
        packed = self.plan.packed.get(name)
        if packed is None or self.plan.quantization is None:
            return self.tensors.read(name)
        from pressmark.compression.quantize.packing import restore

        return restore(self.tensors, name, packed, self.plan.quantization)

    def check_finite(self, progress: Progress = SILENT) -> None:
        """Reads every tensor and refuses NaN and infinity; memory stays flat.

        Raises:
            ModelFileError: Naming the first tensor that holds one.
        """
        require_finite(self.tensors, "the model is damaged; fetch it again", progress)

    def model(self, dtype: torch.dtype | None = None) -> nn.Module:
        """Loads the stock model with the plan applied, in evaluation mode, without gradients.

        Weights that need no conversion stay mapped from the file.

        Args:
            dtype: The type to compute in; the checkpoint's own if not given.

        Raises:
            ModelFileError: A parameter would be left without a stored value.
        """
        dtype = dtype or self.dtype
        model = self.architecture.skeleton(dtype)
        kept = self.architecture.parameter_dtypes(dtype)
        for parameter, name in self.bound.items():
            value = self.read(name)
            assign(model, parameter, value.to(kept[parameter]) if _casts(value) else value)
        tie(model, self.architecture.tied, self.bound)
        require_complete(model)
        self._give_generation_config(model)
        return model

    def _give_generation_config(self, model: Any) -> None:
        if GENERATION_FILE in self.files and model.can_generate():
            from transformers import GenerationConfig

            model.generation_config = GenerationConfig.from_pretrained(
                self.folder, local_files_only=True
            )

    def tokenizer(self) -> Any:
        """Loads the tokenizer beside the model.

        Raises:
            ModelFileError: The folder holds none that loads without code of its own.
        """
        from transformers import AutoTokenizer

        try:
            return AutoTokenizer.from_pretrained(
                self.folder, local_files_only=True, trust_remote_code=False
            )
        except Exception as error:  # transformers raises anything here
            raise ModelFileError(
                f"the folder's tokenizer cannot be loaded: {error}",
                "a model folder needs tokenizer.json and tokenizer_config.json",
                file="tokenizer.json",
            ) from error


def logical_shapes(tensors: TensorFiles, plan: Plan) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight as stock code stores it: packed parts count as their weight.

    Raises:
        ModelFileError: A weight is both packed and stored, or a part of it is missing.
    """
    if plan.quantization is None:
        return {name: tensors.info(name).shape for name in tensors}
    from pressmark.compression.quantize.packing import part_names

    parts: dict[str, str] = {}
    for name, packed in plan.packed.items():
        for part in part_names(name, packed, plan.quantization):
            tensors.info(part)  # refuses a missing one
            parts[part] = name
    found: dict[str, tuple[int, ...]] = {}
    for name in tensors:
        weight = parts.get(name, name)
        stored = tensors.info(name).shape
        found[weight] = plan.packed[weight].shape if name in parts else stored
    return found


def _casts(value: Tensor) -> bool:
    return value.is_floating_point()


def _require_matching_names(plan: Plan, weights: Iterable[str]) -> None:
    """Stock code must not find weights that it would load wrongly, nor a plan lie unused."""
    for name in weights:
        if name.startswith(OWN_PREFIX) == plan.is_empty:
            need = "must not" if plan.is_empty else "must"
            raise ModelFileError(
                f"{need} have the prefix {OWN_PREFIX!r} with this {PLAN_FILE}",
                "plan and weights do not belong together; fetch or make both again",
                file=name,
            )


def _check_index(files: Mapping[str, Path], tensors: TensorFiles) -> None:
    name = index_file(files)
    if name is None:
        return
    said = weight_map(files[name])
    for tensor, file in said.items():
        if tensor not in tensors or tensors.info(tensor).file.name != file:
            raise ModelFileError(
                f"is not in {file} as the index says", _INDEX_HINT, file=name, tensor=tensor
            )
    for tensor in tensors:
        if tensor not in said:
            raise ModelFileError(
                "is stored but not in the index", _INDEX_HINT, file=name, tensor=tensor
            )


class CheckpointWriter:
    """Writes a checkpoint folder, tensor by tensor, in flat memory.

    With a parent, its other files are copied byte for byte when the writer is made, every tensor
    goes to the file that the parent has it in (parts of a weight to that of the weight), and each
    weight of the parent must be written, kept or dropped before `close`. Without one, all
    tensors go to `model.safetensors` and the caller writes the other files.

    Args:
        folder: An existing, empty folder.
        parent: What the new checkpoint is made from.
        plan: The new plan; the parent's if not given. A writer that learns details (a layout) while
            it writes may replace it before `close` by one that packs the same weights.

    Example:
        >>> with CheckpointWriter(folder, parent=base) as writer:
        ...     writer.write("model.layers.0.mlp.up_proj.weight", pruned)
        ...     writer.keep_rest()
    """

    def __init__(
        self, folder: Path, parent: Checkpoint | None = None, plan: Plan | None = None
    ) -> None:
        self.folder: Final = folder
        self.parent: Final = parent
        self.plan = plan or (parent.plan if parent else Plan())
        self._writers: dict[str, SafetensorsWriter] = {}
        self._dropped: set[str] = set()
        if parent is not None:
            _copy_sidecars(parent, folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            for writer in self._writers.values():
                writer.discard()

    def write(self, name: str, tensor: Tensor) -> None:
        """Writes a tensor under its stored name.

        Raises:
            ModelFileError: It was written before.
        """
        self._writer(name).write(name, tensor)

    def write_pieces(
        self, name: str, dtype: torch.dtype, shape: tuple[int, ...], pieces: Iterable[Tensor]
    ) -> None:
        """Writes a tensor that comes in pieces; see `SafetensorsWriter.write_pieces`."""
        self._writer(name).write_pieces(name, dtype, shape, pieces)

    def keep(self, name: str) -> None:
        """Takes a stored tensor of the parent over, byte for byte."""
        if self.parent is None:
            raise ModelFileError("cannot be kept: there is no parent", tensor=name)
        self._writer(name).copy(self.parent.tensors.info(name))

    def keep_rest(self) -> None:
        """Keeps every stored tensor of the parent not yet written, kept, dropped or packed."""
        for name in self._open_names():
            self.keep(name)

    def drop(self, name: str) -> None:
        """States that a stored tensor of the parent has no successor."""
        self._dropped.add(name)

    def close(self) -> None:
        """Finishes all files: weights, index, plan.

        Raises:
            ModelFileError: A tensor of the parent was forgotten.
        """
        if forgotten := next(iter(self._open_names()), None):
            raise ModelFileError(
                "was neither written, kept nor dropped", "call keep_rest()", tensor=forgotten
            )
        for writer in self._writers.values():
            writer.close()
        if len(self._writers) > 1:
            self._write_index()
        if not self.plan.is_empty:
            (self.folder / PLAN_FILE).write_bytes(self.plan.to_json())

    def _open_names(self) -> list[str]:
        if self.parent is None:
            return []
        done = {name for writer in self._writers.values() for name in writer.names()}
        done |= self._dropped | self.plan.packed.keys()
        return [name for name in self.parent.tensors if name not in done]

    def _writer(self, name: str) -> SafetensorsWriter:
        file, metadata = self._place(name)
        prefix = "" if self.plan.is_empty else OWN_PREFIX
        file = prefix + file.removeprefix(OWN_PREFIX)
        if file not in self._writers:
            self._writers[file] = SafetensorsWriter(self.folder / file, metadata)
        return self._writers[file]

    def _place(self, name: str) -> tuple[str, Mapping[str, str]]:
        """The file that a tensor belongs in: where the parent has it, or the weight it is of."""
        if self.parent is None:
            return STOCK_WEIGHTS, METADATA
        tensors = self.parent.tensors
        near = next((n for n in _stems(name) if n in tensors), next(iter(tensors)))
        file = tensors.info(near).file
        return file.name, tensors.metadata(file) or METADATA

    def _write_index(self) -> None:
        files = {n: file for file, w in self._writers.items() for n in w.names()}
        total = sum(writer.size for writer in self._writers.values())
        index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(files.items()))}
        prefix = "" if self.plan.is_empty else OWN_PREFIX
        target = self.folder / f"{prefix}{STOCK_WEIGHTS}.index.json"
        target.write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def _stems(name: str) -> Iterator[str]:
    """The name itself, then what is left when dotted parts are taken off its end."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def _copy_sidecars(parent: Checkpoint, folder: Path) -> None:
    for name, file in parent.sidecars().items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
