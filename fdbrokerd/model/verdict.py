# SPDX-License-Identifier: MIT
"""What the rules say."""

from msgspec import Struct

from fdbrokerd.model.rule import Rule


class Verdict(Struct, frozen=True):
    """The answer of the rules to one request.

    `allows` are the rules that allow it, `denies` those that deny it. One allow and no deny is
    needed; with neither, nothing was said and it is refused.
    """

    allows: tuple[Rule, ...] = ()
    denies: tuple[Rule, ...] = ()

    @property
    def allowed(self) -> bool:
        """Tell whether the request is granted."""
        return bool(self.allows) and not self.denies

    @property
    def counted(self) -> bool:
        """Tell whether each rule that allows it has a limit, so that it must be counted."""
        return all(rule.limit is not None for rule in self.allows)

    @property
    def rule_ids(self) -> tuple[str, ...]:
        """Return the ids of the rules that made the verdict."""
        return tuple(rule.id for rule in (self.denies or self.allows))

    @property
    def hint(self) -> str | None:
        """Return what an administrator wants the peer to read with the denial."""
        return next((rule.hint for rule in self.denies if rule.hint), None)
