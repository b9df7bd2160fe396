"""What the compression tests share."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

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
