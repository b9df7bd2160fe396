"""``registry.json``: what a registry's folder says about itself.

::

    registry.json   this file
    journal         which bundles were committed, in which order (`pressmark.registry.journal`)
    blobs/          files and bundles by digest (or elsewhere, by URL)
    graph           the index over the bundles: a symbolic link to a folder (or a server, by URL)
    snapshots/      copies of the graph for readers (`pressmark.registry.snapshots`)
    lock            held by whoever writes
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

from pressmark.ontology import ONTOLOGY_VERSION, SHAPES_VERSION, shapes_versions
from pressmark.registry import files
from pressmark.registry.errors import NotFoundError, StoreDamagedError, StoreVersionError

#: Version of the folder's layout, of the journal's lines and of the blobs' names.
FORMAT: Final = 1
FILE_NAME: Final = "registry.json"


@dataclass(frozen=True)
class Config:
    """What ``registry.json`` holds.

    Attributes:
        format: Version of the layout; see `FORMAT`.
        pressmark: The release that made or last upgraded the registry.
        ontology: The newest version of the vocabulary that its records use.
        shapes: The newest version of the shapes that its records were validated with.
        blobs: Where the blobs are: a URL, or a path relative to the registry.
        graph: Where the graph is: the URL of a SPARQL server, or a path relative to the registry.
    """

    format: int = FORMAT
    pressmark: str = ""
    ontology: str = ONTOLOGY_VERSION
    shapes: str = SHAPES_VERSION
    blobs: str = "blobs"
    graph: str = "graph"

    @classmethod
    def load(cls, root: Path) -> Config:
        """Reads a registry's configuration.

        Raises:
            NotFoundError: There is no registry in this folder.
            StoreVersionError: Another release wrote it, and this one cannot read it.
            StoreDamagedError: The file is malformed.
        """
        path = root / FILE_NAME
        try:
            values = json.loads(path.read_bytes())
            _check_format(values["format"], values.get("pressmark", ""), path)
            _check_keys(values)
            config = cls(**values)
        except NotADirectoryError:
            raise NotFoundError(
                f"there is no registry in {root}: it is no folder", "name a registry's folder"
            ) from None
        except FileNotFoundError:
            raise NotFoundError(
                f"there is no registry in {root}",
                f"make one with `pressmark init {root}`, or name another folder with --registry",
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise StoreDamagedError(
                f"{path} is not a registry's configuration: {error}",
                "restore it from a backup (`pressmark restore`)",
            ) from error
        _check_shapes(config, path)
        return config

    def save(self, root: Path) -> None:
        """Writes the configuration, durably."""
        stamped = replace(self, pressmark=version("pressmark"))
        text = json.dumps(asdict(stamped), indent=2, sort_keys=True)
        files.write_atomic(root / FILE_NAME, f"{text}\n".encode())

    @property
    def is_current(self) -> bool:
        """Whether records of this release's vocabulary and shapes were announced in the file."""
        return (self.ontology, self.shapes) == (ONTOLOGY_VERSION, SHAPES_VERSION)

    def location(self, root: Path, value: str) -> str:
        """Resolves `blobs` or `graph`: a URL as it is, a path from the registry's folder."""
        return value if "://" in value else str(root / value)


def _check_format(found: object, release: str, path: Path) -> None:
    if found == FORMAT:
        return
    if isinstance(found, int) and found > FORMAT:
        raise StoreVersionError(
            f"{path} has format {found}; this release of Pressmark reads format {FORMAT}",
            "run `pip install --upgrade pressmark`",
        )
    raise StoreVersionError(
        f"{path} has format {found}; this release of Pressmark reads format {FORMAT}",
        f"run `pip install 'pressmark=={release or '0'}'` and `pressmark push` its artifacts "
        "into a registry that this release has made",
    )


def _check_keys(keys: Collection[str]) -> None:
    known = {field.name for field in fields(Config)}
    wrong = [f"the key {key!r} is unknown" for key in sorted(set(keys) - known)]
    wrong += [f"the key {key!r} is missing" for key in sorted(known - set(keys))]
    if wrong:
        raise ValueError("; ".join(wrong))


def _check_shapes(config: Config, path: Path) -> None:
    if config.shapes not in shapes_versions():
        raise StoreVersionError(
            f"{path} has records under version {config.shapes} of the shapes; "
            f"this release of Pressmark knows {', '.join(shapes_versions())}",
            "run `pip install --upgrade pressmark`",
        )
