# SPDX-License-Identifier: MIT
"""What a cgroup's path says: unit, user unit, slice, container. From the whole path, never its end.

A unit is what stands directly below its slice. A service with a delegated subtree can make a cgroup
`foo.service` in its own, which is not foo.service (systemd.resource-control(5), Delegate=). As with
containers: one below a unit is called what the unit's owner likes, and has `delegated-` before its
name. Every user who is logged in owns such a subtree.
"""

import re

from msgspec import Struct

UNIT_TYPES = ("service", "scope", "socket", "mount", "swap")
"""The types of units that have processes."""

DELEGATED = "delegated-"
"""Before the name of a container in a subtree that is somebody's own: rootless podman's."""

_SLICE = re.compile(r"[^/]+\.slice")
_UNIT = re.compile(rf"[^/]+\.(?:{'|'.join(UNIT_TYPES)})")
_USER_MANAGER = re.compile(r"user@[0-9]+\.service")

_CONTAINERS = (
    ("podman", re.compile(r"libpod-([0-9a-f]{12,64})(?:\.scope)?")),
    ("docker", re.compile(r"docker-([0-9a-f]{12,64})\.scope")),
    ("kubernetes", re.compile(r"(?:crio|cri-containerd)-([0-9a-f]{12,64})\.scope")),
    ("nspawn", re.compile(r"(?:machine-(.+)\.scope|systemd-nspawn@(.+)\.service)")),
    ("lxc", re.compile(r"lxc\.payload\.(.+)")),
)
_DOCKER_BY_CGROUPFS = re.compile(r"/docker/([0-9a-f]{12,64})(?:/.*)?", re.DOTALL)
_BY_ID = frozenset({"podman", "docker", "kubernetes"})


class Membership(Struct, frozen=True):
    """Where a process belongs, as its cgroup's path says; None for what it has not."""

    unit: str | None = None
    user_unit: str | None = None
    slice: str | None = None
    container: str | None = None


def membership(path: str) -> Membership:
    """Return what an absolute cgroup path says."""
    components = [part for part in path.split("/") if part]
    slices, rest = _leading(components)
    unit = rest[0] if rest and _UNIT.fullmatch(rest[0]) else None
    user_unit = None
    if unit is not None and _USER_MANAGER.fullmatch(unit):
        inner = _leading(rest[1:])[1]
        user_unit = inner[0] if inner and _UNIT.fullmatch(inner[0]) else None
    container = _container(path, rest)
    return Membership(unit, user_unit, slices[-1] if slices else None, container)


def _leading(components: list[str]) -> tuple[list[str], list[str]]:
    """Return the slices at the beginning, and what is below them."""
    count = 0
    while count < len(components) and _SLICE.fullmatch(components[count]):
        count += 1
    return components[:count], components[count:]


def _container(path: str, below_slices: list[str]) -> str | None:
    """Return ENGINE:NAME of the outermost container.

    An id is cut to the 12 letters that the engines show.
    """
    if found := _DOCKER_BY_CGROUPFS.fullmatch(path):
        return f"docker:{found[1][:12]}"
    for depth, component in enumerate(below_slices):
        for engine, pattern in _CONTAINERS:
            if found := pattern.fullmatch(component):
                name = next(group for group in found.groups() if group)
                whose = DELEGATED if depth else ""
                return f"{whose}{engine}:{name[:12] if engine in _BY_ID else name}"
    return None
