# SPDX-License-Identifier: MIT
"""Rules that ask for what can never be known here."""

from collections.abc import Iterator, Mapping

from fdbrokerd.errors import ConfigurationError
from fdbrokerd.model.match import PeerMatch
from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.rules.document import wrong
from fdbrokerd.rules.mistakes import Mistakes


def check_determined(
    ruleset: Ruleset, admins: PeerMatch | None, undeterminable: Mapping[str, str]
) -> None:
    """Raise a ConfigurationError for every rule with a key that cannot be determined."""
    mistakes = Mistakes()
    for rule in ruleset.rules:
        for key in _keys(rule.peer):
            if key in undeterminable:
                message = f"{rule.id}: {key} cannot be determined here: {undeterminable[key]}"
                mistakes.add(wrong(message, rule.place))
    for key in _keys(admins) if admins is not None else ():
        if key in undeterminable:
            message = f"admins: {key} cannot be determined here: {undeterminable[key]}"
            mistakes.add(ConfigurationError(message))
    mistakes.check()


def _keys(match: PeerMatch) -> Iterator[str]:
    for one in match.everywhere():
        for fact in one.facts:
            yield fact.key
