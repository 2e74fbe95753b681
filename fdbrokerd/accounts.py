# SPDX-License-Identifier: MIT
"""The name service: users and groups by name and number.

It may ask a server on the network and wait, so it is used when rules are loaded and in opener
children, never on the way of a request.
"""

import grp
import os
import pwd

from fdbrokerd.model.peer import UNMAPPED_ID

MAX_ID = 2**32 - 2
"""The last number but one: (uid_t) -1 means "leave it" to chown(2) and setresuid(2)."""


def user_id(name: str) -> int | None:
    """Return a user's uid, or None."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def group_id(name: str) -> int | None:
    """Return a group's gid, or None."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def user_name(uid: int) -> str | None:
    """Return a user's name, or None for a uid without one and for the unmapped one."""
    if uid == UNMAPPED_ID:
        return None
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def groups_of(user: str) -> tuple[int, ...]:
    """Return the gids that a user logs in with, the primary one first (getgrouplist(3)).

    Empty for an unknown user.
    """
    try:
        primary = pwd.getpwnam(user).pw_gid
    except KeyError:
        return ()
    return (primary, *(gid for gid in os.getgrouplist(user, primary) if gid != primary))
