"""What the compression tests share."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pyoxigraph import NamedNode
    from transformers import PreTrainedTokenizerFast

    from pressmark.compression.recipe import Recipe
    from pressmark.compression.results import RunResult
    from pressmark.compression.step import Context

PLUGIN = Path(__file__).parent / "plugin"
TEXTS = Path(__file__).parents[2] / "compression" / "texts"


@pytest.fixture(scope="module")
def example_steps() -> Iterator[Path]:
    """Installs the example distribution of steps; its folder, for other processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PLUGIN)
        patch.setenv("PYTHONPATH", str(PLUGIN))
        patch.setenv("PRESSMARK_AGENT", "tester")
        yield PLUGIN


class Lab:
    """A registry, a folder for texts, and the few moves that tests of the runner share."""

    calibration = "What is read to calibrate, in a line of more than forty letters.\n"
    evaluation = "What is read to evaluate, which is another line of enough letters.\n"

    def __init__(self, folder: Path) -> None:
        from pressmark.registry.registry import Registry

        self.folder = folder
        self.registry = Registry.create(folder / "registry")
        (folder / "calibration.txt").write_text(self.calibration)
        (folder / "evaluation.txt").write_text(self.evaluation)

    def recipe(self, text: str) -> "Recipe":
        from pressmark.compression.recipe import Recipe

        return Recipe.from_bytes(text.encode(), "shout.yaml", self.folder)

    def one_step(self, step: str, **parameters: object) -> "Recipe":
        item = json.dumps({"step": step, "name": "out", "parameters": parameters})
        return self.recipe(f"name: one\ninputs: {{base: }}\nsteps:\n  - {item}\n")

    def run(self, recipe: "Recipe", *, seed: int | None = None, **options: object) -> "RunResult":
        """Runs a recipe on a new base "ab", or on `inputs`."""
        from pressmark.compression.runner import Runner

        inputs = options.pop("inputs", None)
        if inputs is None:
            inputs = {name: self.bring() for name in recipe.inputs}
        return Runner(self.registry, **options).run(recipe, inputs, seed=seed)

    def bring(self, text: str = "ab", name: str = "model") -> "NamedNode":
        from pressmark.compression.recipe import Recipe
        from pressmark.compression.step import step_class

        source = self.folder / f"{name}-source.txt"
        source.write_text(text)
        step = step_class("example/bring").parse({"source": str(source)})
        return self.run(Recipe.single(step, name=name), inputs={}).artifacts[name]

    def text_of(self, artifact: "NamedNode") -> str:
        from pressmark.compression.history import load_artifact

        (file,) = load_artifact(self.registry, artifact).files
        return self.registry.blobs.read(file.sha256).decode()

    def count(self) -> int:
        return len(self.registry.journal)


@pytest.fixture
def lab(example_steps: Path, tmp_path: Path) -> Iterator[Lab]:
    """A laboratory of the test's own."""
    laboratory = Lab(tmp_path)
    yield laboratory
    laboratory.registry.close()


@pytest.fixture(scope="module")
def shared_lab(example_steps: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A laboratory that the tests of a module share; they may add, and not count."""
    laboratory = Lab(tmp_path_factory.mktemp("lab"))
    yield laboratory
    laboratory.registry.close()


@pytest.fixture(scope="session")
def bos_tokenizer() -> "PreTrainedTokenizerFast":
    """A byte-level BPE with 512 entries that starts every text with `<bos>` (id 0)."""
    return train_tokenizer(add_bos=True)


@pytest.fixture(scope="session")
def plain_tokenizer() -> "PreTrainedTokenizerFast":
    """The same BPE, which knows `<bos>` but does not add it."""
    return train_tokenizer(add_bos=False)


def train_tokenizer(*, add_bos: bool) -> "PreTrainedTokenizerFast":
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=["<bos>", "<eos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    text = (TEXTS / "wikitext-2-calibration.txt").read_text("utf-8")
    core.train_from_iterator([text[:60_000]], trainer)
    if add_bos:
        core.post_processor = processors.TemplateProcessing(
            single="<bos> $A", special_tokens=[("<bos>", 0)]
        )
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<bos>", eos_token="<eos>")


@pytest.fixture(scope="session")
def tiny_complete(
    tiny_folder: Callable[..., Path],
    bos_tokenizer: "PreTrainedTokenizerFast",
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Path]:
    """`tiny_folder` with a tokenizer that adds `<bos>`; never write to it."""
    made: dict[Path, Path] = {}

    def make(family: str = "llama", **options: str) -> Path:
        source = tiny_folder(family, **options)
        if source not in made:
            made[source] = tmp_path_factory.mktemp(family) / "model"
            shutil.copytree(source, made[source])
            bos_tokenizer.save_pretrained(made[source])
        return made[source]

    return make


class Quiet:
    """Progress that shows nothing and keeps what is logged."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def track(self, iterable, total=None, label=""):
        return iter(iterable)

    def log(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="session")
def make_context(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., "Context"]:
    """Gives the conditions of a step that runs by itself, each in a fresh folder."""
    from pressmark.compression.step import Context

    def make(seed: int = 0) -> Context:
        return Context(tmp_path_factory.mktemp("step"), Quiet(), seed)

    return make


DECODER: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 128,
    "max_position_embeddings": 256,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
    "tie_word_embeddings": False,
}
_MAMBA_2 = {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 8, "mamba_n_groups": 1}
DECODERS: dict[str, dict[str, Any]] = {
    "llama": {"attention_bias": True, "mlp_bias": True},
    "mistral": {"sliding_window": 8},
    "qwen2": {},
    "qwen3": {"head_dim": 16},
    "gemma2": {"head_dim": 16, "sliding_window": 8, "query_pre_attn_scalar": 16},
    "gemma3_text": {
        "head_dim": 16,
        "sliding_window": 8,
        "layer_types": [
            "sliding_attention",
            "sliding_attention",
            "full_attention",
            "sliding_attention",
        ],
    },
    "mamba": {"state_size": 8},
    "falcon_mamba": {"state_size": 8},
    "mamba2": {"state_size": 8, "num_heads": 4, "head_dim": 16, "n_groups": 1, "chunk_size": 16},
    "nemotron_h": {
        "layers_block_type": [
            "linear_attention",
            "full_attention",
            "mlp",
            "linear_attention",
            "full_attention",
            "mlp",
        ],
        "num_hidden_layers": 6,
        "head_dim": 8,
        "mamba_num_heads": 4,
        "mamba_head_dim": 16,
        "ssm_state_size": 8,
        "n_groups": 1,
        "chunk_size": 16,
    },
    "bamba": {"attn_layer_indices": [1, 2], **_MAMBA_2, "mamba_chunk_size": 16},
    "jamba": {
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "num_experts": 1,
        "mamba_d_state": 8,
        "mamba_dt_rank": 4,
        "use_mamba_kernels": False,
    },
    "falcon_h1": {"head_dim": 8, "mamba_d_ssm": 64, **_MAMBA_2, "mamba_chunk_size": 16},
}
_NO_ATTENTION = ("intermediate_size", "num_attention_heads", "num_key_value_heads")


@pytest.fixture(scope="session")
def decoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a small random fp32 decoder of a family, once; never write to it."""
    made: dict[str, Path] = {}

    def make(family: str) -> Path:
        if family not in made:
            made[family] = tmp_path_factory.mktemp(family)
            save_decoder(made[family], family)
        return made[family]

    return make


def save_decoder(folder: Path, family: str) -> None:
    """Saves a random model whose norms and biases all differ."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    values = DECODER | DECODERS[family]
    if family in ("mamba", "mamba2", "falcon_mamba"):
        values = {k: v for k, v in values.items() if k not in _NO_ATTENTION}
    config = AutoConfig.for_model(family, **values)
    with torch.random.fork_rng():
        torch.manual_seed(11)
        model = AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():
            parameter.data.add_(torch.randn_like(parameter) * 0.05)
    model.save_pretrained(folder)
