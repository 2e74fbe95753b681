# SPDX-License-Identifier: MIT
"""Makes a file that is whole when it appears: mode and owner are set before it has a name."""

import os
from errno import EISDIR, EOPNOTSUPP

from msgspec import Struct

from fdbrokerd.fd import OwnedFd
from fdbrokerd.kinds.beneath import judge_origin, strict
from fdbrokerd.model.key import Own
from fdbrokerd.model.peer import Peer
from fdbrokerd.openat2 import openat2


class Creation(Struct, frozen=True):
    """What a new file looks like."""

    mode: int
    owner: int | Own | None = None
    group: int | Own | None = None


def create(directory: int, name: str, flags: int, creation: Creation, peer: Peer) -> OwnedFd:
    """Make a file in a borrowed directory and return it, opened. Raises OSError.

    A file that could not be opened again (see judge_origin) is not made at all.

    O_TMPFILE and then linkat(2), which never replaces anything and follows no link at the end of
    its name. Where the file system has no O_TMPFILE, O_EXCL with mode 0 keeps others out until it
    is set.
    """
    try:
        made = openat2(
            directory, ".", flags | os.O_TMPFILE | os.O_NOCTTY, strict(cross=True), 0o000
        )
    except OSError as error:
        if error.errno not in {EOPNOTSUPP, EISDIR}:
            raise
        excl = os.O_CREAT | os.O_EXCL | os.O_NOCTTY | os.O_NOFOLLOW
        made = openat2(directory, name, flags | excl, strict(cross=True), 0o000)
        named = True
    else:
        named = False
    try:
        _dress(made.fileno(), creation, peer)
        judge_origin(os.fstat(directory), os.fstat(made.fileno()), peer.uid)
        if not named:
            os.link(
                f"/proc/self/fd/{made.fileno()}", name, dst_dir_fd=directory, follow_symlinks=True
            )
    except BaseException:
        made.close()
        if named:
            os.unlink(name, dir_fd=directory)
        raise
    return made


def _dress(made: int, creation: Creation, peer: Peer) -> None:
    """Set mode and owner. The mode first: afterwards it would need CAP_FOWNER."""
    os.fchmod(made, creation.mode)
    owner = peer.uid if isinstance(creation.owner, Own) else creation.owner
    group = peer.gid if isinstance(creation.group, Own) else creation.group
    if owner is not None or group is not None:
        os.fchown(made, -1 if owner is None else owner, -1 if group is None else group)
