"""Shared descriptions: contents, environments, engines, agents, data sets, recipes, model lines.

What many records refer to is described once, in a graph that is named by the SHA-256 of its own
statements. Two machines that describe the same thing therefore give it the same name, and adding it
again changes nothing. The name verifies itself: `description_digest` of the graph is the name.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pyoxigraph import Literal, NamedNode, Quad, Triple

from pressmark.ontology.terms import DCAT, DCTERMS, PM, PPLAN, PROV, RDF, RDFS
from pressmark.registry.ids import ni_iri
from pressmark.registry.record import Description, Value, literal

_SELF: Final = NamedNode("ni:///sha-256;")
_AGENT_KINDS: Final = {"person": PROV.Person, "organization": PROV.Organization}


@dataclass(frozen=True, order=True)
class FileEntry:
    """One file of a content.

    Attributes:
        name: Relative name, with "/" between folders.
        sha256: 64 hexadecimal digits.
        size: Bytes.
    """

    name: str
    sha256: str
    size: int


def description_digest(triples: Iterable[tuple[object, object, object]], own: NamedNode) -> bytes:
    """Hash a description without its own name.

    The digest is the SHA-256 over the sorted N-Triples lines in which the description's own IRI is
    written ``<>`` and its parts ``<#part>``.

    Args:
        triples: Subject, predicate and object of each statement.
        own: The IRI that the description has at present.
    """
    lines = {" ".join(_relative(term, own.value) for term in triple) for triple in triples}
    return hashlib.sha256("".join(f"{line} .\n" for line in sorted(lines)).encode()).digest()


def _relative(term: object, own: str) -> str:
    if isinstance(term, NamedNode) and term.value.partition("#")[0] == own:
        return f"<{term.value.removeprefix(own)}>"
    return str(term)


class _Statements:
    """Collects what is said about a thing whose name is not known until all is said."""

    def __init__(self, *types: NamedNode, label: str | None = None) -> None:
        self._triples: list[Triple] = []
        self.say(_SELF, RDF.type, *types)
        if label is not None:
            self.say(_SELF, RDFS.label, label)

    def say(self, subject: NamedNode, predicate: NamedNode, *values: Value) -> None:
        for value in values:
            term = value if isinstance(value, NamedNode | Literal) else literal(value)
            self._triples.append(Triple(subject, predicate, term))

    def part(self, suffix: str) -> NamedNode:
        return NamedNode(f"{_SELF.value}#{suffix}")

    def close(self) -> Description:
        iri = ni_iri(
            description_digest(((t.subject, t.predicate, t.object) for t in self._triples), _SELF)
        )
        quads = (
            Quad(_named(t.subject, iri), t.predicate, _named(t.object, iri), iri)  # type: ignore[arg-type]
            for t in self._triples
        )
        return Description(iri, tuple(quads))


def _named(term: object, iri: NamedNode) -> object:
    if isinstance(term, NamedNode) and term.value.startswith(_SELF.value):
        suffix = term.value.removeprefix(_SELF.value)
        if not suffix or suffix.startswith("#"):
            return NamedNode(iri.value + suffix)
    return term


def content(files: Sequence[FileEntry]) -> Description:
    """Describe a set of files; the order in which they are given does not matter."""
    about = _Statements(PM.Content, PROV.Entity)
    about.say(_SELF, PM.fileCount, len(files))
    about.say(_SELF, DCAT.byteSize, sum(file.size for file in files))
    for index, file in enumerate(sorted(files)):
        node = about.part(f"file-{index}")
        about.say(_SELF, PM.hasFile, node)
        about.say(node, RDF.type, PM.File, PROV.Entity)
        about.say(node, PM.fileName, file.name)
        about.say(node, PM.sha256, file.sha256)
        about.say(node, DCAT.byteSize, file.size)
    return about.close()


def environment(
    *,
    python_version: str,
    platform: str,
    cpu_model: str,
    cpu_flags: Iterable[str],
    thread_count: int,
    memory_bytes: int,
    libraries: Iterable[str] = (),
) -> Description:
    """Describe a machine and its libraries.

    Args:
        python_version: Such as "3.11.9".
        platform: Operating system, kernel and processor family.
        cpu_model: The processor's name.
        cpu_flags: The instruction sets that matter; sorted here.
        thread_count: How many threads compute.
        memory_bytes: Physical memory.
        libraries: "name version" of each.
    """
    about = _Statements(PM.Environment, PROV.Entity)
    about.say(_SELF, PM.pythonVersion, python_version)
    about.say(_SELF, PM.platform, platform)
    about.say(_SELF, PM.cpuModel, cpu_model)
    about.say(_SELF, PM.cpuFlags, " ".join(sorted(cpu_flags)))
    about.say(_SELF, PM.threadCount, thread_count)
    about.say(_SELF, PM.memoryBytes, memory_bytes)
    about.say(_SELF, PM.libraryVersion, *libraries)
    return about.close()


def engine(
    version: str, source_commit: str, distribution_digest: str, name: str = "pressmark"
) -> Description:
    """Describe a program at one version.

    Args:
        version: The distribution's version.
        source_commit: The commit that it was built from, or "unknown".
        distribution_digest: SHA-256 over its installed files.
        name: The program's name.
    """
    about = _Statements(PM.Engine, PROV.SoftwareAgent, PROV.Agent, label=name)
    about.say(_SELF, PM.version, version)
    about.say(_SELF, PM.sourceCommit, source_commit)
    about.say(_SELF, PM.distributionDigest, distribution_digest)
    return about.close()


def agent(agent_id: str, kind: str = "person") -> Description:
    """Describe who asked for an activity, by an opaque identifier.

    Args:
        agent_id: Says nothing about the person to those who lack the profile, which is kept
            outside the history so that it can be erased.
        kind: "person" or "organization".
    """
    about = _Statements(_AGENT_KINDS[kind], PROV.Agent)
    about.say(_SELF, PM.agentId, agent_id)
    return about.close()


def dataset(name: str, sha256: str, size: int, license: str, source: str) -> Description:  # noqa: A002
    """Describe data that models are calibrated or evaluated on.

    Args:
        name: For a person.
        sha256: Digest of its bytes.
        size: Bytes.
        license: SPDX identifier or name.
        source: Where it was taken from.
    """
    about = _Statements(PM.DataSet, DCAT.Dataset, PROV.Entity, label=name)
    about.say(_SELF, PM.sha256, sha256)
    about.say(_SELF, DCAT.byteSize, size)
    about.say(_SELF, DCTERMS.license, license)
    about.say(_SELF, DCTERMS.source, source)
    return about.close()


def recipe(name: str, sha256: str, steps: Sequence[str]) -> Description:
    """Describe a recipe; its steps are the parts ``#step-0``, ``#step-1``, ...

    Args:
        name: For a person.
        sha256: Digest of the YAML file.
        steps: The names of its steps in order, such as "prune/wanda".
    """
    about = _Statements(PM.Recipe, PROV.Plan, PPLAN.Plan, PROV.Entity, label=name)
    about.say(_SELF, PM.sha256, sha256)
    for position, step in enumerate(steps):
        node = about.part(f"step-{position}")
        about.say(node, RDF.type, PM.RecipeStep, PPLAN.Step, PROV.Entity)
        about.say(node, PPLAN.isStepOfPlan, _SELF)
        about.say(node, PM.position, position)
        about.say(node, PM.stepName, step)
    return about.close()


def model_line(name: str) -> Description:
    """Describe a named line, of which artifacts are specializations."""
    return _Statements(PM.Model, PROV.Entity, label=name).close()
