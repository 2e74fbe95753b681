# SPDX-License-Identifier: MIT
"""fdbrokerctl on files, and as administrators use it with a broker."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fdbrokerd.cli.ctl import main
from fdbrokerd.cli.pretence import pretence
from fdbrokerd.errors import UsageError
from fdbrokerd.model.facts import KEYS
from fdbrokerd.rules.pretended import PRETENDED_KEYS
from tests.cli.brokers import PATIENCE, environment, get, running_broker

RULES = """
fdbroker: 1
resources:
  pty: {{kind: pty}}
  tls: {{kind: pty, arguments: {{part: {{enum: [key, chain], default: chain}}}}}}
rules:
  - {{id: own, allow: pty, peer: {{uid: {uid}}}}}
  - {{id: mail, allow: tls, with: {{part: key}}, peer: {{unit: postfix.service}}}}
  - {{id: staff, allow: tls, peer: {{gid: [50, 51]}}}}
  - {{id: never-from-builds, deny: "*", peer: {{cgroup: "/**/build-*/**"}}, hint: Not here.}}
"""

RULES_BY_ID = """
fdbroker: 1
resources:
  pty: {{kind: pty}}
  tls: {{kind: pty, arguments: {{part: {{enum: [key, chain], default: chain}}}}}}
rules:
  - {{id: own, allow: pty, peer: {{uid: {uid}}}}}
  - {{id: mail, allow: tls, with: {{part: key}}, peer: {{uid: 4711}}}}
  - {{id: staff, allow: tls, peer: {{gid: [50, 51]}}}}
  - {{id: never-guests, deny: "*", peer: {{uid: 4712}}, hint: Not here.}}
"""
"""A broker refuses rules by unit or cgroup on a machine that cannot tell it."""


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("rules")
    directory.chmod(0o755)
    (directory / "a.yaml").write_text(RULES.format(uid=os.geteuid()))
    (directory / "a.yaml").chmod(0o644)
    return str(directory)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("broker")
    admins = f"admins: {{uid: {os.geteuid()}}}\n"
    with running_broker(directory, RULES_BY_ID.format(uid=os.geteuid()), admins) as where:
        yield where


class Ran:
    """What a command line came to."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def values(self) -> dict[str, object]:
        """Return the JSON that was printed."""
        values = json.loads(self.out)
        assert isinstance(values, dict)
        return values


Run = Callable[..., Ran]


@pytest.fixture
def ran(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str) -> Ran:
        try:
            status = main(words)
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else -1
        out, err = capsys.readouterr()
        return Ran(status, out, err)

    return run


# explain


def test_explain_on_files(ran: Run, rules: str) -> None:
    done = ran("explain", "tls", "part=key", "--as", "unit=postfix.service", "--rules", rules)
    assert done.status == 0
    assert "=> allowed by mail\n" in done.out
    done = ran("explain", "tls", "--rules", rules, "--as", "uid=7,unit=znc.service", "part=key")
    assert done.status == 77
    assert "to allow it: in mail" in done.out
    assert "unit: wants postfix.service, found znc.service" in done.out
    done = ran(
        "explain", "--json", "--rules", rules, "tls", "--as", "uid=7,gid=1+51", "--do", "get"
    )
    assert (done.status, done.values["allowed"]) == (0, True)
    assert ran("explain", "pyt", "--rules", rules).status == 77
    assert ran("explain", "tls", "part=x", "--rules", rules).status == 64


def test_explain_takes_a_process(ran: Run, rules: str) -> None:
    own = ran("explain", "pty", "--rules", rules)
    other = ran("explain", "pty", "--rules", rules, "--pid", str(os.getpid()))
    assert own.out == other.out
    assert f"by uid {os.geteuid()}, " in own.out
    gone = ran("explain", "pty", "--rules", rules, "--pid", str(2**22 + 1))
    assert gone.status != 0
    assert "there is no process" in gone.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["explain"], "RESOURCE is missing"),
        (["explain", "pty", "--as", "uid=1", "--pid", "1"], "not allowed with"),
        (["explain", "pty", "--request", "x"], "--request says by itself"),
        (["explain", "--request", "x", "--rules", "/x"], "known to the broker only"),
        (["explain", "pty", "x"], "not an argument: 'x'"),
        (["explain", "pty", "x=1", "x=1"], "argument x is given twice"),
        (["who-can"], "RESOURCE"),
        (["graph", "--format", "svg"], "invalid choice"),
        (["schema", "x"], "invalid choice"),
    ],
)
def test_wrong_command_lines(ran: Run, words: list[str], said: str) -> None:
    done = ran(*words)
    assert (done.status, done.out) == (64, "")
    assert said in done.err


def test_every_mistake_of_the_files_is_told(ran: Run, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "a.yaml").write_text("fdbroker: 1\nx: 1\nrules: []\n")
    (tmp_path / "a.yaml").chmod(0o644)
    for verb in ("explain", "who-can", "graph"):
        operands = [] if verb == "graph" else ["pty"]
        done = ran(verb, *operands, "--rules", str(tmp_path))
        assert (done.status, done.out) == (78, "")
        assert [line.split(":")[2] for line in done.err.splitlines()] == ["2", "3"]


# --as


def test_a_pretence_has_every_key() -> None:
    made = pretence("user=root,gid=5+6,group=root,gid=7," + ",".join(f"{key}=x" for key in KEYS))
    assert made.uid == 0
    assert {5, 6, 7, 0} <= set(made.gids)
    assert made.facts == dict.fromkeys(KEYS, "x")
    assert set(PRETENDED_KEYS) == {"user", "uid", "group", "gid", *KEYS}


def test_a_pretence_may_hold_commas_and_equals_signs() -> None:
    assert pretence("uid=1,label=s0:c1,c2,exe=/x=y").facts == {"label": "s0:c1,c2", "exe": "/x=y"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not of the form KEY=VALUE: ''"),
        ("root", "not of the form KEY=VALUE: 'root'"),
        ("usr=root", "not of the form KEY=VALUE: 'usr=root'; did you mean user?"),
        ("user=root,user=root", "user is given twice"),
        ("user=", "user: is empty"),
        ("uid=-1", "uid: '-1' is not a decimal number"),
        ("gid=1+x", "gid: 'x' is not a decimal number"),
        ("user=no-such-1", "there is no user 'no-such-1'"),
        ("uid=1,group=no-such-1", "there is no group 'no-such-1'"),
        ("uid=1,user=root", "names either a user or a uid"),
        ("exe=/x", "names a user, a uid or a unit"),
    ],
)
def test_pretences_that_cannot_be(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        pretence(text)
    assert str(caught.value) == f"--as: {said}"


# who-can, graph, schema, check


def test_who_can_on_files(ran: Run, rules: str) -> None:
    done = ran("who-can", "tls", "--rules", rules, "part=chain")
    assert done.status == 0
    assert done.out.splitlines()[1:] == [
        f"  allowed: gid 50-51 (staff, {rules}/a.yaml:9:5)".replace("50-51", "50 or 51"),
        f"  except: cgroup /**/build-*/** (never-from-builds, {rules}/a.yaml:10:5): Not here.",
    ]
    values = ran("who-can", "tls", "--json", "--rules", rules).values
    assert isinstance(values["entries"], list)
    assert [entry["rule"] for entry in values["entries"]] == ["mail", "staff", "never-from-builds"]
    assert values["entries"][0]["with"] == "part=key"
    assert ran("who-can", "tls", "part=x", "--rules", rules).status == 64


def test_graphs(ran: Run, rules: str) -> None:
    assert ran("graph", "--rules", rules).out.startswith("digraph fdbrokerd {\n")
    assert ran("graph", "--rules", rules, "--format", "mermaid").out.startswith("flowchart LR\n")
    values = ran("graph", "--rules", rules, "--json").values
    assert values["format"] == "dot"


def test_a_graph_of_the_settings_rules(ran: Run, rules: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    settings = tmp_path / "s.yaml"
    settings.write_text(f"fdbroker: 1\nrules-dirs: {rules}\n")
    settings.chmod(0o644)
    assert ran("graph", "--config", str(settings)).out == ran("graph", "--rules", rules).out


def test_schemas(ran: Run) -> None:
    assert ran("schema").out == ran("schema", "rules", "--json").out
    properties = ran("schema", "settings").values["properties"]
    assert isinstance(properties, dict)
    assert "admins" in properties


def test_check_lists_what_it_read_replaced_masked_and_refused(ran: Run, tmp_path: Path) -> None:
    low, high = tmp_path / "low", tmp_path / "high"
    for directory in (tmp_path, low, high):
        directory.mkdir(exist_ok=True)
        directory.chmod(0o755)
    good = "fdbroker: 1\nresources: {%s: {kind: pty}}\n"
    files = {
        low / "a.yaml": good % "a",
        low / "b.yaml": "broken",
        low / "c.yaml": "broken",
        high / "b.yaml": good % "b",
        high / "d.yaml": "fdbroker: 1\nx: 1\ny: 1\n",
        high / "README": "",
    }
    for path, text in files.items():
        path.write_text(text)
        path.chmod(0o644)
    (high / "c.yaml").symlink_to("/dev/null")
    done = ran("check", "--rules", str(low), "--rules", str(high))
    assert done.status == 78
    assert done.out.splitlines() == [
        f"read {low}/a.yaml",
        f"read {high}/b.yaml",
        f"replaced {low}/b.yaml by {high}/b.yaml",
        f"masked {low}/c.yaml by {high}/c.yaml",
        f"refused {high}/README: 1 mistake",
        f"refused {high}/d.yaml: 2 mistakes",
    ]
    assert [line.split(": ")[0] for line in done.err.splitlines()] == [
        f"{high}/README", f"{high}/d.yaml:2:1", f"{high}/d.yaml:3:1",
    ]  # fmt: skip
    values = ran("check", "--json", str(low), str(high)).values
    assert (values["valid"], values["refused"]) == (False, [f"{high}/README", f"{high}/d.yaml"])
    (high / "README").unlink()
    (high / "d.yaml").unlink()
    assert ran("check", str(low), str(high)).out.endswith("2 resources, 0 rules: valid\n")


def test_a_reader_that_has_enough_is_no_fault() -> None:
    command = [sys.executable, "-m", "fdbrokerd.cli.ctl", "schema"]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as done:
        assert done.stdout is not None
        assert done.stderr is not None
        done.stdout.close()
        assert done.stderr.read() == b""
        assert done.wait(PATIENCE) == 141


# With a broker


def test_an_administrator_asks_about_others(ran: Run, address: str) -> None:
    at = ("--socket", address)
    assert ran("explain", "pty", *at).out.startswith("allowed by rule own")
    done = ran("explain", "tls", "part=key", *at, "--as", "uid=4711,gid=1,unit=x.service")
    assert (done.status, "=> allowed by mail" in done.out) == (0, True)
    assert "unit x.service" in done.out
    done = ran("explain", "tls", *at, "--as", "uid=4712,gid=50")
    assert (done.status, "=> denied by never-guests" in done.out) == (77, True)
    done = ran("explain", "pty", *at, "--pid", str(os.getpid()), "--json")
    assert done.values["allowed"] is True
    done = ran("who-can", "tls", *at, "part=chain")
    assert (done.status, "  allowed: gid 50 or 51 (staff, " in done.out) == (0, True)
    assert ran("explain", *at, "--request", "no-such-request").status == 66


def test_a_denial_is_explained_by_its_id(ran: Run, address: str) -> None:
    denied = get(address, "tls", "part=key")
    assert denied.returncode == 77
    *_, last = denied.stderr.split()
    done = ran("explain", "--socket", address, "--request", last)
    assert done.status == 77
    assert "mail: does not hold; uid: wants 4711, found" in done.out


@pytest.mark.parametrize(
    "who",
    [
        "uid=4711,gid=1",
        "uid=4711",
        "unit=postfix.service",
        "uid=7,gid=51",
        "uid=7,gid=51,container=podman:x",
        "uid=7,gid=51,user-unit=a.service,label=a+b,exe=/x",
        "user=root,group=root",
    ],
)
def test_the_broker_says_the_same_as_its_files(
    ran: Run, address: str, tmp_path: Path, who: str
) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES_BY_ID.format(uid=os.geteuid()))
    path.chmod(0o644)
    words = ("explain", "tls", "part=key", "--as", who)
    told, read = ran(*words, "--socket", address), ran(*words, "--rules", str(path))
    place = f"{os.path.dirname(address)}/rules/rules.yaml"
    assert told.out.replace(place, str(path)) == read.out
    assert told.status == read.status
