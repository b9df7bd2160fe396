"""Masks against a stable argsort, written plainly in NumPy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pressmark.compression.prune.masks import Sparsity, lowest
from pressmark.registry.errors import InvalidInputError

TIED = st.sampled_from([0.0, -0.0, 0.5, 1.0, 1.5, float("inf")])


def plain_rows(scores, count):
    mask = np.zeros(scores.shape, dtype=bool)
    for row in range(scores.shape[0]):
        mask[row, np.argsort(scores[row], kind="stable")[:count]] = True
    return mask


def plain_runs(scores, zeros, run):
    mask = np.zeros(scores.shape, dtype=bool)
    for row in range(scores.shape[0]):
        for start in range(0, scores.shape[1], run):
            order = np.argsort(scores[row, start : start + run], kind="stable")
            mask[row, start + order[:zeros]] = True
    return mask


@settings(max_examples=50, deadline=None)
@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 24)), elements=TIED),
    st.data(),
)
def test_lowest_breaks_ties_as_a_stable_sort_does(scores, data):
    count = data.draw(st.integers(0, scores.shape[1]))
    assert np.array_equal(
        lowest(torch.from_numpy(scores), count).numpy(), plain_rows(scores, count)
    )


@settings(max_examples=50, deadline=None)
@given(st.sampled_from([("2:4", 2, 4), ("4:8", 4, 8)]), st.data())
def test_patterns_break_ties_as_a_stable_sort_does(pattern, data):
    name, zeros, run = pattern
    shape = (data.draw(st.integers(1, 4)), run * data.draw(st.integers(1, 4)))
    scores = data.draw(hnp.arrays(np.float32, shape, elements=TIED))
    mask = Sparsity(0.5, name).mask(torch.from_numpy(scores)).numpy()
    assert np.array_equal(mask, plain_runs(scores, zeros, run))


def test_lowest_on_scores_of_bf16_weights():
    weights = torch.randn(300, 640, generator=torch.Generator().manual_seed(0)).bfloat16()
    scores = weights.float().abs()
    assert np.array_equal(lowest(scores, 320).numpy(), plain_rows(scores.numpy(), 320))


@pytest.mark.parametrize(
    ("ratio", "columns", "zeros"), [(0.29, 100, 29), (0.5, 7, 3), (0.0, 9, 0), (0.999, 10, 9)]
)
def test_zeros_per_row_reads_the_ratio_as_a_decimal(ratio, columns, zeros):
    assert Sparsity(ratio).zeros_per_row(columns) == zeros


@pytest.mark.parametrize("ratio", [-0.1, 1.0, 1.5])
def test_a_ratio_out_of_range_is_refused(ratio):
    with pytest.raises(InvalidInputError, match=str(ratio)):
        Sparsity(ratio)


def test_pattern_and_ratio_must_agree():
    with pytest.raises(InvalidInputError, match=r"2:4 has sparsity 0\.5"):
        Sparsity(0.6, "2:4")
    with pytest.raises(InvalidInputError, match="no pattern '3:4'"):
        Sparsity(0.5, "3:4")


def test_columns_that_do_not_divide_are_refused_by_name():
    with pytest.raises(InvalidInputError, match=r"model\.layers\.0\.x has 6 input columns"):
        Sparsity(0.5, "2:4").refuse_shape("model.layers.0.x", 6)
