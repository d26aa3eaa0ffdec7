"""Letters of BIDS: a to z and digits, which names in other letters are written in."""

from __future__ import annotations

import re
import unicodedata

NO_LETTERS = re.compile(r"[^a-zA-Z0-9]")
WITHOUT_PARTS = str.maketrans(
    {"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D",
     "ð": "d", "Ð": "D", "þ": "th", "Þ": "TH", "ħ": "h", "Ħ": "H", "ı": "i", "ĸ": "k", "ŋ": "n", "Ŋ": "N", "ŧ": "t", "Ŧ": "T"}
)  # fmt: skip


def in_latin(text: str) -> str:
    """Return a text without accents, as Muller for Müller; other scripts than Latin stay."""
    parts = unicodedata.normalize("NFKD", text.translate(WITHOUT_PARTS))
    return "".join(one for one in parts if not unicodedata.combining(one))


def label_of(name: str) -> str:
    """Return the letters and digits of a name as BIDS takes them; what is none is left out."""
    return NO_LETTERS.sub("", in_latin(name))


def strange_letters(name: str) -> str:
    """Return the letters and digits of a name that BIDS has not, each once."""
    others = (one for one in in_latin(name) if not one.isascii() and unicodedata.category(one)[0] in "LN")
    return "".join(dict.fromkeys(others))
