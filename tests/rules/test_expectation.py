# SPDX-License-Identifier: MIT
"""The section `tests`."""

import os
import pwd

import pytest

from .said import mistakes

RULES = """\
fdbroker: 1
resources:
  pty: {kind: pty, arguments: {part: {enum: [key, chain], default: chain}}}
rules:
- {id: a, allow: pty, peer: {uid: [0, 5]}}
- {id: g, allow: pty, peer: {gid: 7}, with: {part: chain}}
- {id: d, deny: pty, peer: {uid: 5, gid: 6}}
- {id: u, allow: pty, peer: {unit: x.service, not: {container: "*"}}}
tests:
"""


def refusals(test: str) -> list[str]:
    """Return what is said of a test in line 10."""
    return mistakes(f"{RULES}- {{{test}}}\n")


@pytest.mark.parametrize(
    "test",
    [
        "as: {user: root}, get: pty, expect: allow",
        "as: {uid: 0}, get: pty, expect: allow",
        "as: {user: nobody}, get: pty, expect: deny",
        "as: {uid: 65534}, get: pty, expect: deny",
        "as: {uid: 1, gid: [3, 7]}, get: pty, expect: allow",
        "as: {uid: 1, gid: 7}, get: pty, with: {part: key}, expect: deny",
        # Nobody's uid is what the kernel shows for any id that it cannot map.
        "as: {user: nobody, gid: 7}, get: pty, expect: deny",
        "as: {uid: 5, gid: 6}, get: pty, expect: deny",
        "as: {uid: 5, gid: 1}, get: pty, expect: allow",
        # Of a bare uid no group is known, and a deny holds on what is unknown.
        "as: {uid: 5}, get: pty, expect: deny",
        "as: {uid: 1, group: root}, get: pty, expect: deny",
        "as: {unit: x.service, uid: 3}, get: pty, expect: allow",
        # Whose uid is unknown may be whom a deny means.
        "as: {unit: x.service}, get: pty, expect: deny",
        "as: {cgroup: /system.slice/x.service, uid: 3}, get: pty, expect: allow",
        "as: {unit: y.service, exe: /x}, get: pty, expect: deny",
        "as: {unit: x.service, container: 'podman:y'}, get: pty, expect: deny",
    ],
)
def test_holds(test: str) -> None:
    assert refusals(test) == []


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("as: {uid: 0}, get: pty, expect: deny", "3: the test expects deny, but it is allowed by"),
        ("as: {uid: 1}, get: pty, expect: allow", "3: the test expects allow, but no rule allows"),
        ("as: {uid: 5}, get: pty, expect: allow", "3: the test expects allow, but it is denied by"),
        ("get: pty, expect: deny", "3: as is missing"),
        ("as: {uid: 1}, get: pty", "3: expect is missing"),
        ("as: {uid: 1}, expect: deny", "3: a test says one verb"),
        ("as: {uid: 1}, put: pty, expect: deny", "18: unknown key 'put'"),
        ("as: {uid: 1}, get: pyt, expect: deny", "23: get: there is no resource 'pyt'; did you me"),
        ("as: {uid: 1}, get: pty, expect: denied", "36: expect: 'denied' is not one of allow, den"),
        ("as: {}, get: pty, expect: deny", "8: as: names a user, a uid or a unit"),
        ("as: {uid: 1, user: root}, get: pty, expect: deny", "8: as: names either a user or a uid"),
        ("as: {user: no-such-1}, get: pty, expect: deny", "15: user: there is no user 'no-such-1'"),
        ("as: {uid: 1, group: [root, no-such-1]}, get: pty, expect: deny", "31: group: there is n"),
        ("as: {uid: 1-5}, get: pty, expect: deny", "14: uid: '1-5' is not a decimal number"),
        ("as: {uid: 1, unti: x}, get: pty, expect: deny", "17: unknown key 'unti'; did you mean u"),
        ("as: {exe: /x}, get: pty, expect: deny", "8: as: names a user, a uid or a unit"),
        ("as: {uid: 1}, get: pty, with: {prat: x}, expect: deny", "prat: is unknown to this"),
        ("as: {uid: 1}, get: pty, with: {part: x}, expect: deny", "41: part: is not one of key,"),
    ],
)  # fmt: skip
def test_refused(test: str, said: str) -> None:
    first = refusals(test)[0]
    assert first.startswith("f.yaml:10:")
    assert said in first


def test_every_failed_test_is_told() -> None:
    said = mistakes(
        f"{RULES}- {{as: {{uid: 0}}, get: pty, expect: deny}}\n"
        "- {as: {uid: 1}, get: pty, expect: allow}\n"
    )
    assert [one.split(":")[1] for one in said] == ["10", "11"]


def test_a_user_has_the_groups_that_the_system_knows() -> None:
    root = pwd.getpwuid(0)
    for gid in os.getgrouplist(root.pw_name, root.pw_gid):
        rules = f"rules: [{{id: a, allow: pty, peer: {{gid: {gid}}}}}]\n"
        test = "tests: [{as: {user: root}, get: pty, expect: allow}]\n"
        assert mistakes(f"fdbroker: 1\nresources: {{pty: {{kind: pty}}}}\n{rules}{test}") == []
