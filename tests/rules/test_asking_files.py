# SPDX-License-Identifier: MIT
"""`fdbrokerctl` about items, on files: explain, who-can and check."""

import json
import pwd
from pathlib import Path

import pytest

from fdbrokerd.cli.ctl import main

ROOT = pwd.getpwuid(0).pw_name

RULES = """\
fdbroker: 1
resources: {own: {kind: store, names: "${user}/**"}}
rules:
- {id: all, allow: own, do: put, peer: {uid: 0-9}}
- {id: pads, allow: own/*/pad, peer: {uid: 0}}
"""


@pytest.fixture
def rules(tmp_path: Path) -> str:
    """Return a file of rules; it is the users' own names that decide."""
    (tmp_path / "50-own.yaml").write_text(RULES)
    return str(tmp_path / "50-own.yaml")


@pytest.mark.parametrize(
    ("name", "who", "status"),
    [
        (f"own/{ROOT}/x", "uid=0", 0),
        (f"own/{ROOT}/x", f"user={ROOT}", 0),
        (f"own/{ROOT}/x", "uid=1", 77),
        ("own/nobody-of-this-name/x", "uid=0", 77),
        ("own", "uid=0", 77),
    ],
)
def test_explain_asks_for_the_users_name(
    rules: str, name: str, who: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", name, "--do", "put", "--as", who, "--rules", rules]) == status
    out = capsys.readouterr().out
    assert out.startswith(f"put {name}\n")
    assert ("=> allowed by all\n" in out) is (status == 0)


def test_who_can_tells_items_and_names(rules: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["who-can", "own", "--json", "--rules", rules]) == 0
    (pads,) = json.loads(capsys.readouterr().out)["entries"]
    assert (pads["rule"], pads["items"], pads["names"]) == ("pads", "*/pad", "${user}/**")
    assert main(["who-can", "own/alice/x", "--do", "put", "--rules", rules]) == 0
    assert "  allowed: uid 0-9, names ${user}/** (all, " in capsys.readouterr().out


def test_check_runs_tests_of_items(rules: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", rules]) == 0
    Path(rules).write_text(f"{RULES}tests:\n- {{as: {{uid: 1}}, put: own/x/y, expect: allow}}\n")
    assert main(["check", rules]) == 78
    assert "own/x/y is not a name that own holds for you" in capsys.readouterr().err
