# SPDX-License-Identifier: MIT
"""Resources that this daemon cannot open, by what it may do and see.

A warning where an undeterminable key is a mistake: a request that cannot be served fails by itself
and says so, while a rule that cannot be judged would be wrong for ever.
"""

from fdbrokerd.errors import ConfigurationError
from fdbrokerd.kinds.obstacle import obstacles
from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.rules.document import wrong


def impossible(ruleset: Ruleset) -> tuple[ConfigurationError, ...]:
    """Return a warning, with its place, for all that keeps this process from opening them."""
    return tuple(
        wrong(f"{resource.name}: {obstacle}", resource.place)
        for resource in ruleset.resources.values()
        for obstacle in obstacles(resource.spec)
    )
