"""The search against itself done naively: every candidate committed, run whole, scored in full."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from pressmark.compression.checkpoint import Checkpoint
from pressmark.compression.families import Kind, family_of
from pressmark.compression.prune import search as searching
from pressmark.compression.prune.decoder import Cut, Decoder
from pressmark.compression.prune.head import Head
from pressmark.compression.prune.multipruner import narrower
from pressmark.compression.prune.search import Pick, Search
from pressmark.compression.prune.stages import whole_branches

FolderOf = Callable[[str], Path]
WINDOWS = torch.arange(12 * 20).reshape(12, 20) * 11 % 120 + 2
ALL = tuple(Kind)


def everything(decoder: Decoder) -> list[Cut]:
    return [*whole_branches(decoder, ALL), *narrower(decoder, Kind.MLP, 16)]


def parts(folder: Path) -> tuple[Decoder, Head, nn.Module]:
    checkpoint = Checkpoint.open(folder)
    model, family = checkpoint.model(), family_of(checkpoint.architecture.config)
    return Decoder(model, family, WINDOWS), Head(model, family), model


def naive(decoder: Decoder, head: Head, cuts: list[Cut]) -> tuple[Cut, Pick]:
    tokens, found = sum(b.targets.numel() for b in decoder.batches), []
    for cut in cuts:
        before = decoder.layers[cut.layer]
        decoder.commit(cut)
        total = 0.0
        for batch in decoder.batches:
            total += head.nats(decoder.whole(batch), batch.targets)
        found.append(total)
        decoder.layers[cut.layer] = before
    order = sorted(range(len(cuts)), key=lambda at: (found[at], at))
    best, second = cuts[order[0]], cuts[order[1]]
    decoder.commit(best)
    loss = found[order[0]] / tokens
    return best, Pick("", best.name, loss, second.name, found[order[1]] / tokens - loss)


@pytest.mark.parametrize("memory", [1 << 30, 1])
@pytest.mark.parametrize("family", ["llama", "gemma3_text", "mamba2", "nemotron_h", "falcon_h1"])
def test_picks_and_scores_are_those_of_the_naive_search(
    decoder_folder: FolderOf, family: str, memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "PREFIX_BYTES", memory)
    monkeypatch.setattr("pressmark.compression.prune.decoder.BATCH_TOKENS", 80)
    fast, slow = parts(decoder_folder(family)), parts(decoder_folder(family))
    assert len(fast[0].batches) == 3
    search = Search(*fast[:2])
    for _ in range(3):
        assert search.pick(everything(fast[0]))[1] == naive(*slow[:2], everything(slow[0]))[1]


def test_the_loss_is_that_of_the_stock_model(decoder_folder: FolderOf) -> None:
    decoder, head, model = parts(decoder_folder("gemma2"))  # whose logits are capped
    with torch.no_grad():
        logits = model(input_ids=WINDOWS).logits[:, :-1].double()
    expected = nn.functional.cross_entropy(logits.reshape(-1, 128), WINDOWS[:, 1:].reshape(-1))
    assert Search(decoder, head).loss() == pytest.approx(float(expected), abs=1e-6)


def test_a_bound_is_never_above_what_it_bounds(decoder_folder: FolderOf) -> None:
    decoder, head, _ = parts(decoder_folder("llama"))
    (batch,) = decoder.batches
    states = decoder.whole(batch)
    assert head.at_least(states, batch.targets) == 0
    for seed in range(5):
        head.shortlist(states, batch.targets[:, :2] if seed else batch.targets)
        head.shortlist(states, batch.targets)
        noisy = states + torch.randn(states.shape, generator=torch.Generator().manual_seed(seed))
        low, nats = head.at_least(noisy, batch.targets), head.nats(noisy, batch.targets)
        assert nats / 2 < low <= nats


def test_hopeless_candidates_are_given_up(decoder_folder: FolderOf) -> None:
    decoder, head, model = parts(decoder_folder("llama"))
    model.lm_head.weight.data.mul_(30)  # so that candidates differ
    scored = []
    measure = head.nats
    head.nats = lambda *given: scored.append(1) or measure(*given)  # type: ignore[method-assign]
    cuts = everything(decoder)
    Search(decoder, head).pick(cuts)
    assert 2 <= len(scored) < len(cuts)
