# SPDX-License-Identifier: MIT
"""Files that change under the broker's hands: never a wrong descriptor."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from .grounds import INSIDE, SECRET, a_root, content, of
from .made import OTHER, USER, a_peer, only_one, opened_file
from .processes import other_process

ROUNDS = 2000
"""Of a race: a fraction of a second."""


@pytest.fixture
def root(place: Path) -> Path:
    return a_root(place)


@pytest.fixture
def racing(root: Path) -> Iterator[Path]:
    """Swap `theirs/name` between a file of USER's and what nobody must get, all the time.

    Root does it, since fs.protected_hardlinks may be on; the links are then believed, to no avail.
    """
    secret = root.parent / "secret"
    stop = root.parent / "stop"

    def swap() -> None:
        own, evil, name = (root / "theirs" / one for one in ("own", "evil", "name"))
        evils: list[Callable[[], None]] = [
            lambda: os.link(secret, evil),
            lambda: os.symlink("../../secret", evil),
            lambda: os.mkfifo(evil),
        ]
        turn = 0
        while not stop.exists():
            turn += 1
            own.write_bytes(b"theirs")
            os.chown(own, USER, USER)
            os.rename(own, name)
            evils[turn % 3]()
            os.rename(evil, name)
            os.unlink(name)

    with other_process(swap):
        yield root
        stop.touch()


@pytest.mark.parametrize("access", ["read", "write"])
def test_a_race_never_ends_in_a_wrong_descriptor(racing: Path, access: str) -> None:
    secret = os.stat(racing.parent / "secret").st_ino
    spec = of(racing, "theirs/name", access=access)
    outcomes = set()
    for _ in range(ROUNDS):
        try:
            made = only_one(opened_file(spec, a_peer(OTHER)))
        except OSError as error:
            outcomes.add(error.errno)
            continue
        with made:
            status = os.fstat(made.fileno())
            assert status.st_ino != secret
            assert stat.S_ISREG(status.st_mode)
            outcomes.add(0)
    refusals = {errno.ENOENT, errno.EACCES, errno.ELOOP, errno.EXDEV, errno.EBADFD}
    assert outcomes <= {0, *refusals}
    assert len(outcomes) > 1, "there was no race"
    assert (racing.parent / "secret").read_bytes() == SECRET


def test_a_directory_swapped_for_a_link_leads_nowhere(root: Path) -> None:
    """The walk goes from descriptor to descriptor, so a swapped component is looked at again."""
    stop = root.parent / "stop"
    (root.parent / "outside").mkdir()
    (root.parent / "outside" / "file").write_bytes(SECRET)
    (root / "theirs" / "real").mkdir()
    (root / "theirs" / "real" / "file").write_bytes(INSIDE)
    for path in ("theirs/real", "theirs/real/file"):
        os.chown(root / path, USER, USER)

    def swap() -> None:
        way, spare = root / "theirs" / "way", root / "theirs" / "spare"
        while not stop.exists():
            os.rename(root / "theirs" / "real", way)
            os.rename(way, root / "theirs" / "real")
            os.symlink("../../outside", spare)
            os.rename(spare, way)
            os.unlink(way)

    (root / "ours" / "way").symlink_to("../theirs/way")
    with other_process(swap, uid=USER):
        for _ in range(ROUNDS):
            with suppress(OSError):
                assert content(of(root, "ours/way/file")) == INSIDE
        stop.touch()
