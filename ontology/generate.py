"""Writes ``terms.py`` and ``context.jsonld`` from ``pressmark.ttl``.

Run it after each change of the vocabulary::

    python -m pressmark.ontology.generate

A test holds the files equal to what this module would write.
"""

import json
from collections.abc import Iterable, Mapping
from keyword import iskeyword
from pathlib import Path
from typing import Final

from pyoxigraph import Literal, NamedNode, RdfFormat, Store

from pressmark.ontology import vocabulary

PREFIXES: Final[Mapping[str, str]] = {
    "pm": "https://w3id.org/pressmark/ns#",
    "prov": "http://www.w3.org/ns/prov#",
    "pplan": "http://purl.org/net/p-plan#",
    "mls": "http://www.w3.org/ns/mls#",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcterms": "http://purl.org/dc/terms/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "sh": "http://www.w3.org/ns/shacl#",
}
_NOT_IN_RECORDS: Final = frozenset({"xsd", "sh"})
_LABEL: Final = PREFIXES["rdfs"] + "label"
_DEFINITIONS: Final = (
    "http://www.w3.org/2004/02/skos/core#definition",
    PREFIXES["rdfs"] + "comment",
)

_HEADER: Final = '''"""Every IRI that Pressmark writes or asks for, as a constant.

Generated from ``pressmark.ttl`` by ``python -m pressmark.ontology.generate``: do not edit.
The classes are closed: a misspelt term fails when mypy runs and when its module is imported.
"""
# ruff: noqa: E501, N815

from collections.abc import Mapping
from typing import Final

from pyoxigraph import NamedNode as _Node
'''


def load() -> Store:
    """Parse the vocabulary into a store."""
    store = Store()
    store.load(vocabulary(), format=RdfFormat.TURTLE)
    return store


def terms(store: Store) -> dict[str, list[str]]:
    """List the local names of all terms that have a label, by prefix, sorted."""
    labelled = {
        quad.subject.value
        for quad in store.quads_for_pattern(None, NamedNode(_LABEL), None)
        if isinstance(quad.subject, NamedNode)
    }
    return {
        prefix: sorted(iri.removeprefix(base) for iri in labelled if iri.startswith(base))
        for prefix, base in PREFIXES.items()
    }


def definition(store: Store, iri: str) -> str:
    """Give a term's definition, or "" where it has none."""
    for predicate in _DEFINITIONS:
        for quad in store.quads_for_pattern(NamedNode(iri), NamedNode(predicate), None):
            assert isinstance(quad.object, Literal)
            return quad.object.value
    return ""


def _class_lines(store: Store, prefix: str, names: Iterable[str]) -> Iterable[str]:
    base = PREFIXES[prefix]
    yield f"\n\nclass {prefix.upper()}:"
    yield f'    """The terms of <{base}> that are used here."""\n'
    yield f'    NAMESPACE: Final = "{base}"\n'
    for name in names:
        constant = f"{name}_" if iskeyword(name) else name
        yield f'    {constant}: Final = _Node("{base}{name}")'
        if prefix == "pm":  # the other vocabularies are documented where they were published
            yield f'    """{definition(store, base + name)}"""'


def terms_module(store: Store) -> str:
    """Write the text of ``terms.py``."""
    lines = [_HEADER.rstrip()]
    for prefix, names in terms(store).items():
        lines.extend(_class_lines(store, prefix, names))
    lines.append("\n\nPREFIXES: Final[Mapping[str, str]] = {")
    lines.extend(f'    "{prefix}": {prefix.upper()}.NAMESPACE,' for prefix in PREFIXES)
    lines.append('}\n"""The prefixes of all vocabularies, as queries and reports write them."""')
    return "\n".join(lines) + "\n"


def _range(store: Store, iri: str) -> str | None:
    """Tell how JSON-LD should read a property's values: "@id", a datatype, or as they are."""
    kinds = {quad.object for quad in store.quads_for_pattern(NamedNode(iri), None, None)}
    if NamedNode("http://www.w3.org/2002/07/owl#ObjectProperty") in kinds:
        return "@id"
    predicate = NamedNode(PREFIXES["rdfs"] + "range")
    for quad in store.quads_for_pattern(NamedNode(iri), predicate, None):
        assert isinstance(quad.object, NamedNode)
        return quad.object.value
    return None


def json_ld_context(store: Store) -> str:
    """Write the text of ``context.jsonld``: terms of ours bare, terms of others with a prefix."""
    entries: dict[str, object] = {"@version": 1.1, **PREFIXES, "id": "@id", "type": "@type"}
    for prefix, names in terms(store).items():
        for name in names if prefix not in _NOT_IN_RECORDS else ():
            iri = PREFIXES[prefix] + name
            kind = _range(store, iri)
            key = name if prefix == "pm" else f"{prefix}:{name}"
            entries[key] = {"@id": iri, "@type": kind} if kind else {"@id": iri}
    return json.dumps({"@context": entries}, indent=1) + "\n"


def main() -> None:
    """Write both files beside the vocabulary."""
    store, folder = load(), Path(__file__).parent
    folder.joinpath("terms.py").write_text(terms_module(store), encoding="utf-8")
    folder.joinpath("context.jsonld").write_text(json_ld_context(store), encoding="utf-8")


if __name__ == "__main__":
    main()
