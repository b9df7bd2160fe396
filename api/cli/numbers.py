"""Measured numbers as people read them: in units, and the rest on demand."""

from pressmark.api.cli.output import human_bytes, stdout


def print_hidden(count: int) -> None:
    """Tell that there is more, and how to see it."""
    if count:
        stdout.print(f"  and {count} more with --all", style="dim")


def human_number(value: float | None, unit: str) -> str:
    """A measured number as a person reads it: bytes in MB, counts in full, six figures else."""
    if value is None:
        return "-"
    if unit == "By":
        return human_bytes(value)
    text = f"{value:,.0f}" if value.is_integer() else f"{value:.6g}"
    return text if unit == "1" else f"{text} {unit}"
