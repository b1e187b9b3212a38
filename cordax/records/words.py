"""The words of a record, understood: condition, sex, site, method and role.

What is taken for another word is said; what the model lacks is refused with what it
has, and never answered with the name that happens to be spelled alike.
"""

from typing import TYPE_CHECKING, Any

from cordax import vocabulary
from cordax.vocabulary import Meaning, Vocabulary

if TYPE_CHECKING:
    from cordax.records.reader import Reader

_NAMES = ", ".join(vocabulary.CONDITIONS)
_SEX = {
    "male": ("m", "man", "men", "boy"),
    "female": ("f", "w", "woman", "women", "girl"),
}


def condition_words(reader: "Reader", typed: list[str]) -> tuple[str, ...]:
    """The names of the conditions typed; what is not understood goes to ``reader``."""
    found: dict[str, None] = {}
    for word in typed:
        meaning = vocabulary.CONDITIONS.understand(word)
        if meaning.understood:
            found[meaning.names[0]] = None
        if meaning.kind != "name":
            _say_condition(reader, word, meaning)
    return tuple(found)


def _say_condition(reader: "Reader", word: str, meaning: Meaning) -> None:
    head = f"condition {word!r}"
    if meaning.kind == "other word":
        name = meaning.names[0]
        message, fix = f"{head}: taken as {name}", f'Type "{name}" to say so.'
        reader.say("patient", "condition", message, fix, "warning")
        return
    if meaning.kind == "misspelt":
        message = f"{head} is unknown"
        fix = f"Type condition = {' or '.join(map(_quoted, meaning.names))}."
    elif meaning.kind == "choice":
        message, fix = f"{head} does not say which circulation", meaning.hint
    elif meaning.term == "children":
        message, fix = f"{head}: children are not modelled", meaning.hint
    elif meaning.kind == "not modelled":
        message = f"{head}: {meaning.term} is not modelled; modelled are {_NAMES}"
        fix = f"{meaning.hint} {_keep(word)}: the heart is calibrated without it."
    elif meaning.kind == "doubt":
        message = f"{head} does not say what is there now; it may be {_NAMES}"
        fix = f"{_keep(word)}."
    else:
        message, fix = _several(head, word)
    reader.say("patient", "condition", message, fix.strip())


def _quoted(name: str) -> str:
    return f'"{name}"'


def _keep(word: str) -> str:
    return f'Remove it, and keep it as note = "{word}"'


def _several(head: str, word: str) -> tuple[str, str]:
    """Message and fix for a text that is no single word: what is known of it."""
    parts = vocabulary.CONDITIONS.parts(word)
    names = dict.fromkeys(m.names[0] for _, m in parts if m.understood)
    if not parts:
        return f"{head} is unknown; it may be {_NAMES}", (
            f"Type one of these. Or: {_keep(word)}."
        )
    told = [f"{phrase!r} {_told(meaning)}" for phrase, meaning in parts]
    if any(m.term == "children" for _, m in parts):
        return f"{head}: children are not modelled", "Only adults are modelled."
    fix = f"{_keep(word)}."
    if names:
        rest = "" if all(m.understood for _, m in parts) else f', and note = "{word}"'
        fix = f"Type condition = [{', '.join(map(_quoted, names))}]{rest}."
    return f"{head} is more than one word: {'; '.join(told)}", fix


def _told(meaning: Meaning) -> str:
    if meaning.understood:
        return f"is {meaning.names[0]}"
    if meaning.kind == "not modelled":
        return f"({meaning.term}) is not modelled"
    if meaning.kind == "choice":
        return f"does not say which ({meaning.hint.rstrip('.')})"
    if meaning.kind == "misspelt":
        return f"may be {' or '.join(meaning.names)}"
    return "is not known"


def typed_name(reader: "Reader", key: str, value: Any, words: Vocabulary) -> str:
    """The name that a word of [measurements] stands for; "" where for none."""
    meaning = words.understand(value) if isinstance(value, str) else Meaning("unknown")
    if meaning.kind == "other word":
        message = f"{key} = {value!r}: taken as {meaning.names[0]}"
        fix = f'Type {key} = "{meaning.names[0]}" to say so.'
        reader.say("measurements", key, message, fix, "warning")
    if meaning.understood:
        return meaning.names[0]
    message = f"{key} = {value!r}; it may be {', '.join(words)}"
    fix = f"Type one of {', '.join(map(_quoted, words))}."
    if words is not vocabulary.SITES:  # where nothing is said a cuff is assumed
        fix = fix[:-1] + ", or leave the line out."
    if meaning.kind == "misspelt":
        fix = f"Type {key} = {' or '.join(map(_quoted, meaning.names))}."
    elif meaning.kind == "choice":
        fix = meaning.hint
    elif meaning.kind == "not modelled":
        message = f"{key} = {value!r}: {meaning.term} is no {words.what} known here"
        message += f"; it may be {', '.join(words)}"
        fix = meaning.hint or fix
    reader.say("measurements", key, message, fix)
    return ""


def typed_sex(reader: "Reader", value: str) -> Any:
    """ "male" or "female"; None where it is neither."""
    if value in _SEX:
        return value
    plain = value.strip().lower()
    meant = [sex for sex, words in _SEX.items() if plain == sex or plain in words]
    fix = f'Type sex = "{meant[0]}".' if meant else 'Type "male" or "female".'
    reader.say("patient", "sex", f"sex = {value!r}", fix)
    return None
