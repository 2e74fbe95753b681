# SPDX-License-Identifier: MIT
"""What a cgroup's path says, and what nobody can make it say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fdbrokerd.model.cgroup import Membership, membership

ID = "0123456789ab" + "c" * 52
MANAGER = "/user.slice/user-1000.slice/user@1000.service"


@pytest.mark.parametrize(
    ("path", "unit", "user_unit", "slice_"),
    [
        ("/", None, None, None),
        ("/init.scope", "init.scope", None, None),
        ("/system.slice/a.service", "a.service", None, "system.slice"),
        ("/system.slice/system-a.slice/a@1.service", "a@1.service", None, "system-a.slice"),
        ("/system.slice/a.socket", "a.socket", None, "system.slice"),
        ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope", None, "user-1000.slice"),
        ("/system.slice", None, None, "system.slice"),
        # A service with a delegated subtree cannot pass for another.
        ("/system.slice/a.service/foo.service", "a.service", None, "system.slice"),
        ("/system.slice/a.service/system.slice/foo.service", "a.service", None, "system.slice"),
        ("/system.slice/a/foo.service", None, None, "system.slice"),
        ("/a/system.slice/foo.service", None, None, None),
        (f"{MANAGER}/foo.service", "user@1000.service", "foo.service", "user-1000.slice"),
        (f"{MANAGER}/app.slice/foo.service", "user@1000.service", "foo.service", "user-1000.slice"),
        (f"{MANAGER}/app.slice/app-x.slice/b.scope", "user@1000.service", "b.scope",
         "user-1000.slice"),
        (f"{MANAGER}/app.slice/a.service/b.service", "user@1000.service", "a.service",
         "user-1000.slice"),
        (f"{MANAGER}/x/a.service", "user@1000.service", None, "user-1000.slice"),
        (f"{MANAGER}/init.scope", "user@1000.service", "init.scope", "user-1000.slice"),
        # Not a user's manager, whatever it is called.
        ("/system.slice/user@x.service/a.service", "user@x.service", None, "system.slice"),
        # Outside of our own root nothing is known.
        ("/../system.slice/a.service", None, None, None),
        ("/../a.service", None, None, None),
        ("/system.slice/../a.service", None, None, "system.slice"),
    ],
)  # fmt: skip
def test_units(path: str, unit: str | None, user_unit: str | None, slice_: str | None) -> None:
    found = membership(path)
    assert (found.unit, found.user_unit, found.slice) == (unit, user_unit, slice_)


@pytest.mark.parametrize(
    ("path", "container"),
    [
        (f"/machine.slice/libpod-{ID}.scope", "podman:0123456789ab"),
        (f"/machine.slice/libpod-{ID}.scope/container", "podman:0123456789ab"),
        (f"/system.slice/docker-{ID}.scope", "docker:0123456789ab"),
        (f"/docker/{ID}", "docker:0123456789ab"),
        (f"/docker/{ID}/inside", "docker:0123456789ab"),
        (f"/kubepods.slice/kubepods-pod1.slice/crio-{ID}.scope", "kubernetes:0123456789ab"),
        (f"/kubepods.slice/cri-containerd-{ID}.scope", "kubernetes:0123456789ab"),
        ("/machine.slice/machine-web.scope/payload", "nspawn:web"),
        ("/machine.slice/systemd-nspawn@web.service/payload/system.slice/a.service", "nspawn:web"),
        ("/lxc.payload.web/system.slice/a.service", "lxc:web"),
        # The outermost counts: what is inside is made by whoever is inside.
        (f"/machine.slice/libpod-{ID}.scope/lxc.payload.x", "podman:0123456789ab"),
        (f"/lxc.payload.web/system.slice/docker-{ID}.scope", "lxc:web"),
        # Whoever owns a subtree can make cgroups of any name in it.
        (f"{MANAGER}/user.slice/libpod-{ID}.scope/container", "delegated-podman:0123456789ab"),
        (f"{MANAGER}/app.slice/machine-web.scope", "delegated-nspawn:web"),
        (f"/system.slice/a.service/docker-{ID}.scope", "delegated-docker:0123456789ab"),
        ("/system.slice/a.service/lxc.payload.web", "delegated-lxc:web"),
        (f"/system.slice/docker/{ID}", None),
        (f"/a/docker/{ID}", None),
        ("/system.slice/libpod-short.scope", None),
        ("/system.slice/a.service", None),
    ],
)
def test_containers(path: str, container: str | None) -> None:
    assert membership(path).container == container


@given(st.lists(st.sampled_from(
    ["foo.service", "system.slice", f"docker-{ID}.scope", "machine-web.scope", "lxc.payload.x",
     "user@0.service", "..", "docker", ID]), max_size=5))  # fmt: skip
def test_nothing_below_a_unit_changes_what_it_is(below: list[str]) -> None:
    top = membership("/system.slice/mine.service")
    found = membership("/".join(["/system.slice/mine.service", *below]))
    container = found.container
    assert container is None or container.startswith("delegated-")
    assert found == Membership(top.unit, None, top.slice, container)
