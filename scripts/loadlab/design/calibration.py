"""Which steps a calibration takes, in about two minutes; the ladders are drawn while they are climbed."""

from __future__ import annotations

from loadlab.model.calibration import Order

LATENCY_ORDERS: tuple[Order, ...] = (
    Order(id="latency-100us", purpose="latency", delay_s=0.0001, users=1, measure_s=5.0, settle_s=0.5),
    Order(id="latency-1ms", purpose="latency", delay_s=0.001, users=1, measure_s=5.0, settle_s=0.5),
    Order(id="latency-10ms", purpose="latency", delay_s=0.01, users=4, measure_s=5.0, settle_s=0.5),
    Order(id="latency-100ms", purpose="latency", delay_s=0.1, users=30, measure_s=5.0, settle_s=0.7),
    Order(id="latency-1s", purpose="latency", delay_s=1.0, users=250, measure_s=6.0, settle_s=2.6),
)
"""From 0.1 ms to 1 s, with so few users that hardly any answer waits for the generator to be done with another: this
is about the recorder, the ladders are about load. Each has the 1 000 requests that p99 needs, the first the 10 000 of
p99.9 where the machine can."""

PACE_ORDERS: tuple[Order, ...] = (
    Order(
        id="pace-100", purpose="pace", delay_s=0.05, users=0, measure_s=10.5, settle_s=1.0,
        rate_rps=100, pattern="constant",
    ),
    Order(
        id="pace-1000", purpose="pace", delay_s=0.05, users=0, measure_s=5.0, settle_s=1.0,
        rate_rps=1000, pattern="constant",
    ),
)  # fmt: skip
"""Evenly spaced arrivals, so that every count has one right answer. An open load begins 0.5 s after it was ordered."""

ENOUGH_REQUESTS = 1050
"""A step is long enough for so many, that its p99, which takes 1 000, is judged."""

RATE_DELAY_S = 0.02
RATES_RPS = (500, 1000, 1500, 2000, 2500, 3000, 3600, 4300, 5200, 6200)
"""Poisson arrivals of 20 ms answers a second on one generator."""
USERS_DELAY_S = 1.0
FIRST_TURN_S, CONNECT_S = 2.05, 0.0006
"""Users begin within one second and wait for another; to connect one takes a generator so long."""
USERS = (250, 500, 1000, 2000, 4000)
"""Users at 1 s on one generator, whose rate stays at as many requests a second."""
DOUBLING_DELAY_S = 0.05


def rate_order(per_generator: int, generators: int, attempt: int) -> Order:
    """A rung of the ladder of rates: short answers to more and more arrivals, whether or not they are answered."""
    rate_rps = per_generator * generators
    return Order(
        id=f"rate-{rate_rps}-{attempt}", purpose="rate", delay_s=RATE_DELAY_S, users=0, measure_s=2.5, settle_s=1.0,
        generators=generators, rate_rps=rate_rps,
    )  # fmt: skip


def users_order(per_generator: int, generators: int, attempt: int) -> Order:
    """A rung of the ladder of concurrency: long answers, many users. Their first turn is over before the window opens.

    They begin within one answer's time, and to connect is in the first request of each.
    """
    users = per_generator * generators
    return Order(
        id=f"users-{users}-{attempt}", purpose="users", delay_s=USERS_DELAY_S, users=users,
        measure_s=_long_enough_s(2.0, users / USERS_DELAY_S), settle_s=FIRST_TURN_S + CONNECT_S * per_generator,
        generators=generators,
    )  # fmt: skip


def doubling_users(rate_rps: float) -> int:
    """As many as are in flight at a rate of short answers, and even; at 50 ms they ask for two fifths of that rate.

    rate_rps: what one generator was found truthful at, since one has to do it alone.
    """
    return max(2, 2 * (round(rate_rps * RATE_DELAY_S) // 2))


def doubling_orders(users: int) -> tuple[Order, Order]:
    """One generator with all users, and two with half of them each."""
    one, two = (
        Order(
            id=f"doubling-{n}", purpose="doubling", delay_s=DOUBLING_DELAY_S, users=users,
            measure_s=_long_enough_s(4.0, users / DOUBLING_DELAY_S), settle_s=0.7, generators=n,
        )
        for n in (1, 2)
    )  # fmt: skip
    return one, two


def _long_enough_s(least_s: float, rate_rps: float) -> float:
    return max(least_s, ENOUGH_REQUESTS / rate_rps)
