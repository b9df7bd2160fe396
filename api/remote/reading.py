"""Reading from a registry behind a server."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from pyoxigraph import (
    NamedNode,
    QueryBoolean,
    QueryResultsFormat,
    QuerySolutions,
    RdfFormat,
    Triple,
    parse,
    parse_query_results,
)

from pressmark import ontology
from pressmark.api.client import Reading, Wanted
from pressmark.api.remote.connection import PATIENT, Connection
from pressmark.api.remote.download import download
from pressmark.ontology.questions import Value, bind
from pressmark.registry import asking, search, transfer, views
from pressmark.registry.diff import Difference
from pressmark.registry.facts import ArtifactSummary
from pressmark.registry.graph import Answer, Row
from pressmark.registry.lifecycle import AliasChange
from pressmark.registry.lineage import Edge, Lineage, Node
from pressmark.registry.lineage_page import LineagePage
from pressmark.registry.progress import Progress
from pressmark.registry.report.model import Report
from pressmark.registry.verification import Verification
from pressmark.registry.views import ArtifactView, HeadView, WhereView

#: What can stand in an address as it is, and cannot be taken for something else there.
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")
#: As many artifacts as a route gives at once.
_PAGE: Final = 500
_MANY: Final = 100
_LINEAGE_PAGE: Final = 1000
_JSON: Final = "application/sparql-results+json"
_TRIPLES: Final = "application/n-triples"
_QUERY: Final = {"Content-Type": "application/sparql-query"}


class RemoteReader:
    """Answers packaged queries through a server's SPARQL endpoint; see `facts.Reader`.

    So what is looked up by several queries, such as a file on this machine's disk, is looked up by
    the same code wherever the registry is.

    Args:
        connection: The server.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, query_name: str, **parameters: Value) -> list[Row]:
        """Runs a packaged query; see `pressmark.registry.registry.Registry.rows`."""
        answer = self.sparql(bind(ontology.query(query_name), **parameters))
        assert isinstance(answer, list)
        return [row for row in answer if not isinstance(row, Triple)]

    def sparql(self, text: str) -> Answer:
        """The answer to a query; see `pressmark.registry.graph.GraphReader.query`."""
        kind, body = self.asked(text, f"{_JSON}, {_TRIPLES};q=0.9")
        if kind == _TRIPLES:
            return [quad.triple for quad in parse(body, format=RdfFormat.N_TRIPLES)]
        found = parse_query_results(body, format=QueryResultsFormat.JSON)
        if isinstance(found, QueryBoolean):
            return bool(found)
        assert isinstance(found, QuerySolutions)
        names = [variable.value for variable in found.variables]
        return [_row(names, solution) for solution in found]

    def asked(self, text: str, accept: str) -> tuple[str, bytes]:
        """The answer as it was sent, with its media type."""
        found = self._connection.answer(
            "POST",
            "/sparql",
            repeatable=True,
            content=text.encode(),
            headers={**_QUERY, "Accept": accept},
        )
        return found.headers.get("content-type", "").partition(";")[0], found.content


def _row(names: Sequence[str], solution: object) -> Row:
    values = ((name, solution[name]) for name in names)  # type: ignore[index]
    return {name: value for name, value in values if value is not None}


class RemoteReading(Reading):
    """Reading from a registry behind a server.

    Args:
        connection: The server.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.reader = RemoteReader(connection)

    def names(self) -> list[str]:
        return [row["name"].value for row in self.reader.rows("artifact_names")]

    def resolve(self, artifact: str) -> NamedNode:
        return self.view(artifact).iri if self._is_plain(artifact) else self._resolved(artifact)

    def find(self, wanted: Wanted) -> list[ArtifactSummary]:
        after = self.resolve(wanted.after) if wanted.after else None
        found: list[ArtifactSummary] = []
        while True:
            limit = min(wanted.limit - len(found), _PAGE)
            page = self._page(wanted, limit, after.value if after else None)
            found += page
            if len(page) < _PAGE or len(found) == wanted.limit:
                return found
            after = page[-1].iri

    def runs(self) -> list[Row]:
        return self.reader.rows("run_status")[::-1]

    def view(self, artifact: str) -> ArtifactView:
        return self.connection.get(ArtifactView, self.place(artifact))

    def assurances(self, artifacts: Sequence[NamedNode]) -> Mapping[NamedNode, str]:
        found: dict[NamedNode, str] = {}
        for first in range(0, len(artifacts), _MANY):
            some = [one.value for one in artifacts[first : first + _MANY]]
            listed = self.connection.member(
                list[dict[str, str]], "assurances", "/v1/assurances", artifact=some
            )
            found |= {NamedNode(each["artifact"]): each["label"] for each in listed}
        return found

    def where(self, path: Path) -> WhereView:
        return views.where(self.reader, path)

    def export(self, artifact: str, target: str, progress: Progress) -> list[Path]:
        folder = transfer.export_folder(target)
        found = self.view(artifact)
        named = transfer.export_names(found.iri, found.files)
        download(self.connection, found.iri, named, folder, progress)
        return sorted(folder / name for name in named)

    def lineage(self, artifact: str, *, down: bool = False, depth: int | None = None) -> Lineage:
        place, after = self.place(artifact, "lineage"), None
        nodes: list[Node] = []
        edges: list[Edge] = []
        while True:
            page = self.connection.get(
                LineagePage,
                place,
                direction="descendants" if down else "ancestors",
                depth=depth,
                limit=_LINEAGE_PAGE,
                after=after,
            )
            nodes += page.nodes
            edges += page.edges
            if page.next is None:
                return whole_lineage(page.root, nodes, edges, down=down)
            after = page.next.value

    def difference(self, artifact: str, other: str) -> Difference:
        return self.connection.get(Difference, self.place(artifact, "diff", self.known(other)))

    def report(self, artifact: str) -> Report:
        place = self.place(artifact, "report")
        return self.connection.send(
            Report, "GET", place, params={"format": "json"}, timeout=PATIENT
        )

    def document(self, artifact: str, format: str) -> bytes:  # noqa: A002
        place = self.place(artifact, "report")
        accept = {"Accept": "*/*"}
        given = {"format": format}
        sent = self.connection.answer("GET", place, params=given, headers=accept, timeout=PATIENT)
        return sent.content

    def verification(
        self,
        artifact: str | None,
        *,
        deep: bool,
        head: str | None,
        progress: Progress,  # noqa: ARG002 - the server answers when it is done
    ) -> Verification:
        place = "/v1/verification" if artifact is None else self.place(artifact, "verification")
        given = {"head": head} | ({"deep": str(deep).lower()} if artifact is not None else {})
        return self.connection.send(Verification, "GET", place, params=given, timeout=PATIENT)

    def head(self) -> HeadView:
        return self.connection.get(HeadView, "/v1/head")

    def aliases(self) -> dict[str, NamedNode]:
        listed = self.connection.member(list[dict[str, str]], "aliases", "/v1/aliases")
        return {each["alias"]: NamedNode(each["artifact"]) for each in listed}

    def alias_history(self, alias: str) -> list[AliasChange]:
        place = f"/v1/aliases/{quote(alias)}"
        return self.connection.member(list[AliasChange], "changes", place)

    def question(self, name: str, values: Mapping[str, str]) -> str:
        return asking.bound(self.reader, asking.question(name), values)

    def sparql(self, text: str) -> Answer:
        return self.reader.sparql(text)

    def sparql_as(self, text: str, media_type: str) -> bytes:
        return self.reader.asked(text, media_type)[1]

    # ------------------------------------------------------------------ names and addresses

    def place(self, artifact: str, *more: str) -> str:
        """The path of an artifact's route."""
        parts = (self.known(artifact), *more)
        return "/".join(("/v1/artifacts", *(quote(part, safe=":") for part in parts)))

    def known(self, artifact: str) -> str:
        """A name that means the same on the server: what is a path here means nothing there."""
        return artifact if self._is_plain(artifact) else self._resolved(artifact).value

    def _is_plain(self, name: str) -> bool:
        return _PLAIN.fullmatch(name) is not None and search.path_on_disk(name) is None

    def _resolved(self, artifact: str) -> NamedNode:
        return search.resolve(self.reader, artifact)

    def _page(self, wanted: Wanted, limit: int, after: str | None) -> list[ArtifactSummary]:
        return self.connection.member(
            list[ArtifactSummary],
            "artifacts",
            "/v1/artifacts",
            name=wanted.name,
            kind=wanted.kind,
            tag=wanted.tag,
            digest=wanted.digest,
            parameter=wanted.parameter,
            limit=limit,
            after=after,
        )


def whole_lineage(
    root: NamedNode, nodes: Iterable[Node], edges: Iterable[Edge], *, down: bool
) -> Lineage:
    """The pages of a lineage as one, in the order of `pressmark.registry.lineage`."""
    by_depth = sorted(nodes, key=lambda n: (n.depth, n.artifact.sequence or 0, n.iri.value))
    by_name = sorted(
        edges, key=lambda e: (e.child.value, e.parent.value if e.parent else ""), reverse=down
    )
    latest_first = sorted(by_name, key=lambda e: e.sequence, reverse=True)
    return Lineage(root, tuple(by_depth), tuple(latest_first))
