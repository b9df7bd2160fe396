"""`pressmark demo` over a tiny model; over the real one it is the README's test."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pressmark.api.cli.demo import ALIAS
from pressmark.registry.ids import sha256_file


@pytest.fixture
def model(tiny_folder: Callable[..., Path], tmp_path: Path) -> Path:
    """A tiny model that takes windows of 512 tokens, with a tokenizer of bytes."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    folder = shutil.copytree(tiny_folder("llama"), tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 512}))
    letters = {letter: n for n, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    core = Tokenizer(models.BPE(vocab=letters, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    PreTrainedTokenizerFast(tokenizer_object=core).save_pretrained(folder)
    return folder


def test_the_demo_as_json_and_as_text(cli, model, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = cli("demo", "--model", model, "-o", "out", "--json")
    assert ran.code == 0, ran.err
    found = ran.json  # so nothing else is on standard output
    assert "step 1 of 5" in ran.err
    stages = found["artifacts"]
    assert [stage["name"] for stage in stages] == ["int8", "pruned", "model"][::-1]
    assert [stage["assurance"] for stage in stages] == ["executed, checked"] * 3
    assert all(stage["perplexity"] > 1 for stage in stages)
    assert [stage["kl_divergence"] is None for stage in stages] == [True, False, False]
    assert found["deployed"] == stages[-1]["iri"]
    assert found["source_sha256"] is None
    folder = Path(found["folder"])
    digests = {file["name"]: file["sha256"] for file in stages[-1]["files"]}
    assert digests == {path.name: sha256_file(path) for path in folder.iterdir()}
    assert sum(file["size"] for file in stages[-1]["files"]) == stages[-1]["size"]
    assert found["where"]["sha256"] == digests[Path(found["where"]["path"]).name]
    assert found["where"]["artifacts"][0]["iri"] == found["deployed"]
    assert "prune/wanda" in Path(found["report"]).read_text()
    assert cli("-R", found["registry"], "show", ALIAS, "--json").json["summary"]["name"] == "int8"

    again = cli("demo", "--model", model, "-o", "out")
    assert again.code == 0
    assert "int8 <- pruned <- model" in again.out
    assert f"{stages[-1]['perplexity']:.3f}" in again.out
    assert "(reused" in again.err
