# SPDX-License-Identifier: MIT
"""What happens after the verdict: leases, failures at every step, records before the reply."""

from collections.abc import Callable, Iterator
from errno import EPERM, ETOOMANYREFS
from pathlib import Path

import pytest

from fdbrokerd.asked import InForce
from fdbrokerd.errors import LimitReached
from fdbrokerd.exchange import Answer, Caller
from fdbrokerd.fd import OwnedFd
from fdbrokerd.messages import decode
from fdbrokerd.model.rule import Limit, Rate
from fdbrokerd.model.ruleset import NOTHING

from .desk import Desk, told
from .made import OTHER, a_peer, a_resource, a_rule, file_spec
from .office import an_office


@pytest.fixture
def desk(place: Path) -> Iterator[Desk]:
    with an_office(place) as desk:
        yield desk


def test_a_lease_is_out_until_it_is_released(desk: Desk) -> None:
    grant = desk.told("Get", resource="one")["grant"]
    assert desk.told("Get", resource="one") == {"error": "LimitReached", "limit": "held"}
    assert desk.told("Release", grant=grant, uid=OTHER)["error"] == "InvalidParameter"
    assert desk.told("Release", grant=grant) == {}
    assert desk.told("Release", grant=grant) == {"error": "InvalidParameter", "parameter": "grant"}
    assert desk.nothing_is_held()
    outcomes = [record["outcome"] for record in desk.records()]
    assert outcomes == ["granted", "failed", "failed", "answered", "failed"]


def _by_delivery(desk: Desk) -> Answer:
    answer = desk.ask("Get", resource="one")
    assert len(desk.leases) == 1
    answer.delivered("the peer is gone")
    return answer


def _by_opener(desk: Desk) -> Answer:
    desk.opener.full = LimitReached(limit="openers")
    answer = desk.ask("Get", resource="slow-missing")
    answer.delivered()
    return answer


@pytest.mark.parametrize(
    ("fail", "detail"), [(_by_delivery, "the peer is gone"), (_by_opener, "limit reached: openers")]
)
def test_what_fails_late_is_given_back(
    desk: Desk, fail: Callable[[Desk], Answer], detail: str
) -> None:
    answer = fail(desk)
    assert desk.nothing_is_held()
    assert all(one.closed for one in answer.descriptors)
    (record,) = desk.records()
    assert (record["outcome"], record["detail"]) == ("failed", detail)
    assert desk.broker.grants.descriptors == 0


@pytest.mark.parametrize(
    ("errno", "error"), [(EPERM, "OpenFailed"), (ETOOMANYREFS, "Busy")]
)  # fmt: skip
def test_a_peer_that_takes_no_descriptors_is_told(desk: Desk, errno: int, error: str) -> None:
    answer = desk.ask("Get", resource="one")
    answer.delivered("the descriptors could not be sent")
    instead = answer.instead(errno)
    assert instead is not None
    assert told(instead)["error"] == f"io.fdbroker.Broker.{error}"
    assert instead.descriptors == ()
    instead.delivered()
    (record,) = desk.records()
    assert record["outcome"] == "failed"
    assert desk.nothing_is_held()


def test_the_peers_end_before_the_question(desk: Desk) -> None:
    def gone() -> OwnedFd:
        raise ProcessLookupError(3, "No such process")

    answers: list[Answer] = []
    call = decode(b'{"method":"io.fdbroker.Broker.Get","parameters":{"resource":"one"}}')
    desk.broker.answer(Caller(a_peer(), gone), call, answers.append)
    answers[0].delivered()
    assert told(answers[0])["parameters"]["errnoName"] == "ESRCH"
    assert len(desk.records()) == 1
    assert desk.nothing_is_held()


def test_a_request_keeps_the_rules_that_it_began_with(desk: Desk) -> None:
    call = b'{"method":"io.fdbroker.Broker.Get","parameters":{"resource":"slow"}}'
    assert desk.start(call) == []
    desk.broker.in_force = InForce(NOTHING)
    desk.opener.work()
    (answer,) = desk.answers
    answer.delivered()
    assert desk.records()[0]["rules"] == ["users"]
    assert desk.told("Get", resource="slow")["error"] == "Denied"


def test_a_required_record_is_there_before_the_reply(place: Path) -> None:
    with an_office(place, required=True) as desk:
        answer = desk.ask("Get", resource="one")
        (record,) = desk.records()
        assert record["outcome"] == "granted"
        answer.delivered()
        assert desk.records() == [], "and it stays the only one"


def test_without_a_required_record_nothing_is_granted(place: Path) -> None:
    with an_office(place, required=True, file="/dev/full") as desk:
        answer = desk.ask("Get", resource="one")
        assert told(answer)["error"] == "io.fdbroker.Broker.Unavailable"
        assert answer.descriptors == ()
        answer.delivered()
        assert desk.nothing_is_held()
        desk.log.flush()
        assert desk.log.lost == 2


def test_a_rate_is_counted_for_failures_too(place: Path) -> None:
    missing = a_resource("missing", "file", file_spec(root=str(place), path="no"))
    rule = a_rule("r", "missing", limit=Limit(rate=Rate(2, 60)))
    desk = Desk(place, [missing], [rule])
    errors = [desk.told("Get", resource="missing")["error"] for _ in range(3)]
    assert errors == ["OpenFailed", "OpenFailed", "LimitReached"]
    desk.close()
