"""What clinicians call things, and what cordax makes of it: the one home of such words.

``CONDITIONS``, ``TREATMENTS``, ``SITES``, ``METHODS`` and ``ROLES`` each understand a
typed word: as a name, as another word for a name, as something that the model lacks, as
a word that asks for a choice, or as a misspelling. Loads no JAX.
"""

from cordax.vocabulary.conditions import CONDITIONS as CONDITIONS
from cordax.vocabulary.matching import (
    Meaning as Meaning,
)
from cordax.vocabulary.matching import (
    Term as Term,
)
from cordax.vocabulary.matching import (
    Vocabulary as Vocabulary,
)
from cordax.vocabulary.matching import (
    nearest_keys as nearest_keys,
)
from cordax.vocabulary.measuring import METHODS as METHODS
from cordax.vocabulary.measuring import ROLES as ROLES
from cordax.vocabulary.measuring import SITES as SITES
from cordax.vocabulary.treatments import TREATMENTS as TREATMENTS
