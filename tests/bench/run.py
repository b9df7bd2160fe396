"""Prints the benchmark table of this machine: `make bench`, `make bench ARGS="--only commit"`.

Each section runs in a process of its own, so that none has the memory of another. Nothing here
asserts a time: an aim that is missed is printed as such.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent.absolute()
sys.path.insert(0, str(FOLDER))  # PYTHONSAFEPATH keeps it out

from machine import machine, versions  # noqa: E402
from table import print_rows, write_json  # noqa: E402

SECTIONS = {
    "commit": "bench_commit",
    "http": "bench_http",
    "query": "bench_queries",
    "blobs": "bench_blobs",
    "wanda": "bench_models",
    "kernels": "bench_kernels",
}


def main() -> int:
    """Run the sections that were asked for; tells how many could not be run."""
    arguments = parsed()
    if arguments.section:
        run_section(arguments.section, arguments.quick, arguments.json)
        return 0
    about = {"machine": machine(), "versions": versions()}
    print("## Benchmarks\n", *about.values(), sep="\n", flush=True)
    found = {name: in_process(name, arguments.quick) for name in arguments.only}
    if arguments.json:
        figures = about | {"quick": arguments.quick, "sections": found}
        arguments.json.write_text(json.dumps(figures, indent=2))
    return sum(rows is None for rows in found.values())


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", type=section_names, default=list(SECTIONS), metavar="A,B")
    parser.add_argument("--quick", action="store_true", help="small sizes, to try the benchmarks")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures there too")
    parser.add_argument("--section", choices=SECTIONS, help=argparse.SUPPRESS)
    return parser.parse_args()


def section_names(text: str) -> list[str]:
    """The sections in a list with commas."""
    names = text.split(",")
    if unknown := set(names) - set(SECTIONS):
        known = ", ".join(SECTIONS)
        raise argparse.ArgumentTypeError(f"no section {', '.join(unknown)}; there are: {known}")
    return names


def in_process(name: str, quick: bool) -> list[dict[str, object]] | None:
    """Run one section in a new process, and give its rows; None where it failed."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [sys.executable, __file__, "--section", name, "--json", file.name]
        environment = os.environ | {"PYTHONPATH": str(FOLDER)}
        done = subprocess.run([*command, *["--quick"] * quick], env=environment, check=False)
        if done.returncode:
            print(f"\n**{name} could not be run** (status {done.returncode})", flush=True)
            return None
        return list(json.loads(Path(file.name).read_text()))


def run_section(name: str, quick: bool, json_file: Path) -> None:
    """Print the rows of one section in this process."""
    section = importlib.import_module(SECTIONS[name])
    write_json(json_file, print_rows(section.TITLE, section.rows(quick)))


if __name__ == "__main__":
    sys.exit(main())
