"""IRIs as people read them."""

import re
from typing import Final

from pressmark.ontology.terms import PREFIXES

_MINTED: Final = re.compile(r"urn:uuid:[0-9a-f-]{28}([0-9a-f]{8})")
_CONTENT: Final = re.compile(r"(ni:///sha-256;[\w-]{8})[\w-]{35}")


def short_iri(iri: str) -> str:
    """An IRI as people read it: a prefix, or the digits that tell a UUID from its neighbours.

    ``urn:uuid:01a21317-f315-7692-a2ab-66775f3a613d#usage-0`` is ``5f3a613d#usage-0``: the digits
    that every command takes for a name.
    """
    for prefix, namespace in PREFIXES.items():
        if iri.startswith(namespace):
            return f"{prefix}:{iri.removeprefix(namespace)}"
    return _CONTENT.sub(r"\1…", _MINTED.sub(r"\1", iri))
