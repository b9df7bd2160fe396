"""What happens to artifacts besides being made: registered, named, tagged, retired.

Each is a recorded activity of its own. Nothing is overwritten: an alias means what was said last
about it, by the journal's order, and a retired artifact keeps its record.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyoxigraph import Literal, NamedNode

from pressmark.ontology.terms import PM
from pressmark.registry import activities
from pressmark.registry.descriptions import FileEntry
from pressmark.registry.errors import ConflictError, InvalidInputError, NotFoundError
from pressmark.registry.facts import short_id, summaries
from pressmark.registry.folders import list_files
from pressmark.registry.ids import new_iri, utc_now
from pressmark.registry.occurrences import (
    Circumstances,
    ExternalParent,
    NewArtifact,
    Occurrence,
    joint_license,
)
from pressmark.registry.registry import Registry
from pressmark.registry.search import alike, path_on_disk, resolve

#: What an alias or a tag looks like; it is nothing that could be part of a UUID or digest.
NAME_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}"
_NAME: Final = re.compile(NAME_PATTERN)
_LOOKS_LIKE_UUID_OR_DIGEST: Final = re.compile(r"[0-9a-f-]{4,}", re.I)
_IDENTIFIES: Final = re.compile(r"(urn|ni|sha256):.*|[0-9a-f-]{4,}", re.I | re.S)


@dataclass(frozen=True)
class AliasChange:
    """A time at which an alias began to mean an artifact.

    Attributes:
        alias: The alias.
        artifact: What it meant from then on.
        name: That artifact's name.
        since: When.
        agent: Opaque identifier of whoever decided it.
        activity: The promotion that says so.
    """

    alias: str
    artifact: NamedNode
    name: str
    since: str
    agent: str
    activity: NamedNode


@dataclass(frozen=True)
class Registration:
    """An artifact made elsewhere, and what its maker says about it.

    Attributes:
        path: The file or folder.
        name: The artifact's name.
        parents: What it was made from: any name of an artifact here, or the name of one that is
            not known here. Naming one twice says no more than naming it once.
        license: SPDX identifier; None for the joint licence of the parents that are known here.
        source: Where it can be found.
        kind: What it is, such as ``PM.PrunedModel``.
    """

    path: Path
    name: str
    parents: tuple[str, ...] = ()
    license: str | None = None
    source: str | None = None
    kind: NamedNode = PM.FineTunedModel


def register(
    registry: Registry,
    claim: Registration,
    circumstances: Circumstances,
    *,
    paths: bool = True,
    iri: NamedNode | None = None,
) -> NamedNode:
    """Stores an artifact that was made elsewhere, with the parents that its maker declares.

    The edges have the origin "declared": nobody here has seen the step. A parent that is not known
    becomes an external artifact, known by name only.

    Args:
        registry: Where it is stored.
        claim: The artifact and what is said of it.
        circumstances: By whom and where.
        paths: Whether a parent may be named by a path on this machine's disk.
        iri: What the artifact is to be called; a new UUID by default.

    Raises:
        NotFoundError: There is nothing at the path.
            Or a parent is meant by a UUID, a digest or a path of this machine, and is not known.
        InvalidInputError: It holds no file, or a link that leads out of it; or a parent is retired
            or has no name.
        AmbiguousNameError: A parent's name fits several artifacts.
    """
    _refuse_bad_name(claim.name, "an artifact's name")
    found = list_files(claim.path)
    parents = dict(_parent(registry, name, paths) for name in dict.fromkeys(claim.parents))
    began = utc_now()
    with registry.blobs.lease():
        entries = tuple(_store(registry, found))
        activity = Occurrence(
            iri=new_iri(), started_at=began, ended_at=utc_now(), circumstances=circumstances
        )
        artifact = NewArtifact(
            iri=iri or new_iri(),
            kind=claim.kind,
            name=claim.name,
            files=entries,
            generated_at=activity.ended_at,
            license=claim.license or _inherited(registry, parents),
            parents=tuple(parents),
            imported_from=claim.source,
        )
        external = tuple(parent for parent in parents.values() if parent is not None)
        registry.commit(activities.registration(activity, artifact, external=external))
    return artifact.iri


def _parent(registry: Registry, name: str, paths: bool) -> tuple[NamedNode, ExternalParent | None]:
    """A parent that is known, or a newly minted one that is known by this name only."""
    if not name.strip():
        raise InvalidInputError("a parent has an empty name", "leave it out if it is not known")
    try:
        iri = resolve(registry, name, paths=paths)
    except NotFoundError:
        if _IDENTIFIES.fullmatch(name) or (paths and path_on_disk(name)):
            raise  # it means something that should be here, and is no name to be known by
        iri = new_iri()
        return iri, ExternalParent(iri, name)
    refuse_retired(registry, iri, "nothing new can be made from it")
    return iri, None


def _inherited(registry: Registry, parents: Iterable[NamedNode]) -> str:
    """The joint licence of those parents that are known."""
    known = summaries(registry, parents).values()
    return joint_license(one.license for one in known if one.license)


def _store(registry: Registry, found: dict[str, Path]) -> Iterator[FileEntry]:
    with registry.blobs.batch():
        for name, path in found.items():
            digest = registry.blobs.put_file(path)
            yield FileEntry(name, digest, registry.blobs.size(digest))


def set_alias(
    registry: Registry, alias: str, artifact: NamedNode, circumstances: Circumstances
) -> None:
    """Lets an alias such as "prod" mean an artifact from now on.

    Raises:
        InvalidInputError: The alias could be taken for a UUID or a digest, or has odd characters.
        ConflictError: The artifact is retired.
        NotFoundError: There is no such artifact.
    """
    _refuse_bad_name(alias, "an alias")
    with registry.writing():
        _refuse_unknown(registry, artifact)
        refuse_retired(registry, artifact, f"'{alias}' cannot mean it")
        activity = _moment(circumstances)
        registry.commit(
            activities.promotion(activity, assignment=new_iri(), alias=alias, artifact=artifact)
        )


def aliases(registry: Registry) -> dict[str, NamedNode]:
    """What each alias means now."""
    return {
        row["alias"].value: NamedNode(row["artifact"].value) for row in registry.rows("aliases")
    }


def alias_history(registry: Registry, alias: str) -> list[AliasChange]:
    """What an alias meant, newest first: the first entry holds now.

    Raises:
        NotFoundError: There is no such alias.
    """
    rows = registry.rows("alias_history", alias=Literal(alias))
    if not rows:
        known = sorted(aliases(registry))
        hint = alike(alias, known) or f"there are: {', '.join(known) or 'none'}"
        raise NotFoundError(f"there is no alias '{alias}'", hint)
    return [
        AliasChange(
            alias=alias,
            artifact=NamedNode(row["artifact"].value),
            name=row["name"].value,
            since=row["since"].value,
            agent=row["agentId"].value if "agentId" in row else "",
            activity=NamedNode(row["activity"].value),
        )
        for row in rows
    ]


def set_tag(
    registry: Registry,
    tag: str,
    artifact: NamedNode,
    circumstances: Circumstances,
    *,
    remove: bool = False,
) -> None:
    """Puts a tag on an artifact, or takes it off.

    Raises:
        InvalidInputError: The tag has odd characters, or the artifact is retired.
        NotFoundError: There is no such artifact, or it does not have the tag to be taken off.
    """
    _refuse_bad_name(tag, "a tag")
    with registry.writing():
        _refuse_unknown(registry, artifact)
        refuse_retired(registry, artifact, "its tags stay as they are")
        if remove and not registry.rows("tags", artifact=artifact, tag=Literal(tag)):
            message = f"{artifact.value} has no tag '{tag}'"
            raise NotFoundError(message, "pressmark show lists its tags")
        activity = _moment(circumstances)
        registry.commit(
            activities.tagging(
                activity, assignment=new_iri(), tag=tag, artifact=artifact, removed=remove
            )
        )


def retire(
    registry: Registry,
    artifact: NamedNode,
    reason: str,
    circumstances: Circumstances,
    *,
    force: bool = False,
) -> None:
    """Withdraws an artifact: its record stays, its bytes may be freed by `gc`.

    Args:
        registry: Where it is.
        artifact: What is withdrawn.
        reason: Why, for those who still find it somewhere.
        circumstances: By whom and where.
        force: Withdraw it even if an alias means it.

    Raises:
        ConflictError: It is retired already, or an alias means it.
        InvalidInputError: No reason is given.
        NotFoundError: There is no such artifact.
    """
    if not reason.strip():
        raise InvalidInputError("a retirement needs a reason", "say why: --reason TEXT")
    with registry.writing():
        _refuse_unknown(registry, artifact)
        refuse_retired(registry, artifact, "it cannot be retired again")
        meant = [row["alias"].value for row in registry.rows("aliases", artifact=artifact)]
        if meant and not force:
            raise ConflictError(
                f"{artifact.value} is what {', '.join(meant)} means",
                "move the alias first, or retire it with --force",
            )
        registry.commit(
            activities.retirement(_moment(circumstances), artifact=artifact, reason=reason.strip())
        )


def _refuse_unknown(registry: Registry, artifact: NamedNode) -> None:
    if not summaries(registry, [artifact]):
        raise NotFoundError(
            f"there is no artifact {artifact.value} here", "pressmark ls lists the artifacts"
        )


def refuse_retired(registry: Registry, artifact: NamedNode, so: str) -> None:
    """Refuses an artifact that was retired: nothing more is recorded about it.

    Args:
        registry: Where it is.
        artifact: The artifact.
        so: What therefore cannot be, such as "it cannot be evaluated".

    Raises:
        ConflictError: It is retired.
    """
    if registry.rows("retirements", artifact=artifact):
        name = summaries(registry, [artifact])[artifact].name
        raise ConflictError(
            f"{name} {short_id(artifact)} is retired, so {so}",
            "choose a live artifact: pressmark ls",
        )


def _moment(circumstances: Circumstances) -> Occurrence:
    """An activity that takes no time to speak of."""
    now = utc_now()
    return Occurrence(iri=new_iri(), started_at=now, ended_at=now, circumstances=circumstances)


def _refuse_bad_name(name: str, what: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            f"'{name}' cannot be {what}",
            "use letters, digits, '.', '_', '-' and '/', beginning with a letter or digit",
        )
    if _LOOKS_LIKE_UUID_OR_DIGEST.fullmatch(name):
        raise InvalidInputError(
            f"'{name}' could be taken for part of a UUID or digest, so it cannot be {what}",
            "add a letter after f, such as 'v' in front",
        )
