# SPDX-License-Identifier: MIT
"""What a refused peer is told: who it is, the hint, and whom to ask. Nothing of others' rules."""

from __future__ import annotations

import grp
import pwd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fdbrokerd.client.facts import Peer
    from fdbrokerd.errors import Denied


def describe(denied: Denied, peer: Peer | None) -> str:
    """Return the lines that follow the denial itself."""
    lines = []
    if peer is not None:
        lines.append(f"you are: {describe_peer(peer)}")
    if denied.hint:
        lines.append(f"hint from the administrator: {denied.hint}")
    if denied.request:
        lines.append(f"request {denied.request}; an administrator can run:")
        lines.append(f"fdbrokerctl explain --request {denied.request}")
    return "\n".join(f"  {line}" for line in lines)


def describe_peer(peer: Peer) -> str:
    """Return who a peer is, with the names that this machine has for its ids."""
    groups = " ".join(_group(gid) for gid in peer.groups if gid != peer.gid)
    more = f", groups {groups}" if groups else ""
    return f"uid {_user(peer.uid)}, gid {_group(peer.gid)}{more}"


def _user(uid: int) -> str:
    try:
        return f"{uid} ({pwd.getpwuid(uid).pw_name})"
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return f"{gid} ({grp.getgrgid(gid).gr_name})"
    except KeyError:
        return str(gid)
