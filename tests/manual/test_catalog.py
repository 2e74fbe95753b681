# SPDX-License-Identifier: MIT
"""The journal's catalog explains every message id of the code, in words that can be filled in."""

import re

from fdbrokerd.audit import record
from fdbrokerd.audit.record import DENIED, Record
from fdbrokerd.model.peer import Peer

from .page import ROOT

CATALOG = (ROOT / "systemd" / "fdbrokerd.catalog").read_text()
ENTRY = re.compile(r"^-- ([0-9a-f]{32})\n((?:[A-Z][A-Za-z-]+: .+\n)+)\n(\S.*)", re.MULTILINE)


def test_every_message_id_is_explained_and_no_other() -> None:
    code = [path.read_text() for path in (ROOT / "fdbrokerd").rglob("*.py")]
    in_code = {found for text in code for found in re.findall(r'"([0-9a-f]{32})"', text)}
    assert in_code == {value for name, value in vars(record).items() if name.endswith("_ID")}
    explained = [entry[1] for entry in ENTRY.finditer(CATALOG)]
    assert sorted(explained) == sorted(in_code)


def test_every_entry_has_its_headers() -> None:
    for entry in ENTRY.finditer(CATALOG):
        headers = dict(line.split(": ", 1) for line in entry[2].splitlines())
        assert set(headers) == {"Subject", "Defined-By", "Documentation"}


def test_it_names_only_fields_that_a_record_has() -> None:
    peer = Peer(pid=1, uid=2, gid=3, groups=frozenset({3}))
    fields = Record(peer, "id", method="x.Get", resource="x", outcome=DENIED).fields()
    named = set(re.findall(r"@([A-Z_]+)@", CATALOG))
    assert named
    assert named <= set(fields)
