"""What the figures hold for, and where the benchmarks may write."""

import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

CACHE = Path(".cache")
LIBRARIES = ("pressmark", "pyoxigraph", "pyshacl", "torch", "transformers", "numpy")


def machine() -> str:
    """The processor, its cores and memory, how busy it is, and the system."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    return (
        f"{models[0] if models else platform.processor()}, {len(models)} cores, "
        f"{memory:.0f} GiB memory; load average at the start: {load}; "
        f"{platform.system()} {platform.release()}"
    )


def versions() -> str:
    """The interpreter and the libraries that do the work."""
    found = [f"Python {platform.python_version()}"]
    return ", ".join(found + [f"{name} {version(name)}" for name in LIBRARIES])


def scratch() -> "tempfile.TemporaryDirectory[str]":
    """A folder on the disk of the working tree; the system's may be in memory."""
    CACHE.mkdir(exist_ok=True)
    return tempfile.TemporaryDirectory(dir=CACHE, prefix="bench-")


def mlflow_folder() -> Path:
    """A virtual environment that has MLflow; it is installed the first time.

    Raises:
        subprocess.CalledProcessError: It cannot be installed.
    """
    folder = (CACHE / "mlflow").absolute()
    if not (folder / "bin" / "mlflow").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = [
            str(folder / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "mlflow>=3,<4",
        ]
        subprocess.run(install, check=True)
    return folder
