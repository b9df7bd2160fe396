"""Wanda 50 % on real models: wall time and peak memory, beside what the machine can do.

Each model is pruned in a process of its own, with 128 windows of 512 tokens in bf16. The limit is
the time that the matrix products of both passes would take at the speed of one large bf16 product,
measured in the same process. Memory is resident memory above that of the imported libraries, before
blocks are run (tokenizer, text) and while they are; the bound is embeddings, two blocks and hidden
states.

Models are folders in `PRESSMARK_MODELS` (`~/.cache/real-models`); those that are not there are left
out.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from table import Row, print_rows

TITLE = "Wanda 50 %, 128 x 512 calibration tokens, bf16"
MODELS = ("gemma-3-270m", "qwen2.5-coder-0.5b")
SAMPLES, LENGTH = 128, 512
HERE = Path(__file__).parent
ROOT = Path(os.environ.get("PRESSMARK_MODELS", Path.home() / ".cache" / "real-models"))


def rows() -> Iterator[Row]:
    """Time, limit and memory for each model that is on this machine."""
    for name in MODELS:
        if (ROOT / name).is_dir():
            yield from model_rows(name, measure(ROOT / name))
        else:
            yield Row(f"{name}: not in {ROOT}", "-")


def measure(
    folder: Path, samples: int = SAMPLES, threads: int = os.cpu_count() or 1
) -> dict[str, Any]:
    """Prunes in a new process; see `child` for what it tells."""
    done = subprocess.run(
        [sys.executable, __file__, "child", str(folder), str(samples), str(threads)],
        # The folder is named because safe-path mode leaves a script's own folder out.
        env=os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(HERE)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def model_rows(name: str, found: dict[str, Any]) -> Iterator[Row]:
    """What one run found, for a person."""
    mib = {
        key: f"{value / 2**20:,.0f} MiB" for key, value in found.items() if key.endswith("bytes")
    }
    limit = found["operations"] / found["operations_per_second"]
    yield Row(f"{name}: wall time, {found['threads']} threads", f"{found['seconds']:.0f} s")
    yield Row(f"{name}: of it running blocks", f"{found['block_seconds']:.0f} s")
    yield Row(f"{name}: processor time, all threads", f"{found['cpu_seconds']:.0f} s")
    yield Row(f"{name}: its matrix products at the speed of one large one", f"{limit:.0f} s")
    yield Row(f"{name}: memory above import, tokenizer and text", mib["before_bytes"])
    yield Row(
        f"{name}: memory above import, running blocks",
        mib["block_bytes"],
        f"<= {mib['bound_bytes']}",
        found["block_bytes"] <= found["bound_bytes"],
    )
    yield Row(f"{name}: size of the model", mib["model_bytes"])
    yield Row(f"{name}: digest of the result", found["digest"][:16])


class Watch:
    """Progress that notes time and resident memory around the passes through the blocks."""

    def __init__(self) -> None:
        self.before_peak = self.block_peak = 0
        self.seconds = 0.0

    def track(
        self, iterable: Iterable[Any], total: int | None = None, label: str = ""
    ) -> Iterator[Any]:
        if label == "pruning blocks":
            self.before_peak = status("VmHWM")
            forget_peak()
        began = time.perf_counter()
        yield from iterable
        if label == "pruning blocks":
            self.seconds = time.perf_counter() - began
            self.block_peak = status("VmHWM")

    def log(self, text: str) -> None:
        pass


def status(key: str) -> int:
    """A memory figure of this process in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def child(folder: Path, samples: int, threads: int) -> dict[str, Any]:
    """Prunes one model and tells time, memory, and the work that had to be done."""
    import torch

    from pressmark.compression.blocks import BlockList, block_linears
    from pressmark.compression.checkpoint import Checkpoint
    from pressmark.compression.data import DataSet
    from pressmark.compression.prune.wanda import Wanda
    from pressmark.compression.step import Context, Inputs
    from pressmark.registry.ids import sha256_file

    torch.set_num_threads(threads)
    base = Checkpoint.open(folder)
    linears = [base.tensors.info(base.bound[n]) for n in block_linears(base.architecture)]
    blocks = BlockList.find(base.architecture.meta)
    inputs = Inputs({"base": folder}, DataSet.packaged("wikitext-2-calibration"))
    speed, imported, watch = operations_per_second(), status("VmRSS"), Watch()
    forget_peak()
    with tempfile.TemporaryDirectory() as work:
        context = Context(Path(work), watch, 0, threads)
        began, spent = time.perf_counter(), time.process_time()
        output = Wanda(samples=samples, length=LENGTH).apply(inputs, context)
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - spent
        assert output.folder is not None
        digest = sha256_file(output.folder / "model.safetensors")
    tokens, width = samples * LENGTH, base.architecture.config.hidden_size
    embeddings = base.architecture.config.vocab_size * width * 2
    blocks_bytes = 2 * sum(info.size for info in linears) // blocks.count
    return {
        "threads": threads,
        "seconds": seconds,
        "block_seconds": watch.seconds,
        "cpu_seconds": cpu_seconds,
        # Both passes multiply by every weight; the last block's second pass is left out.
        "operations": tokens * sum(i.count for i in linears) * 2 * (2 - 1 / blocks.count),
        "operations_per_second": speed,
        "before_bytes": watch.before_peak - imported,
        "block_bytes": watch.block_peak - imported,
        "bound_bytes": embeddings + blocks_bytes + tokens * width * 2,
        "model_bytes": base.size,
        "digest": digest,
    }


def operations_per_second() -> float:
    """The speed of one large bf16 matrix product."""
    import torch

    x, w = torch.randn(2048, 2048).bfloat16(), torch.randn(4096, 2048).bfloat16()
    fastest = float("inf")
    for _ in range(8):
        began = time.perf_counter()
        torch.nn.functional.linear(x, w)
        fastest = min(fastest, time.perf_counter() - began)
    return 2 * 2048 * 2048 * 4096 / fastest


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        print(json.dumps(child(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
    else:
        print_rows(TITLE, rows())
