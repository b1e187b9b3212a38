"""How a typed medical word is understood: by its meaning first, by its spelling last.

``atrial_fibrillation`` is spelled much like ``mitral_regurgitation`` and means nothing
of the kind. So a word is looked up among the names, their other words, the words for
what is not modelled and the words that need a choice; only what is nearly one of these,
letter by letter, is a misspelling.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

#: What is said of a disease and does not change which it is; measurements tell it.
_DEGREES = frozenset((
    "severe", "moderate", "mild", "critical", "advanced", "significant", "chronic",
    "acute", "known", "stable", "decompensated", "compensated", "symptomatic",
    "asymptomatic", "degenerative", "calcific", "calcified", "rheumatic", "functional",
    "primary", "secondary", "idiopathic", "isolated", "end", "stage", "grade", "class",
    "nyha", "massive", "large", "small", "trace", "active", "refractory", "ongoing",
    "i", "ii", "iii", "iv", "1", "2", "3", "4",
))  # fmt: skip
_FILLING = frozenset(
    ("patient", "with", "the", "a", "an", "of", "has", "from", "on", "in", "due", "to")
)
#: With these a word does not say that something is there now.
_DOUBTS = frozenset((
    "no", "not", "non", "without", "never", "excluded", "denies", "negative", "free",
    "possible", "suspected", "probable", "query", "rule", "ruled", "risk", "family",
    "history", "previous", "former", "post", "prior", "resolved", "treated", "after",
))  # fmt: skip

Kind = Literal[
    "name", "other word", "choice", "not modelled", "misspelt", "doubt", "unknown"
]


@dataclass(frozen=True)
class Term:
    """Further words for one thing, and what to type or to know instead."""

    words: tuple[str, ...] = ()
    hint: str = ""


@dataclass(frozen=True)
class Meaning:
    """What a typed word means.

    ``names`` holds the name (the nearest ones where the word is misspelt), ``term``
    what is not modelled or needs a choice, ``hint`` what is to be typed then.
    """

    kind: Kind
    names: tuple[str, ...] = ()
    term: str = ""
    hint: str = ""

    @property
    def understood(self) -> bool:
        """Whether the word stands for one name."""
        return self.kind in ("name", "other word")


@dataclass(frozen=True)
class Vocabulary:
    """Words of one kind ("condition").

    ``names`` maps what cordax calls a thing to what else it is called; ``choices`` are
    words that leave open which is meant, or what is typed in other words; ``lacking``
    is known and not modelled. No word may stand twice: ``ValueError`` when first used.
    """

    what: str
    names: Mapping[str, tuple[str, ...]]
    choices: Mapping[str, Term] = field(default_factory=dict)
    lacking: Mapping[str, Term] = field(default_factory=dict)

    def __iter__(self):
        return iter(self.names)

    def __contains__(self, word: object) -> bool:
        return word in self.names

    @cached_property
    def meanings(self) -> dict[str, Meaning]:
        """Every word, as letters only, and what it means."""
        found: dict[str, tuple[str, Meaning]] = {}

        def add(word: str, meaning: Meaning, owner: str) -> None:
            key = letters(word)
            if key in found and found[key][0] != owner:
                raise ValueError(
                    f"The {self.what} word {word!r} means both {found[key][0]!r} and "
                    f"{owner!r}. Leave it to one of them."
                )
            found.setdefault(key, (owner, meaning))

        for name, words in self.names.items():
            add(name, Meaning("name", (name,)), name)
            for word in words:
                add(word, Meaning("other word", (name,)), name)
        groups: tuple[tuple[Kind, Mapping[str, Term]], ...] = (
            ("choice", self.choices),
            ("not modelled", self.lacking),
        )
        for kind, terms in groups:
            for term, about in terms.items():
                for word in (term, *about.words):
                    add(word, Meaning(kind, (), term, about.hint), term)
        return {key: meaning for key, (_, meaning) in found.items()}

    def understand(self, text: str) -> Meaning:
        """What a typed word means; never a guess."""
        found, tokens = self.meanings.get(letters(text)), words_of(text)
        if "?" in text or (found is None and _DOUBTS & set(tokens)):
            return Meaning("doubt")
        if found is not None:
            return found
        bare = [token for token in tokens if token not in _DEGREES]
        core = [token for token in bare if token not in _FILLING]
        found = self.meanings.get("".join(bare)) or self.meanings.get("".join(core))
        if found is not None:
            return Meaning("other word", found.names) if found.names else found
        if any(len(token) < 4 and token in self.meanings for token in tokens):
            return Meaning("unknown")  # "MR", next to what else is typed, is no slip
        for key in ("".join(tokens), "".join(core)):
            found = self._misspelt(key)
            if found.kind != "unknown":
                return found
        return Meaning("unknown")

    def parts(self, text: str) -> list[tuple[str, Meaning]]:
        """What a text lists, "septic shock with AF", each part by itself.

        A part counts as a whole: in "pulmonary venous hypertension" no hypertension is
        found. Empty where the text is one word, or nothing in it is known.
        """
        found: list[tuple[str, Meaning]] = []
        for part in re.split(r"[,;/+&()]", text):
            meaning = self.understand(part)
            pieces = [part]
            if meaning.kind == "unknown":
                pieces = re.split(r"\b(?:and|with|on|plus|under)\b", part)
            found += [(p.strip(), self.understand(p)) for p in pieces if p.strip()]
        known = any(meaning.kind != "unknown" for _, meaning in found)
        return found if known and len(found) > 1 else []

    def _misspelt(self, key: str) -> Meaning:
        most = 0 if len(key) < 5 else 1 if len(key) < 9 else 2
        near: dict[str, int] = {}
        for word, meaning in self.meanings.items() if most else ():
            least = 4 if meaning.kind == "name" else 5  # letters, to be recognised by
            if len(word) < least or abs(len(word) - len(key)) > most:
                continue
            if word[0] != key[0]:
                continue
            near[word] = edits(word, key)
        nearest = min(near.values(), default=most + 1)
        if nearest > most:
            return self._shortened(key)
        found = [self.meanings[word] for word, n in near.items() if n == nearest]
        if all(meaning.names for meaning in found):
            names = dict.fromkeys(name for m in found for name in m.names)
            return Meaning("misspelt", tuple(names))
        return next(meaning for meaning in found if not meaning.names)

    def _shortened(self, key: str) -> Meaning:
        """What a word begins ("mitral regurg"), where all that it begins mean one."""
        if len(key) < 6:
            return Meaning("unknown")
        found = [m for word, m in self.meanings.items() if word.startswith(key)]
        if len({(meaning.names, meaning.term) for meaning in found}) != 1:
            return Meaning("unknown")
        return Meaning("misspelt", found[0].names) if found[0].names else found[0]


def words_of(text: str) -> list[str]:
    """Lower-case words without accents, British spelling written as American."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    plain = plain.lower().replace("ae", "e").replace("oe", "e")
    plain = plain.replace("ised", "ized").replace("isation", "ization")
    return re.findall(r"[a-z0-9]+", plain)


def letters(text: str) -> str:
    """The words of a text run together: "Septic shock" and septic_shock are one."""
    return "".join(words_of(text))


def edits(one: str, other: str) -> int:
    """Letters to change, insert, leave out or exchange with their neighbour.

    Optimal string alignment: Damerau 1964, 10.1145/363958.363994.
    """
    rows = [list(range(len(other) + 1))]
    for i, a in enumerate(one, start=1):
        row = [i]
        for j, b in enumerate(other, start=1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (a != b))
            swapped = i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b
            row.append(min(best, rows[-2][j - 2] + 1) if swapped else best)
        rows.append(row)
    return rows[-1][-1]


def nearest_keys(key: str, known: Iterable[str]) -> list[str]:
    """At most three known keys of which ``key`` is a misspelling or the beginning.

    It is compared word by word, and a short word has to be right:
    ``rv_ejection_fraction`` is no misspelling of ``lv_ejection_fraction``, nor
    ``pulmonary`` of ``aortic``.
    """
    found, known = [], list(known)
    for name in known:
        pairs = list(zip(key.lower().split("_"), name.split("_"), strict=False))
        if key.count("_") != name.count("_"):
            continue
        apart = [edits(a, b) for a, b in pairs]
        allowed = [
            0 if len(b) < 4 and len(a) < 4 else 1 + (len(b) > 7) for a, b in pairs
        ]
        if all(n <= most for n, most in zip(apart, allowed, strict=True)):
            found.append((sum(apart), name))
    begun = [(0, name) for name in known if len(key) > 2 and name.startswith(key)]
    return [name for _, name in sorted(found or begun)[:3]]
