"""What clinicians call things, and what cordax makes of it: the one home of such words.

``CONDITIONS``, ``TREATMENTS``, ``SITES``, ``METHODS`` and ``ROLES`` each understand a
typed word: as a name, as another word for a name, as something that the model lacks, as
a word that asks for a choice, or as a misspelling. Loads no JAX.
"""

from typing import TYPE_CHECKING

from cordax.faces import lazily

if TYPE_CHECKING:
    from cordax.vocabulary.conditions import CONDITIONS
    from cordax.vocabulary.matching import (
        Meaning,
        Term,
        Vocabulary,
        edits,
        letters,
        nearest_keys,
    )
    from cordax.vocabulary.measuring import METHODS, ROLES, SITES
    from cordax.vocabulary.treatments import TREATMENTS

__all__ = [
    "CONDITIONS",
    "METHODS",
    "Meaning",
    "ROLES",
    "SITES",
    "TREATMENTS",
    "Term",
    "Vocabulary",
    "edits",
    "letters",
    "nearest_keys",
]

__getattr__, __dir__ = lazily(__name__)
