"""Canonical bytes, identifiers, shared descriptions, records made elsewhere."""

import hashlib
import json
import socket
import uuid
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import Literal, NamedNode, Quad, RdfFormat, Store, parse

from pressmark.ontology.terms import PM, RDF, XSD
from pressmark.registry import descriptions, ids
from pressmark.registry.descriptions import FileEntry, description_digest
from pressmark.registry.errors import InvalidInputError
from pressmark.registry.record import (
    RecordBuilder,
    canonical_nquads,
    is_canonical,
    moment,
    record_from_rdf,
)
from pressmark.registry.registry import Registry

GRAPH = NamedNode("urn:uuid:g")
NODES = st.sampled_from([NamedNode(f"urn:uuid:{name}") for name in "abc"])
LITERALS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(Literal),
    st.integers(-(2**62), 2**62).map(Literal),
    st.floats().map(Literal),
    st.booleans().map(Literal),
    st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC)).map(
        lambda time: moment(ids.format_time(time))
    ),
)
QUADS = st.lists(st.builds(Quad, NODES, NODES, st.one_of(NODES, LITERALS), st.just(GRAPH)))


FORMS = (
    "<urn:c>",
    *('"text"', '"line\\nbreak"', '"\\u0041"', '"é"', '"\\u00E9"', '"text"@en', '"text"@EN'),
    *(f'"{text}"^^<{XSD.NAMESPACE}string>' for text in ("a", "1")),
    *(f'"{text}"^^<{XSD.NAMESPACE}integer>' for text in ("1", "01", "+1", "-0", "9" * 19)),
    *(f'"{text}"^^<{XSD.NAMESPACE}double>' for text in ("1", "1.0", "1.5", "1E3", "INF", "NaN")),
    *(f'"{text}"^^<{XSD.NAMESPACE}boolean>' for text in ("true", "1", "yes")),
    *(
        f'"2026-01-01T00:00:00{text}"^^<{XSD.NAMESPACE}dateTime>'
        for text in ("Z", ".5Z", ".50Z", "+00:00", "+01:00", "")
    ),
)


@given(QUADS)
def test_canonical_bytes_are_stable_under_storing_again(quads) -> None:
    once = canonical_nquads(quads)
    assert canonical_nquads(parse(once, format=RdfFormat.N_QUADS)) == once
    assert once.splitlines() == sorted(once.splitlines())


@given(st.permutations(FORMS).map(lambda forms: forms[:4]), st.booleans(), st.booleans())
def test_only_canonical_bytes_are_told_to_be_canonical(forms, in_order, doubled) -> None:
    lines = [f"<urn:a> <urn:b> {form} <urn:g> .\n".encode() for form in forms]
    lines = sorted(lines) if in_order else lines
    nquads = b"".join(lines + lines[-1:] if doubled else lines)
    quads = list(parse(nquads, format=RdfFormat.N_QUADS))
    assert is_canonical(nquads, quads) == (canonical_nquads(quads) == nquads)


@given(QUADS, st.randoms())
def test_canonical_bytes_ignore_order_and_repetition(quads, random) -> None:
    again = quads + quads
    random.shuffle(again)
    assert canonical_nquads(again) == canonical_nquads(quads)


@pytest.mark.parametrize(
    ("given_form", "kept"),
    [
        ('"1.0E3"^^<{}double>', '"1000"^^<{}double>'),
        ('"1"^^<{}boolean>', '"true"^^<{}boolean>'),
        ('"2026-01-01T00:00:00.100Z"^^<{}dateTime>', '"2026-01-01T00:00:00.1Z"^^<{}dateTime>'),
    ],
)
def test_the_forms_that_storing_changes_are_changed_before_hashing(given_form, kept) -> None:
    xsd = XSD.NAMESPACE
    line = "<urn:a> <urn:b> {} <urn:g> .\n"
    quads = parse(line.format(given_form.format(xsd)).encode(), format=RdfFormat.N_QUADS)
    assert canonical_nquads(quads).decode() == line.format(kept.format(xsd))


@given(
    st.datetimes(
        min_value=datetime(1900, 1, 1),
        timezones=st.integers(-14, 14).map(lambda h: timezone(timedelta(hours=h))),
    )
)
def test_times_are_written_as_the_store_keeps_them(time) -> None:
    text = ids.format_time(time)
    assert datetime.fromisoformat(text) == time
    assert text.endswith("Z")
    store = Store()
    store.add(Quad(GRAPH, GRAPH, moment(text), GRAPH))
    assert next(iter(store)).object.value == text


def test_names_are_version_7_uuids_in_order() -> None:
    made = [ids.new_uuid() for _ in range(1000)]
    assert {name.version for name in made} == {7}
    assert {name.variant for name in made} == {uuid.RFC_4122}
    assert len(set(made)) == 1000
    now = datetime.now(UTC).timestamp() * 1000
    assert abs((made[-1].int >> 80) - now) < 5_000


def test_ni_iri_is_the_example_of_rfc_6920() -> None:
    digest = hashlib.sha256(b"Hello World!").hexdigest()
    expected = "ni:///sha-256;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk"
    assert ids.ni_iri(digest).value == expected
    assert ids.ni_iri(bytes.fromhex(digest)).value == expected
    with pytest.raises(ValueError, match="32 bytes"):
        ids.ni_iri(b"short")


def test_sha256_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3_000_000)
    assert ids.sha256_file(path) == hashlib.sha256(b"x" * 3_000_000).hexdigest()


def test_a_builder_attaches_files_by_digest(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("done")
    builder = RecordBuilder()
    digest = builder.attach(path)
    builder.add(builder.bundle, RDF.type, PM.Record)
    record = builder.build()
    assert record.files == {digest: path}
    assert record.digest == hashlib.sha256(record.nquads).hexdigest()


@given(st.permutations([FileEntry(name, name * 64, 5) for name in "abcd"]))
def test_a_content_does_not_depend_on_the_order_of_its_files(files) -> None:
    assert descriptions.content(files) == descriptions.content(sorted(files))


def test_a_description_is_named_by_its_statements() -> None:
    """The digest is stated here in plain Python, apart from the code under test."""
    line = descriptions.model_line("gemma")
    lines = sorted(
        [
            f"<> <{RDF.NAMESPACE}type> <{PM.Model.value}> .\n",
            f"<> <{RDF.NAMESPACE}type> <http://www.w3.org/ns/prov#Entity> .\n",
            '<> <http://www.w3.org/2000/01/rdf-schema#label> "gemma" .\n',
        ]
    )
    assert line.iri == ids.ni_iri(hashlib.sha256("".join(lines).encode()).digest())
    assert {quad.graph_name for quad in line.quads} == {line.iri}


def test_the_parts_of_a_description_count_for_its_name() -> None:
    recipe = descriptions.recipe("r", "1" * 64, ["import", "prune/wanda"])
    triples = [(q.subject, q.predicate, q.object) for q in recipe.quads]
    assert ids.ni_iri(description_digest(triples, recipe.iri)) == recipe.iri
    other = descriptions.recipe("r", "1" * 64, ["prune/wanda", "import"])
    assert other.iri != recipe.iri


def test_a_remote_json_ld_context_is_never_fetched(tmp_path: Path) -> None:
    with Registry.create(tmp_path) as registry, socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/context.jsonld"
        document = json.dumps({"@context": url, "@id": "urn:uuid:a", "@graph": []}).encode()
        with pytest.raises(InvalidInputError, match="write the context into the document"):
            registry.commit(record_from_rdf(document, RdfFormat.JSON_LD))
        server.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has called
            server.accept()
        assert len(registry.journal) == 0
        assert list(registry.blobs.digests()) == []


@pytest.mark.parametrize(
    "context",
    [
        '["http://127.0.0.1:9/c.jsonld"]',
        '{"@import": "http://127.0.0.1:9/c.jsonld"}',
        '{"x": {"@id": "urn:x", "@context": "file:///etc/passwd"}}',
    ],
)
def test_a_hidden_remote_context_is_never_fetched(context: str) -> None:
    document = f'{{"@context": {context}, "@id": "urn:uuid:a", "x": {{"urn:y": 1}}}}'
    with pytest.raises(InvalidInputError):
        record_from_rdf(document.encode(), RdfFormat.JSON_LD)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("_:b <urn:p> <urn:o> <urn:uuid:g> .", "blank node"),
        ("<urn:uuid:a> <urn:p> _:b <urn:uuid:g> .", "blank node"),
        ("<urn:uuid:a> <urn:p> <urn:o> _:g .", "blank node"),
        ("<urn:uuid:a> <urn:p> <urn:o> .", "0 graphs"),
        (
            "<urn:uuid:a> <urn:p> <urn:o> <urn:uuid:g> .\n<urn:uuid:a> <urn:p> 'x' <urn:uuid:h> .",
            "2 graphs|not valid",
        ),
        ("<urn:uuid:a> <urn:p>", "not valid"),
        ("", "0 graphs"),
    ],
)
def test_a_foreign_record_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidInputError, match=reason):
        record_from_rdf(text.encode(), RdfFormat.N_QUADS)


def test_a_foreign_record_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(InvalidInputError):
        record_from_rdf(b"<urn:uuid:a> <urn:p> '\xff' <urn:uuid:g> .", RdfFormat.N_QUADS)
