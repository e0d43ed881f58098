"""Numbers, hosts and seeds of users over several workers; headers out of the environment; the watch over the master."""

from __future__ import annotations

import random
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from _headers import headers_from_environment, sent_by_fast_session, sent_by_session
from _master_watch import SILENT_LOOKS, MasterWatch
from _roster import Roster, deal_ranks, hosts_of, randomness


def environment(worker: str = "local", seed: int = 0, **options: Any) -> Any:
    runner = SimpleNamespace(client_id=worker, worker_index=0, target_user_count=0)
    return SimpleNamespace(runner=runner, parsed_options=SimpleNamespace(lab_seed=seed, **{"rate_rps": 0.0, **options}))


def enrolled(roster: Roster, count: int, host: str = "http://one") -> list[Any]:
    """Users of one worker, made as Locust makes them."""

    def make(user: Any) -> None:
        user.host = host

    users = [SimpleNamespace() for _ in range(count)]
    for user in users:
        roster.enrols(make)(user)
    return users


@pytest.mark.parametrize("users", [1, 5, 6, 7, 12, 100])
@pytest.mark.parametrize("workers", [1, 2, 3, 4])
@pytest.mark.parametrize("hosts", [1, 2, 3, 5])
def test_users_of_all_workers_have_each_number_once_and_hosts_get_their_exact_share(
    users: int, workers: int, hosts: int
) -> None:
    """Locust deals users out one after another, so the first workers have one more."""
    names = [f"http://host-{number}" for number in range(hosts)]
    ranks = {f"worker-{rank}": rank for rank in range(workers)}
    fleet = []
    for worker, rank in ranks.items():
        roster = Roster()
        roster.begin(environment(worker, lab_ranks=ranks))
        fleet += enrolled(roster, len(range(rank, users, workers)), ",".join(names))
    assert sorted(user.lab_number for user in fleet) == list(range(users))
    assert all(user.host == names[user.lab_number % hosts] for user in fleet)
    shares = Counter(user.host for user in fleet)
    assert max(shares.values()) - min(shares.values(), default=0) <= 1


def test_ranks_are_in_the_order_in_which_locust_deals_users_out() -> None:
    nodes = [SimpleNamespace(id=name) for name in ("b", "c", "a")]
    master = environment()
    master.runner._users_dispatcher = SimpleNamespace(_worker_nodes=nodes)
    deal_ranks(master)
    assert master.parsed_options.lab_ranks == {"b": 0, "c": 1, "a": 2}


@pytest.mark.parametrize(("users", "rate_rps", "warned"), [(1, 100.0, True), (3, 100.0, False), (1, 0.0, False)])
def test_a_master_warns_when_some_of_its_workers_get_no_user_to_lead_their_arrivals(
    users: int, rate_rps: float, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    master = environment(rate_rps=rate_rps)
    master.runner.target_user_count = users
    master.runner._users_dispatcher = SimpleNamespace(_worker_nodes=[SimpleNamespace(id=name) for name in "abc"])
    deal_ranks(master)
    assert ("what is due on 2 workers is not sent: start with -u 3 -r 3" in caplog.text) is warned


def test_each_swarm_counts_its_users_anew() -> None:
    roster = Roster()
    for _ in range(2):
        roster.begin(environment())
        assert [user.lab_number for user in enrolled(roster, 3)] == [0, 1, 2]


def test_one_host_stays_as_it_is_and_several_are_told_apart_by_their_scheme() -> None:
    assert hosts_of("http://one:8000/a,b") == ["http://one:8000/a,b"]
    assert hosts_of(" http://one , https://two/x,http://three") == ["http://one", "https://two/x", "http://three"]
    assert hosts_of("") == [""]


def test_a_seed_reaches_what_scenarios_draw_and_none_leaves_it_alone() -> None:
    roster, drawn = Roster(), []
    for seed in (7, 7, 8):
        roster.begin(environment(seed=seed))
        drawn.append(random.random())
    assert drawn[0] == drawn[1] != drawn[2]
    random.seed(1)
    expected = random.Random(1).random()
    roster.begin(environment(seed=0))
    assert random.random() == expected


def test_a_users_own_randomness_goes_by_its_number_whichever_worker_has_it() -> None:
    user = SimpleNamespace(environment=environment(seed=7), lab_number=3)
    again = SimpleNamespace(environment=environment("other", seed=7), lab_number=3)
    other = SimpleNamespace(environment=environment(seed=7), lab_number=4)
    assert randomness(user).random() == randomness(again).random() != randomness(other).random()
    assert randomness(user).random() != randomness(user, "/phase").random()


def test_headers_reach_every_session_and_win_over_those_of_its_class() -> None:
    def make(session: Any) -> None:
        session.headers = {"X-Own": "1", "Authorization": "class"}
        session.client = SimpleNamespace(max_retries=3, default_headers={"Authorization": "class"})

    fast, slow = SimpleNamespace(), SimpleNamespace()
    sent_by_fast_session(make, {"Authorization": "lab"})(fast)
    sent_by_session(make, {"Authorization": "lab"})(slow)
    assert fast.client.default_headers == {"Authorization": "lab"}
    assert fast.client.max_retries == 0, "what is sent twice would be counted once"
    assert slow.headers == {"X-Own": "1", "Authorization": "lab"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("[]", "expected an object whose values are texts"),
        ('{"A": 1}', "expected an object whose values are texts"),
        ('{"A b": "x"}', "'A b' or its value is no header"),
        ('{"A": "s3cret\\r\\nB: 2"}', "'A' or its value is no header"),
    ],
)
def test_headers_that_are_none_end_the_start_in_one_line_without_their_value(text: str, says: str) -> None:
    with pytest.raises(SystemExit, match=says) as ended:
        headers_from_environment({"LAB_HEADERS_JSON": text})
    assert "s3cret" not in str(ended.value)
    assert "\n" not in str(ended.value)


def test_a_silent_master_ends_the_worker_and_one_that_is_heard_does_not() -> None:
    ended: list[bool] = []
    watch = MasterWatch(lambda: False, lambda: ended.append(True))
    for _ in range(3 * SILENT_LOOKS):
        watch.heard()
        assert not watch.look()
    watch.heard()
    looks = [watch.look() for _ in range(SILENT_LOOKS + 1)]
    assert looks == [False] * SILENT_LOOKS + [True]
    assert ended == [True]


def test_a_worker_that_stops_its_users_hears_nobody_and_is_not_ended_for_that() -> None:
    """Locust reads no message meanwhile, which takes as long as the longest request."""
    ended: list[bool] = []
    stopping = [True]
    watch = MasterWatch(lambda: stopping[0], lambda: ended.append(True))
    assert not any(watch.look() for _ in range(5 * SILENT_LOOKS))
    stopping[0] = False
    assert [watch.look() for _ in range(SILENT_LOOKS + 1)][-1]
