# SPDX-License-Identifier: MIT
"""What the unit allows and what not: tried from inside, and read off the process that runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .service import SOCKET, UNIT, drop_in, shipped_drop_in

if TYPE_CHECKING:
    from .machine import Machine

CHOWN = 1 << 0
DAC_OVERRIDE = 1 << 1
SECCOMP_MODE_FILTER = "2"

# Each thing that is tried says None, or the name of the error. By number: x86-64's or everyone's.
INSIDE = """
import ctypes, errno, json, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "")
def opened(path, flags):
    os.close(os.open(path, flags, 0o600))
def given(uid):
    master = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)
    call(16, master, 0x40045431, ctypes.byref(ctypes.c_int(0)))
    slave = libc.ioctl(master, 0x5441, os.O_RDWR | os.O_NOCTTY)
    os.fchown(slave, uid, -1)
def memory(protection):
    import mmap
    mmap.mmap(-1, 4096, prot=protection)
tries = {
    "terminal": lambda: given(1234),
    "read rules": lambda: opened("/etc/fdbrokerd/fdbrokerd.yaml", os.O_RDONLY),
    "openat2": lambda: call(437, -100, b"/etc", (ctypes.c_uint64 * 3)(os.O_PATH, 0, 0), 24),
    "cgroup of another": lambda: opened("/proc/1/cgroup", os.O_RDONLY),
    "shadow": lambda: opened("/etc/shadow", os.O_RDONLY),
    "home": lambda: os.listdir("/root"),
    "disk": lambda: opened("/usr/made", os.O_WRONLY | os.O_CREAT),
    "own directory": lambda: opened("/run/fdbrokerd/made", os.O_WRONLY | os.O_CREAT),
    "cgroups": lambda: os.mkdir("/sys/fs/cgroup/made"),
    "kernel memory": lambda: opened("/dev/mem", os.O_RDONLY),
    "tun": lambda: opened("/dev/net/tun", os.O_RDWR),
    "sysctl": lambda: opened("/proc/sys/kernel/hostname", os.O_RDONLY),
    "internet": lambda: socket.socket(socket.AF_INET).close(),
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "address outside": lambda: socket.socket(socket.AF_UNIX).connect(chr(0) + "fdbrokerd"),
    "become root": lambda: os.setresuid(0, 0, 0),
    "become others": lambda: os.setresuid(1234, 1234, 1234),
    "groups": lambda: os.setgroups([]),
    "capset": lambda: call(126, 0, 0),
    "ptrace": lambda: call(101, 0, 0, 0, 0),
    "pidfd_getfd": lambda: call(438, -1, 0, 0),
    "process_vm_readv": lambda: call(310, 1, 0, 0, 0, 0, 0),
    "io_uring": lambda: call(425, 1, 0),
    "user namespace": lambda: call(272, 0x10000000),
    "mount": lambda: call(165, 0, 0, 0, 0, 0),
    "bpf": lambda: call(321, 0, 0, 0),
    "keyring": lambda: call(250, 0, 0, 0, 0, 0),
    "writable code": lambda: memory(7),
}
said = {}
for name, attempt in tries.items():
    try:
        attempt()
        said[name] = None
    except OSError as error:
        said[name] = errno.errorcode[error.errno]
print("inside:" + json.dumps(said), flush=True)
"""

ALLOWED = {"terminal", "read rules", "openat2", "cgroup of another"}
REFUSED = {
    "shadow": "EACCES",
    "home": "EACCES",
    "disk": "EROFS",
    "own directory": "EACCES",
    "cgroups": "EROFS",
    "kernel memory": "ENOENT",
    "tun": "ENOENT",
    "sysctl": "ENOENT",
    "internet": "EAFNOSUPPORT",
    "netlink": "EAFNOSUPPORT",
    "writable code": "EACCES",
    "address outside": "ECONNREFUSED",
}
"""All else is EPERM."""


def inside(machine: Machine) -> dict[str, str | None]:
    """Return what can be done in the place of the daemon, before it starts."""
    machine.write({"/usr/local/lib/fdbrokerd-inside.py": INSIDE})
    drop_in(machine, "ExecStartPre=/usr/bin/python3 -I /usr/local/lib/fdbrokerd-inside.py")
    machine.systemctl("restart", UNIT)
    lines = [one["MESSAGE"] for one in machine.journal(f"_SYSTEMD_UNIT={UNIT}")]
    told = [line for line in lines if line.startswith("inside:")]
    said: dict[str, str | None] = json.loads(told[-1].removeprefix("inside:"))
    return said


def status(machine: Machine, pid: str) -> dict[str, str]:
    lines = machine.run("cat", f"/proc/{pid}/status").stdout.splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def processes(machine: Machine) -> list[str]:
    """Return the daemon, its zygote and an opener child."""
    machine.run("fdbroker-get", "pty", "--", "true", user=1234)
    group = machine.run("cat", "/sys/fs/cgroup/system.slice/fdbrokerd.service/cgroup.procs")
    return group.stdout.split()


def test_what_can_be_done_inside(sockets: Machine) -> None:
    said = inside(sockets)
    assert {name for name, error in said.items() if error is None} == ALLOWED
    refused = {name: error for name, error in said.items() if error is not None}
    assert refused == {name: REFUSED.get(name, "EPERM") for name in refused}


def test_what_the_processes_have(service: Machine) -> None:
    assert service.show(UNIT, "OOMPolicy") == "continue"
    user = service.run("id", "-u", "_fdbroker").stdout.strip()
    pids = processes(service)
    assert len(pids) >= 2
    for pid in pids:
        shown = status(service, pid)
        assert shown["Uid"].split() == [user] * 4
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(shown[name], 16) == CHOWN, name
        assert shown["NoNewPrivs"] == "1"
        assert shown["Seccomp"] == SECCOMP_MODE_FILTER


def test_what_a_drop_in_adds(service: Machine) -> None:
    shipped_drop_in(service, "20-files-write.conf")
    service.systemctl("restart", UNIT)
    for pid in processes(service):
        shown = status(service, pid)
        for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(shown[name], 16) == CHOWN | DAC_OVERRIDE, name


def test_its_own_user_gets_nothing_of_it(service: Machine) -> None:
    """A second process of the broker's user neither traces it nor takes its descriptors."""
    main = service.show(UNIT, "MainPID")
    script = f"""
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
pidfd = os.pidfd_open({main})
print(libc.syscall(438, pidfd, 0, 0), ctypes.get_errno())
print(libc.ptrace(16, {main}, 0, 0), ctypes.get_errno())
try:
    print(os.listdir("/proc/{main}/fd"))
except PermissionError:
    print("refused")
"""
    # With the capability that the broker has: without it the kernel refuses for that alone.
    same = ("setpriv", "--reuid=_fdbroker", "--regid=_fdbroker", "--clear-groups")
    more = ("--inh-caps=-all,+chown", "--ambient-caps=-all,+chown", "--")
    said = service.run(*same, *more, "python3", "-c", script).stdout.splitlines()
    assert said == ["-1 1", "-1 1", "refused"]


NOTIFY = """
import array, os, socket
def told(state, descriptor):
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
    notify.sendmsg([state.encode()], rights)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, open("/dev/null") as file:
    notify.connect("/run/systemd/notify")
    told("STATUS=taken over\\nFDSTORE=1\\nFDNAME=ours", file.fileno())
    reading, writing = os.pipe()
    told("BARRIER=1", writing)
    os.close(writing)
    os.read(reading, 1)  # until the manager has read all of it (sd_notify_barrier(3))
"""


def test_only_the_main_process_tells_the_manager(service: Machine) -> None:
    """A child that was taken over stores no descriptor, and nothing else it says is heard."""

    def after_a_child_told() -> list[str]:
        join = "echo 0 >/sys/fs/cgroup/system.slice/fdbrokerd.service/cgroup.procs"
        become = "exec setpriv --reuid=_fdbroker --regid=_fdbroker --clear-groups --"
        service.run("sh", "-ec", f'{join}; {become} python3 -Ic "$0"', NOTIFY)
        return [service.show(UNIT, key) for key in ("StatusText", "NFileDescriptorStore")]

    before = [service.show(UNIT, key) for key in ("StatusText", "NFileDescriptorStore")]
    assert after_a_child_told() == before
    drop_in(service, "NotifyAccess=all")
    service.systemctl("restart", UNIT)
    status, held = after_a_child_told()
    assert status == "taken over", "without the line in the unit it is heard"
    assert int(held) == int(before[1]) + 1
    service.systemctl("stop", SOCKET, UNIT)
    service.systemctl("clean", "--what=fdstore", UNIT)
