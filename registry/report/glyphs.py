"""Which characters the PDF's fonts can show, and what stands for the others.

The fonts that are built into Typst cover Latin, Greek, Cyrillic and signs. PDF/A refuses text that
no font can show, and some mixtures of right-to-left letters end the typesetter (typst 0.15), so
that only characters that are known to be set reach it; a test sets every one of them. HTML,
Markdown and JSON-LD show all characters.
"""

import re
import unicodedata
from typing import Final

_SET: Final = re.compile(
    "[\n\t\x20-\x7e\xa0-\xac\xae-\u02af\u0370-\u04ff\u1e00-\u1fff\u2010-\u2027\u2030-\u2040"
    "\u2070-\u20bf\u2190-\u23ff\u2500-\u25ff\u2713\u2717\ufffd]"
)


def shown(text: str) -> str:
    """The text with what the fonts cannot show written as code points, such as "[U+6F22]"."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(one if is_shown(one) else f"[U+{ord(one):04X}]" for one in composed)


def is_shown(character: str) -> bool:
    """Whether the PDF's fonts show a character."""
    if not _SET.match(character):
        return False
    return character in "\n\t" or unicodedata.category(character)[0] not in "CM"
