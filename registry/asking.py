"""Asking the packaged questions about things by the names that people use for them."""

from collections.abc import Mapping

from pyoxigraph import Literal, NamedNode

from pressmark.ontology import questions
from pressmark.ontology.questions import Question
from pressmark.ontology.terms import PM, PREFIXES
from pressmark.registry import search
from pressmark.registry.errors import InvalidInputError, NotFoundError
from pressmark.registry.facts import Reader


def question(name: str) -> Question:
    """A packaged question.

    Raises:
        NotFoundError: There is none of that name; the hint names one that is spelt alike.
    """
    known = [each.name for each in questions.questions()]
    if name in known:
        return questions.question(name)
    raise NotFoundError(
        f"there is no question '{name}'",
        search.alike(name, known) or "pressmark query lists the questions",
    )


def bound(reader: Reader, asked: Question, values: Mapping[str, str], *, paths: bool = True) -> str:
    """The SPARQL text of a question about certain things.

    Args:
        reader: The registry.
        asked: The question.
        values: What to ask about, by parameter: an IRI, a short IRI such as ``pm:PrunedModel``, or
            any name that the thing has here. Parameters that are left out may be anything.
        paths: Whether a path on this machine's disk is a name.

    Raises:
        InvalidInputError: The question has no such parameter, or a value is no IRI.
        NotFoundError: Nothing has that name.
        AmbiguousNameError: Several things have it.
    """
    known = dict(asked.parameters)
    terms: dict[str, NamedNode | Literal] = {}
    for name, value in values.items():
        if name not in known:
            raise InvalidInputError(
                f"the question {asked.name} has no parameter '{name}'",
                f"it has: {', '.join(f'{k} ({v})' for k, v in known.items()) or 'none'}",
            )
        is_iri = known[name].startswith("IRI")
        terms[name] = _named(reader, name, value, paths) if is_iri else Literal(value)
    return asked.bind(**terms)


def _named(reader: Reader, parameter: str, value: str, paths: bool) -> NamedNode:
    """An IRI as it is, a term of the vocabulary by its short name, or what a name means."""
    prefix, _, local = value.partition(":")
    if prefix in PREFIXES:
        return _iri(PREFIXES[prefix] + local)
    if value.startswith(("urn:uuid:", "ni:///")) and not value.endswith("…"):
        return _iri(value)
    if parameter == "run":
        return search.resolve_run(reader, value)
    if parameter == "dataset":
        return search.resolve_description(reader, value, PM.DataSet, paths=paths)
    try:
        return search.resolve(reader, value, paths=paths)
    except NotFoundError as error:
        if parameter == "thing":
            return search.resolve_description(reader, value, paths=paths)
        hint = f"{error.hint}; or give an IRI" if error.hint else "give an IRI"
        raise NotFoundError(error.message, hint) from None


def _iri(text: str) -> NamedNode:
    try:
        return NamedNode(text)
    except ValueError as error:
        raise InvalidInputError(f"{text!r} is no IRI: {error}", "give a name or an IRI") from None
