# SPDX-License-Identifier: MIT
"""The manual pages and the programs say the same: neither has what the other lacks."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from fdbrokerd import errors
from fdbrokerd.audit import record
from fdbrokerd.audit.record import DENIED, Record
from fdbrokerd.cli.ctl import EX_BROKEN_PIPE
from fdbrokerd.errors import wire_errors
from fdbrokerd.model.peer import Peer
from tests.core.idl import Interface

from .page import PAGES, ROOT, Page
from .programs import MODULES, help_of, options_of, verbs

SECTIONS = {"fdbrokerd": 8}
EX = {str(getattr(errors, name)) for name in errors.__all__ if name.startswith("EX_")}
"""Every exit status that an error has."""
OUTCOMES = ("GRANTED", "DENIED", "FAILED", "ANSWERED", "HUNG_UP")

_VARIABLE = re.compile(r'"(FDBROKER_[A-Z_]+)"')


def page_of(program: str) -> Page:
    return Page(f"{program}.{SECTIONS.get(program, 1)}")


def assert_same(documented: Iterable[str], real: Iterable[str]) -> None:
    assert sorted(documented) == sorted(set(real))


def test_there_is_a_page_for_each_program_and_each_file() -> None:
    programs = {f"{name}.{SECTIONS.get(name, 1)}" for name in MODULES}
    assert set(PAGES) == programs | {"fdbrokerd.yaml.5", "fdbroker-protocol.7"}


@pytest.mark.parametrize("name", PAGES)
def test_sections_come_in_the_usual_order(name: str) -> None:
    sections = Page(name).sections
    assert sections[0] == "NAME"
    assert sections[-2:] == ["EXAMPLES", "SEE ALSO"]
    usual = ["SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "FILES", "NOTES"]
    found = [section for section in sections if section in usual]
    assert found == sorted(found, key=usual.index)


@pytest.mark.parametrize("program", ["fdbrokerd", "fdbroker-get", "fdbroker-put"])
def test_options_are_those_of_the_help(program: str) -> None:
    assert_same(page_of(program).names("OPTIONS"), options_of(program))


def test_verbs_are_those_of_the_help() -> None:
    assert verbs()
    assert_same(page_of("fdbrokerctl").names("VERBS"), verbs())


def test_options_of_each_verb_are_those_of_its_help() -> None:
    page = page_of("fdbrokerctl")
    common = set(page.names("OPTIONS"))
    asking = {"--socket", "--timeout", "--server-uid"}
    assert common == options_of("fdbrokerctl") | {"--json"} | asking
    for verb in verbs():
        shared = {"-h", "--help", "--json"}
        shared |= set() if verb in {"check", "graph", "schema"} else asking
        assert_same({*page.below("VERBS", verb), *shared}, options_of("fdbrokerctl", verb))


@pytest.mark.parametrize("program", ["fdbroker-get", "fdbroker-put"])
def test_exit_statuses_are_those_of_the_help(program: str) -> None:
    text = help_of(program).split("Exit status:")[1].split("Environment:")[0]
    documented = page_of(program).names("EXIT STATUS")
    assert_same(documented, re.findall(r"\b\d+\b", text))
    assert set(documented) <= EX | {"0"}


def test_every_exit_status_is_documented() -> None:
    documented = {status for name in MODULES for status in page_of(name).names("EXIT STATUS")}
    assert_same(documented, EX | {"0", str(EX_BROKEN_PIPE)})


@pytest.mark.parametrize("program", ["fdbroker-get", "fdbroker-put"])
def test_variables_are_those_of_the_help(program: str) -> None:
    told = re.findall(r"FDBROKER_[A-Z_]+", help_of(program).split("Environment:")[-1])
    assert set(told) <= set(page_of(program).names("ENVIRONMENT"))


def test_every_variable_is_documented() -> None:
    code = [*ROOT.glob("fdbrokerd/cli/*.py"), *ROOT.glob("fdbrokerd/client/*.py")]
    used = {name for path in code for name in _VARIABLE.findall(path.read_text())}
    documented = {name for program in MODULES for name in page_of(program).names("ENVIRONMENT")}
    assert_same({name for name in documented if name.startswith("FDBROKER_")}, used)


def test_journal_fields_are_those_of_a_record() -> None:
    peer = Peer(pid=1, uid=2, gid=3, groups=frozenset({3}))
    full = Record(
        peer,
        "request",
        method="io.fdbroker.Broker.Get",
        resource="tls",
        arguments={"part": "key"},
        verdict="deny",
        rules=("one",),
        descriptors=1,
        lease="lease",
        outcome=DENIED,
        detail="detail",
    )
    beside = {"MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER"}
    assert_same(page_of("fdbrokerd").names("RECORDS"), set(full.fields()) - beside)


def test_outcomes_and_message_ids_are_those_of_the_records() -> None:
    text = page_of("fdbrokerd").text
    ids = {value for name, value in vars(record).items() if name.endswith("_ID")}
    assert set(re.findall(r"\b[0-9a-f]{32}\b", text)) == ids
    outcomes = re.search(r"\*FDBROKER_OUTCOME\*\n(.*?)\n\n", text, re.DOTALL)
    assert outcomes
    told = re.findall(r"\*([a-z-]+)\*", outcomes[1])
    assert_same(told, (getattr(record, name) for name in OUTCOMES))


def interfaces() -> list[Interface]:
    files = sorted(Path(ROOT / "fdbrokerd" / "interfaces").glob("*.varlink"))
    return [Interface(path.read_text()) for path in files]


def test_methods_are_those_of_the_interfaces() -> None:
    page = Page("fdbroker-protocol.7")
    for one in interfaces():
        assert_same(page.names("METHODS", one.name), one.of("method"))


def test_errors_are_those_of_the_interfaces_each_with_its_exit_status() -> None:
    page = Page("fdbroker-protocol.7")
    unserved = {"MethodNotImplemented"}  # of the interface, which every Varlink service has
    for one in interfaces():
        assert_same(page.names("ERRORS", one.name), set(one.of("error")) - unserved)
    statuses = re.findall(r"\*(\w+)\* \((\d+)\)", page.text.split("\n# ERRORS")[1])
    real = {name.rpartition(".")[2]: cls.exit_status for name, cls in wire_errors().items() if name}
    assert {name: int(status) for name, status in statuses} == real
