# SPDX-License-Identifier: MIT
"""Ten thousand requests across a hundred reloads: each is answered by one ruleset, and is."""

import signal
from collections import Counter
from pathlib import Path

from .broker import MANAGER, Broker, running
from .flood import RESOURCES, Told, flood
from .wire import connect

RELOADS = 100
REQUESTS = 10_000
UIDS = range(1001, 1009)

BROKEN = (
    "  - {id: bad, alow: left}\n",
    "  - {id: bad, allow: left",
    "rules: []\n",
    '  - {id: bad, allow: left, peer: {uid: "9-1"}}\n',
    'tests:\n  - {as: {uid: 1001}, get: left, with: {number: "1"}, expect: deny}\n',
)
"""Each makes a mistake of what it is appended to."""


def generation(directory: Path, number: int) -> str:
    """Return rules that bear a number wherever a peer, or the log, can see it.

    By them one of the two resources is the file with the number in it, the other is denied.
    """
    (directory / str(number)).write_text(f"{number}")
    resources = "".join(
        f"  {name}: {{kind: file, path: {directory}/{number}, access: read, "
        'arguments: {number: {pattern: "[0-9]+"}}}\n'
        for name in RESOURCES
    )
    allowed, denied = RESOURCES[number % 2], RESOURCES[1 - number % 2]
    return (
        f"fdbroker: 1\nresources:\n{resources}rules:\n"
        f'  - {{id: "{number}", allow: {allowed}, peer: {{uid: "1000-1999"}}}}\n'
        f'  - {{id: "{number}-not", deny: {denied}, hint: "{number}"}}\n'
    )


def reload(broker: Broker, text: str, turn: int, *, fails: bool) -> None:
    """Have rules put in force by a call or by the signal, in turn."""
    broker.write_rules(text)
    if turn % 4 < 2:
        with connect(broker.address) as root:
            assert root.call(f"{MANAGER}Reload").error == ("ReloadFailed" if fails else "")
    else:
        broker.process.send_signal(signal.SIGHUP)
    broker.await_ready()


def by_one_ruleset(told: Told) -> int:
    """Return the generation by which a call was answered, which must be only one."""
    number = int(told.text)
    if told.resource == RESOURCES[number % 2]:
        assert (told.error, told.request) == ("", "")
    else:
        assert told.error == "Denied"
    return number


def test_reload_under_load(tmp_path: Path) -> None:
    first = generation(tmp_path, 0)
    with running(tmp_path, first) as broker:
        with flood(tmp_path, broker.address, UIDS, REQUESTS // len(UIDS)) as clients:
            number = 0
            for turn in range(RELOADS):
                if turn % 2:
                    reload(broker, first + BROKEN[turn // 2 % len(BROKEN)], turn, fails=True)
                else:
                    number += 1
                    reload(broker, generation(tmp_path, number), turn, fails=False)
            everything = clients.told()
        assert broker.status()["ruleset"]["generation"] == 1 + RELOADS // 2
        records = broker.records()
    gets = {
        (record["peer"]["uid"], int(record["arguments"]["number"])): record
        for record in records
        if record["method"].endswith(".Get")
    }
    assert len(records) == len(gets) + RELOADS // 2, "one record each, and one for each call"
    answers = {
        (uid, told.number): told for uid, all_told in everything.items() for told in all_told
    }
    assert len(answers) >= REQUESTS
    assert gets.keys() == answers.keys()
    for key, told in answers.items():
        number, record = by_one_ruleset(told), gets[key]
        denied = bool(told.error)
        assert record["resource"] == told.resource
        assert record["rules"] == [f"{number}-not" if denied else str(number)]
        assert record["outcome"] == ("denied" if denied else "granted")
        assert record["descriptors"] == (0 if denied else 1)
        assert not denied or record["request"] == told.request
    for all_told in everything.values():
        numbers = [by_one_ruleset(told) for told in all_told]
        assert numbers == sorted(numbers), "never again the rules of before"
    seen = Counter(by_one_ruleset(told) for told in answers.values())
    assert len(seen) > RELOADS // 4, "there was load all the time"
