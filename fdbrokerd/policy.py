# SPDX-License-Identifier: MIT
"""The decision: pure and total, from frozen values to a verdict.

- Order never matters: allowed if at least one allow holds and no deny does.
- Nothing fails open: an allow needs true, a deny holds on true or unknown.
- No rules, no grants: the empty ruleset denies everyone, root included.
"""

from fdbrokerd.model.argument import with_holds
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Request
from fdbrokerd.model.rule import Effect, Rule
from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.model.verdict import Verdict


def decide(ruleset: Ruleset, peer: Peer, request: Request) -> Verdict:
    """Return what the rules say of the request. Never raises; an unknown resource is refused."""
    allows: dict[str, Rule] = {}
    denies: dict[str, Rule] = {}
    for rule in ruleset.concerning(request.resource, peer):
        if request.verb not in rule.verbs or not with_holds(rule.arguments, request.arguments):
            continue
        if rule.effect is Effect.ALLOW:
            if rule.peer.admits(peer):
                allows[rule.id] = rule
        elif rule.peer.holds(peer) is not False:
            denies[rule.id] = rule
    return Verdict(_by_id(allows), _by_id(denies))


def _by_id(rules: dict[str, Rule]) -> tuple[Rule, ...]:
    return tuple(rules[name] for name in sorted(rules))


def may(ruleset: Ruleset, peer: Peer, verb: str, resource: str) -> bool:
    """Tell whether some arguments exist, or may, with which the peer is allowed this.

    Used to say whether a peer may know that the resource is there. Rules that limit arguments are
    judged without them: an allow counts, a deny that spares some arguments does not.
    """
    allowed = False
    for rule in ruleset.concerning(resource, peer):
        if verb not in rule.verbs:
            continue
        if rule.effect is Effect.ALLOW:
            allowed = allowed or rule.peer.admits(peer)
        elif not rule.arguments and rule.peer.holds(peer) is not False:
            return False
    return allowed


def may_some(ruleset: Ruleset, peer: Peer, verb: str, resource: str) -> bool:
    """Tell whether there may be an item of a resource, or itself, that the peer is allowed this of.

    A deny counts that is about all of them. Each item is still to be judged by itself.
    """
    allowed = False
    for rule in ruleset.concerning_items(resource, peer):
        if verb not in rule.verbs:
            continue
        if rule.effect is Effect.ALLOW:
            allowed = allowed or rule.peer.admits(peer)
        elif rule.covers(resource) and not rule.arguments and rule.peer.holds(peer) is not False:
            return False
    return allowed
