# SPDX-License-Identifier: MIT
"""`fdbrokerctl doctor`: what this machine can do for the broker, and how to mend what it cannot."""

import argparse
import json
import platform
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec

from fdbrokerd import openat2
from fdbrokerd.cli.report import table
from fdbrokerd.client.client import Client
from fdbrokerd.client.escape import escape
from fdbrokerd.determinable import undeterminable
from fdbrokerd.errors import EX_UNAVAILABLE, Error
from fdbrokerd.listening import SO_PASSRIGHTS
from fdbrokerd.model.facts import KEYS


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is there or not, what it is for, and what is in the way."""

    what: str
    there: bool
    says: str


def doctor(options: argparse.Namespace) -> int:
    """Print what was found; return 0 unless the broker could not even start."""
    openat2_works, findings = _system()
    told = _told(options)
    where = "by the daemon that runs"
    reasons = told.get("undeterminable")
    if not isinstance(reasons, dict):
        where = "by this process; the daemon tells administrators what it can"
        reasons = undeterminable()
    findings += [
        Finding(f"rules by {key}", key not in reasons, reasons.get(key, where)) for key in KEYS
    ]
    impossible = told.get("impossible")
    if isinstance(impossible, list):
        findings += [Finding("a resource", False, warning) for warning in impossible]
    if options.json:
        print(json.dumps([asdict(one) for one in findings], indent=2))
    else:
        rows = [(one.what, "yes" if one.there else "no", one.says) for one in findings]
        print(escape(table(("WHAT", "THERE", "BECAUSE"), rows), keep="\n"))
    return 0 if openat2_works else EX_UNAVAILABLE


def _system() -> tuple[bool, list[Finding]]:
    try:
        openat2.prove()
        trouble = ""
    except Error as error:
        trouble = str(error)
    findings = [
        Finding("openat2", not trouble, trouble or "no path leaves its root"),
        Finding(
            "descriptors refused",
            _refuses_descriptors(),
            f"SO_PASSRIGHTS, Linux 6.16; this is {platform.release()}: docs/security.md",
        ),
        Finding("uvloop", find_spec("uvloop") is not None, "the faster loop: fdbrokerd[fast]"),
        Finding("Python", True, platform.python_version()),
    ]
    return not trouble, findings


def _refuses_descriptors() -> bool:
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_PASSRIGHTS, 0)
        except OSError:
            return False
    return True


def _told(options: argparse.Namespace) -> Mapping[str, object]:
    """Return what the daemon says of itself; nothing where it says nothing to us."""
    try:
        with Client(
            options.socket, timeout_seconds=options.timeout, server_uid=options.server_uid
        ) as broker:
            return broker.status()
    except Error:
        return {}
