# SPDX-License-Identifier: MIT
"""Peers by unit, slice, cgroup and container, as a real systemd arranges them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from .service import PATH, SOCKET, UNIT, restore, rule_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .machine import Machine

VISITOR = 1777
MANAGER = f"user@{VISITOR}.service"

KEYS = {
    "by-uid": 'uid: "0-65533"',
    "by-visitor": f"uid: {VISITOR}",
    "by-unit": "unit: probe.service",
    "by-scope": "unit: [probe.scope, plain.scope, machine-x.scope]",
    "by-user-unit": "user-unit: probe.scope",
    "by-slice": "slice: probe-inner.slice",
    "by-cgroup": 'cgroup: "/probe.slice/**"',
    "by-container": 'container: "*"',
    "by-machine": 'container: "nspawn:x"',
    "but-containers": 'unit: "*", not: {container: "*"}',
    "but-unit": 'uid: "0-65533", not: {unit: "probe.*"}',
}
RULES = (
    "resources:\n"
    + "".join(
        f"  {name}: {{kind: file, path: /etc/hostname, access: read}}\n"
        for name in (*KEYS, "denied-unit", "denied-container", "limited")
    )
    + "rules:\n"
    + "".join(
        f"  - {{id: {name}, allow: {name}, peer: {{{peer}}}}}\n" for name, peer in KEYS.items()
    )
    + """
  - {id: anybody, allow: "denied-*", peer: {any: [{uid: "0-65533"}, {container: "*"}]}}
  - {id: not-unit, deny: denied-unit, peer: {unit: "probe.*"}}
  - {id: not-container, deny: denied-container, peer: {container: "*"}}
  - {id: one-each, allow: limited, peer: {unit: "limited-*"}, limit: {held: 1, per: unit}}
"""
)

# Says as JSON whom the broker takes it for and what it may get; with an argument, moves itself into
# that cgroup then and says it again, on the same connection and on another one.
PROBE = f"""#!/usr/bin/python3 -IS
import json, os, socket, sys

class Broker(socket.socket):
    def __init__(self):
        super().__init__(socket.AF_UNIX)
        self.connect("{PATH}")

    def ask(self, method):
        self.sendall(b'{{"method":"io.fdbroker.Broker.' + method + b'"}}' + bytes(1))
        data = b""
        while not data.endswith(bytes(1)):
            data += self.recv(65536)
        return json.loads(data[:-1])["parameters"]

    def tell(self):
        peer, items = self.ask(b"WhoAmI")["peer"], self.ask(b"List")["items"]
        print(json.dumps([peer, [item["name"] for item in items]]), flush=True)

first = Broker()
first.tell()
for path in sys.argv[1:]:
    os.makedirs(path, exist_ok=True)
    with open(path + "/cgroup.procs", "w") as file:
        file.write(str(os.getpid()))
    first.tell()
    Broker().tell()
"""

# A user's manager without PAM and logind, which the tree has not.
USER_MANAGER = f"""
[Service]
Type=notify
User={VISITOR}
Slice=user-{VISITOR}.slice
Delegate=yes
RuntimeDirectory=visitor
Environment=XDG_RUNTIME_DIR=/run/visitor
ExecStart=/usr/lib/systemd/systemd --user
KillMode=mixed
"""

RUN = ("systemd-run", "--quiet")
SERVICE = (*RUN, "--wait", "--pipe", "--collect")
SCOPE = (*RUN, "--scope", "--collect")
OWN_PIDS = ("unshare", "--pid", "--fork", "--")


@dataclass(frozen=True)
class Seen:
    """What the broker said to a probe."""

    peer: Mapping[str, object]
    may: frozenset[str]


def probe(machine: Machine, *command: str, **how: object) -> list[Seen]:
    """Run the probe by a command that ends with its arguments; return all that it was told."""
    lines = machine.run(*command, **how).stdout.splitlines()  # type: ignore[arg-type]
    told = [json.loads(line) for line in lines]
    return [Seen(peer, frozenset(may) - {"pty"}) for peer, may in told]


@pytest.fixture(scope="module")
def ruled(machine: Machine) -> Iterator[Machine]:
    """Return the machine with the service running under rules by facts of all sorts."""
    machine.run("systemd-sysusers", "--inline", f"u visitor {VISITOR}")
    machine.write({f"/run/systemd/system/{MANAGER}": USER_MANAGER, **rule_file(RULES)})
    machine.write({"/usr/local/bin/probe": PROBE}, mode=0o755)
    machine.systemctl("daemon-reload")
    machine.systemctl("start", SOCKET, UNIT, MANAGER)
    yield machine
    machine.systemctl("stop", MANAGER)
    restore(machine)


def test_dynamic_user_by_unit(ruled: Machine) -> None:
    dynamic = ("--property=DynamicUser=yes", "--unit=probe.service")
    (there,) = probe(ruled, *SERVICE, *dynamic, "probe")
    assert there.peer["unit"] == "probe.service"
    assert there.peer["cgroup"] == "/system.slice/probe.service"
    assert there.may == {"by-uid", "by-unit", "but-containers", "denied-container"}
    uid = there.peer["uid"]
    assert isinstance(uid, int)
    assert uid >= 61184, "one that systemd has made up"
    (here,) = probe(ruled, "probe", user=uid)
    assert here.peer["uid"] == uid
    assert "unit" not in here.peer
    assert here.may == {"by-uid", "but-unit", "denied-unit", "denied-container"}


@pytest.mark.parametrize("below", ["probe.service", "probe.slice/probe.service", "machine-x.scope"])
def test_delegated_subtree(ruled: Machine, below: str) -> None:
    """Whoever owns one names the groups in it, and none of them is a unit or a container."""
    own = "/sys/fs/cgroup/system.slice/delegated.service"
    delegated = ("--unit=delegated.service", "--property=Delegate=yes", f"--uid={VISITOR}")
    before, same, moved = probe(ruled, *SERVICE, *delegated, "probe", f"{own}/{below}")
    assert before == same
    assert moved.peer["unit"] == "delegated.service"
    assert moved.peer["cgroup"] == f"/system.slice/delegated.service/{below}"
    expected = {"by-uid", "by-visitor", "but-unit", "denied-unit"}
    if below == "machine-x.scope":
        assert moved.peer["container"] == "delegated-nspawn:x"
        assert moved.may == expected | {"by-container"}
    else:
        assert moved.may == expected | {"but-containers", "denied-container"}


def test_user_unit_of_the_same_name(ruled: Machine) -> None:
    """A user's unit is no unit of the system's, and the other way round."""
    environment = {"XDG_RUNTIME_DIR": "/run/visitor"}
    command = (*SCOPE, "--unit=probe.scope", "probe")
    user_run = (command[0], "--user", *command[1:])
    (user,) = probe(ruled, *user_run, user=VISITOR, environment=environment)
    (system,) = probe(ruled, *command)
    assert (user.peer["unit"], user.peer["userUnit"]) == (MANAGER, "probe.scope")
    assert {"by-user-unit", "by-visitor", "but-unit", "denied-unit"} <= user.may
    assert "by-scope" not in user.may
    assert system.peer["unit"] == "probe.scope"
    assert "userUnit" not in system.peer
    assert {"by-user-unit", "by-visitor", "but-unit", "denied-unit"}.isdisjoint(system.may)
    assert "by-scope" in system.may


def test_container_that_a_user_has_named(ruled: Machine) -> None:
    command = ("systemd-run", "--user", *SCOPE[1:], "--unit=machine-x.scope", "probe")
    environment = {"XDG_RUNTIME_DIR": "/run/visitor"}
    (user,) = probe(ruled, *command, user=VISITOR, environment=environment)
    assert user.peer["container"] == "delegated-nspawn:x"
    assert {"by-machine", "by-scope"}.isdisjoint(user.may)


def test_slice(ruled: Machine) -> None:
    (inner,) = probe(ruled, *SERVICE, "--slice=probe-inner.slice", "--unit=a.service", "probe")
    (outer,) = probe(ruled, *SERVICE, "--slice=probe.slice", "--unit=a.service", "probe")
    assert inner.peer["cgroup"] == "/probe.slice/probe-inner.slice/a.service"
    assert {"by-slice", "by-cgroup"} <= inner.may
    assert {"by-slice", "by-cgroup"} & outer.may == {"by-cgroup"}


def test_moved_after_it_has_connected(ruled: Machine) -> None:
    """It is judged by where it was when it was accepted."""
    ruled.run(*RUN, "--collect", "--unit=probe.service", "sleep", "infinity")
    before, same, again = probe(ruled, "probe", "/sys/fs/cgroup/system.slice/probe.service")
    ruled.systemctl("stop", "probe.service")
    assert before == same
    assert "by-unit" not in same.may
    assert "by-unit" in again.may


@pytest.mark.parametrize(
    ("unit", "enter", "container", "foreign"),
    [
        ("machine-x.scope", (), "nspawn:x", False),
        ("machine-x.scope", OWN_PIDS, "nspawn:x", True),
        ("plain.scope", (), None, False),
        ("plain.scope", OWN_PIDS, "other", True),
        ("plain.scope", ("unshare", "--user", "--map-root-user", "--"), "other", True),
        ("plain.scope", ("unshare", "--user", "--"), "other", True),
    ],
    ids=["scope", "scope, own pids", "unit", "own pids", "root of its own", "no uid of its own"],
)
def test_container(
    ruled: Machine, unit: str, enter: tuple[str, ...], container: str | None, *, foreign: bool
) -> None:
    """In another namespace only what names the unit or says container is for it."""
    (seen,) = probe(ruled, *SCOPE, f"--unit={unit}", "--slice=machine.slice", *enter, "probe")
    assert (seen.peer["uid"], seen.peer["unit"]) == (0, unit)
    assert seen.peer.get("container") == container
    expected = {"by-scope"}
    expected |= {"but-containers", "denied-container"} if container is None else {"by-container"}
    expected |= {"by-machine"} if container == "nspawn:x" else set()
    expected |= set() if foreign else {"by-uid", "but-unit"}
    assert seen.may == expected | {"denied-unit"}


def test_root_of_a_container_does_not_manage(ruled: Machine) -> None:
    for verb in ("status", "reload"):
        result = ruled.run(*OWN_PIDS, "fdbrokerctl", verb, check=False)
        assert result.returncode == 77, result


def test_limit_per_unit(ruled: Machine) -> None:
    """The second one in a unit is one too many, the first one of another unit is not."""
    try_again = "fdbroker-get -q limited >/dev/null; echo $?"
    other = " ".join((*SERVICE, "--unit=limited-b.service", f"sh -c '{try_again}'"))
    script = f"{try_again}; {other}; {try_again}"
    hold = ("fdbroker-get", "--fd", "9", "limited", "--", "sh", "-c", script)
    result = ruled.run(*SERVICE, "--unit=limited-a.service", *hold)
    assert result.stdout.split() == ["75", "0", "75"]
