# SPDX-License-Identifier: MIT
"""Where descriptors go in the command that this process becomes, and what it is told of them.

Rules of this file:

- A place at a number moves a descriptor; a place in a variable or an argument tells its number.
  What is only told, and what has no place at all, goes to the lowest free numbers from 3.
- A number is free if nothing was inherited at it. What was inherited has no FD_CLOEXEC, having
  survived an exec; what this process opened itself has it, and is gone when the command runs.
- Nothing moves before everything has its number.
"""

from __future__ import annotations

import _socket
import fcntl
import posix
from errno import EBADF, EINVAL

from fdbrokerd.errors import UsageError
from fdbrokerd.fd import OwnedFd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fdbrokerd.cli.get_options import Place
    from fdbrokerd.client.grant import Grant

UNNAMED = "fd"
"""What fdbroker-put calls a descriptor that is given no name."""

FIRST = 3
"""As sd_listen_fds(3): what is below are the standard streams."""


class Placement:
    """The numbers of all descriptors, and the environment and arguments that tell them."""

    def __init__(self, *, force: bool) -> None:
        self._force = force
        self._targets: dict[int, tuple[str, OwnedFd]] = {}
        self._listening: list[tuple[str, OwnedFd]] = []
        self._unplaced: list[tuple[str, OwnedFd]] = []
        self._told: list[tuple[Place, OwnedFd]] = []
        self._listen = False
        self._away: dict[int, OwnedFd] = {}

    def add(self, grant: Grant, places: list[Place]) -> None:
        """Take the places for a grant's descriptors, which stay the grant's. Raises UsageError."""
        chosen: list[str] = []
        for place in places:
            if place.what == "listen":
                self._listen = True
                self._listening += [(_label(grant, name), grant[name]) for name in grant.names]
                chosen += grant.names
            elif place.numbers:
                chosen += self._at_numbers(grant, place)
        for place in places:
            if place.what in {"env", "replace"}:
                name = _told(grant, place, chosen)
                self._told.append((place, grant[name]))
                if name not in chosen:
                    chosen.append(name)
                    self._unplaced.append((_label(grant, name), grant[name]))
        if not places:
            self._unplaced += [(_label(grant, name), grant[name]) for name in grant.names]

    def _at_numbers(self, grant: Grant, place: Place) -> list[str]:
        if place.what == "fd" and place.name is None:
            names = list(grant.names)
            numbers: Iterable[int] = range(place.numbers[0], place.numbers[0] + len(names))
            pairs = list(zip(numbers, names, strict=True))
        else:
            name = _known(grant, place.name) or _wanted(grant)
            pairs = [(number, name) for number in place.numbers]
        for number, name in pairs:
            meant = place.what == "stream"  # replacing 0, 1 or 2 is what such an option is for
            self._claim(number, _label(grant, name), grant[name], meant=meant)
        return [name for _, name in pairs]

    def _claim(self, number: int, label: str, owned: OwnedFd, *, meant: bool = False) -> None:
        if number in self._targets:
            raise UsageError(f"two descriptors for the number {number}")
        if inherited(number) and not meant and not self._force:
            raise UsageError(f"the number {number} is open already; --force replaces it")
        _check_limit(number, owned)
        self._targets[number] = label, owned

    def settle(self) -> None:
        """Give a number to what has none yet. Raises UsageError."""
        for number, (label, owned) in enumerate(self._listening, FIRST):
            self._claim(number, label, owned)
        number = FIRST
        for label, owned in self._unplaced:
            while number in self._targets or inherited(number):
                number += 1
            self._targets[number] = label, owned

    def arguments(self, command: list[str]) -> list[str]:
        """Return the command's arguments with the texts of -I replaced by numbers."""
        program, *rest = command
        for place, owned in self._told:
            if place.what == "replace":
                rest = [word.replace(place.text, self._number(owned)) for word in rest]
        return [program, *rest]

    def environment(self, inherited_environment: Mapping[str, str]) -> dict[str, str]:
        """Return the command's environment, without what an outer program told this process."""
        environment = without_descriptors(inherited_environment)
        numbers = sorted(self._targets)
        if told := [number for number in numbers if number >= FIRST]:
            environment["FDBROKER_FDS"] = ":".join(map(str, told))
            environment["FDBROKER_FDNAMES"] = self._labels(told)
        listening = list(range(FIRST, FIRST + len(self._listening)))
        if not self._listen and numbers == list(range(FIRST, FIRST + len(numbers))):
            listening = numbers if all(_listens(self._targets[n][1]) for n in numbers) else []
        if self._listen or listening:
            environment["LISTEN_FDS"] = str(len(listening))
            environment["LISTEN_PID"] = str(posix.getpid())
            environment["LISTEN_FDNAMES"] = self._labels(listening)
            if identity := _pidfd_id():
                environment["LISTEN_PIDFDID"] = identity
        for place, owned in self._told:
            if place.what == "env":
                environment[place.text] = self._number(owned)
        return environment

    def _number(self, owned: OwnedFd) -> str:
        return str(min(number for number, (_, one) in self._targets.items() if one is owned))

    def _labels(self, numbers: list[int]) -> str:
        return ":".join(self._targets[number][0] for number in numbers)

    def lift(self) -> None:
        """Copy every descriptor to a number that is not wanted: no move closes what another needs.

        Raises OSError; after that no move fails.
        """
        for number, (_, owned) in self._targets.items():
            self._away[number] = self.copy(owned.fileno())

    def move(self) -> None:
        """Put every descriptor at its numbers, for the command to inherit."""
        for number, copy in self._away.items():
            posix.dup2(copy.fileno(), number)
            copy.close()

    def copy(self, borrowed: int) -> OwnedFd:
        """Return a close-on-exec copy at a number that no descriptor is to have."""
        lowest = FIRST
        while True:
            copy = OwnedFd(fcntl.fcntl(borrowed, fcntl.F_DUPFD_CLOEXEC, lowest))
            if copy.fileno() not in self._targets:
                return copy
            lowest = copy.fileno() + 1
            copy.close()


def without_descriptors(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment that says nothing of descriptors: what it said was for this process."""
    mine = {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID"}
    mine |= {"FDBROKER_FDS", "FDBROKER_FDNAMES"}
    return {name: value for name, value in environment.items() if name not in mine}


def inherited(number: int) -> bool:
    """Tell whether a number was open when this process began."""
    try:
        return not fcntl.fcntl(number, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    except OSError as error:
        if error.errno != EBADF:
            raise
        return False


def _check_limit(number: int, owned: OwnedFd) -> None:
    """Raise UsageError for a number that this process cannot have."""
    try:
        OwnedFd(fcntl.fcntl(owned.fileno(), fcntl.F_DUPFD_CLOEXEC, number)).close()
    except OSError as error:
        if error.errno != EINVAL:
            raise
        raise UsageError(
            f"the number {number} is above the limit on open files (ulimit -n)"
        ) from error


def _label(grant: Grant, name: str) -> str:
    """Return what a descriptor is called in the environment.

    Its own name, where there are several, or where somebody who put it gave it one; else that of
    its resource: several resources may each have a "file".
    """
    named = len(grant.names) > 1 or (grant.kind == "store" and name != UNNAMED)
    return name if named else grant.resource.replace(":", "_")


def _known(grant: Grant, name: str | None) -> str | None:
    if name is not None and name not in grant.names:
        raise UsageError(f"{grant.resource} has no descriptor {name!r}: {', '.join(grant.names)}")
    return name


def _wanted(grant: Grant) -> str:
    """Return the one descriptor that a command wants as a standard stream: of a pty, the slave."""
    if len(grant.names) == 1:
        return grant.names[0]
    if "slave" in grant.names:
        return "slave"
    raise UsageError(
        f"{grant.resource} has several descriptors, name one: {', '.join(grant.names)}"
    )


def _told(grant: Grant, place: Place, chosen: list[str]) -> str:
    """Return the descriptor whose number is told: the named one, or the only one that is placed."""
    if name := _known(grant, place.name):
        return name
    candidates = set(chosen) or set(grant.names)
    if len(candidates) != 1:
        raise UsageError(
            f"{grant.resource} has several descriptors ({', '.join(grant.names)}): "
            "say --env VARIABLE=NAME, or place one with --fd N:NAME"
        )
    return candidates.pop()


def _listens(owned: OwnedFd) -> bool:
    """Tell whether it is a listening socket (socket(7), SO_ACCEPTCONN)."""
    try:
        with OwnedFd.copy_of(owned.fileno()) as copy:
            one = _socket.socket(fileno=copy.fileno())
            copy.detach()
    except OSError:
        return False
    try:
        return bool(one.getsockopt(_socket.SOL_SOCKET, _socket.SO_ACCEPTCONN))
    finally:
        one.close()


def _pidfd_id() -> str | None:
    """Return the inode number of this process's pidfd, which identifies it for ever (Linux 6.9).

    Before that all pidfds are one anonymous inode, as every eventfd is.
    """
    try:
        with OwnedFd(posix.pidfd_open(posix.getpid())) as pidfd, OwnedFd(posix.eventfd(0)) as other:
            mine, anonymous = posix.fstat(pidfd.fileno()), posix.fstat(other.fileno())
    except OSError:
        return None
    return None if mine.st_dev == anonymous.st_dev else str(mine.st_ino)
