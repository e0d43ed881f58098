"""Bills are exact: hand-computed ones come out to the last digit, and what was not measured is not billed as 0."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders_cost import sample, window
from loadlab.analysis.billed_size import BilledSize, billed_size
from loadlab.analysis.billing import bill_usd, make_tariff, make_tariffs, prices_cancel
from loadlab.analysis.money import ceil_to, exact, round_usd
from loadlab.analysis.use import Use, scaled_use, total_use, window_use
from loadlab.config.prices import load_price_list, load_price_lists
from loadlab.errors import ConfigError
from loadlab.execute.prometheus import absent_sample
from loadlab.model.experiment import Billing, PriceRef, Resources

HOUR = Use(
    span_s=Fraction(3600),
    requests=Fraction(0),
    active_s=Fraction(3600),
    held_s=Fraction(3600),
    cpu_s=Fraction(3600),
    memory_bytes=Fraction(2 * 1024**3),
)
ONE_AND_TWO = Resources(cpu=Decimal(1), memory_gib=Decimal(2))


@pytest.mark.parametrize(
    ("list_id", "billing", "asked_gib", "requests", "usd"),
    [
        ("aws-fargate-x86", "provisioned", "2", 0, "0.049370"),
        ("aws-fargate-arm", "provisioned", "2", 0, "0.039500"),
        ("gke-autopilot", "provisioned", "2", 0, "0.054345"),
        ("cloud-run-instance", "provisioned", "2", 0, "0.079200"),
        ("cloud-run-request", "request_billed", "2", 0, "0.104400"),
        ("cloud-run-request", "request_billed", "2", 1_000_000, "0.504400"),
        ("azure-container-apps-japaneast", "request_billed", "2", 0, "0.108000"),
        ("azure-container-apps-japaneast", "request_billed", "2", 1_000_000, "0.508000"),
        ("azure-container-apps-westus2", "request_billed", "2", 0, "0.151200"),
        ("aws-lambda-x86", "per_request_memory", "1", 0, "0.103653"),
        ("aws-lambda-x86", "per_request_memory", "1", 1_000_000, "0.303653"),
        ("aws-lambda-arm", "per_request_memory", "1", 0, "0.082922"),
        ("opencost-default", "usage", "2", 0, "0.040085"),
    ],
)
def test_one_vcpu_and_two_gib_busy_for_an_hour(
    list_id: str, billing: Billing, asked_gib: str, requests: int, usd: str
) -> None:
    """Lambda is asked for 1 GiB, so that the 1769 MB that come with one vCPU are billed."""
    asked = Resources(cpu=Decimal(1), memory_gib=Decimal(asked_gib))
    tariff = make_tariff(load_price_list(list_id), billing, asked)
    bill = tariff.usd(replace(HOUR, requests=Fraction(requests)))
    assert bill is not None
    assert str(round_usd(bill)) == usd


def test_a_window_on_fargate_costs_its_seconds() -> None:
    tariff = make_tariff(load_price_list("aws-fargate-x86"), "provisioned", ONE_AND_TWO)
    assert tariff.usd(window_use(window(measure_s=3.0))) == Fraction("0.04937") * 3 / 3600
    assert tariff.usd(window_use(replace(window(measure_s=3.0), replicas=4))) == Fraction("0.04937") * 12 / 3600


def test_request_billing_rounds_the_active_time_up_and_charges_every_request_that_ended() -> None:
    tariff = make_tariff(load_price_list("cloud-run-request"), "request_billed", ONE_AND_TWO)
    use = window_use(window(measure_s=3.0, active_s=2.61, good=900, ok=1000, failed=50))
    assert tariff.usd(use) == Fraction("0.000029") * Fraction("2.7") + 1050 * Fraction("0.4") / 10**6


def test_per_request_memory_bills_the_time_environments_are_held_and_the_larger_memory() -> None:
    tariff = make_tariff(load_price_list("aws-lambda-x86"), "per_request_memory", ONE_AND_TWO)
    use = replace(HOUR, requests=Fraction(1010), held_s=Fraction(202))
    assert tariff.size == BilledSize(vcpu=Decimal(1), gib=Decimal(2))
    assert tariff.usd(use) == 202 * 2 * Fraction("0.0000166667") + 1010 * Fraction("0.2") / 10**6


def test_per_request_memory_never_bills_a_window_of_a_shared_replica() -> None:
    """Its requests waited for each other, which no platform of this kind bills."""
    tariff = make_tariff(load_price_list("aws-lambda-x86"), "per_request_memory", ONE_AND_TWO)
    assert tariff.usd(window_use(window(good=1000, ceil_ms=202_000))) is None


@pytest.mark.parametrize(
    ("cpu_s", "pss_gib", "usd_per_hour"),
    [
        (0.6, 1, "0.040085"),
        (6.0, 1, "0.071696"),
        (0.6, 3, "0.044322"),
        (6.0, 3, "0.075933"),
    ],
)
def test_usage_bills_the_larger_of_request_and_usage(cpu_s: float, pss_gib: int, usd_per_hour: str) -> None:
    """3 s windows: 0.6 and 6 processor seconds are 0.2 and 2 cores of the one asked."""
    tariff = make_tariff(load_price_list("opencost-default"), "usage", ONE_AND_TWO)
    pss = pss_gib * 1024**3
    samples = (sample(100.0, cpu_s=1.0, pss_bytes=pss), sample(103.0, cpu_s=1.0 + cpu_s, pss_bytes=pss))
    bill = tariff.usd(window_use(window(resources=samples)))
    assert bill is not None
    assert round_usd(bill * 1200) == Decimal(usd_per_hour)


@pytest.mark.parametrize(
    "samples",
    [
        (),
        (sample(0.0, cpu_s=1.0, pss_bytes=1),),
        (sample(0.0, cpu_s=None, pss_bytes=1), sample(3.0, cpu_s=2.0, pss_bytes=1)),
        (sample(0.0, cpu_s=1.0, pss_bytes=None), sample(3.0, cpu_s=2.0, pss_bytes=None)),
        (sample(3.0, cpu_s=1.0, pss_bytes=1), sample(3.0, cpu_s=2.0, pss_bytes=1)),
        (sample(0.0, cpu_s=1.0, pss_bytes=1), sample(1.0, cpu_s=1.5, pss_bytes=1), absent_sample(3.0)),
    ],
)
def test_usage_that_was_not_measured_has_no_bill(samples: tuple[object, ...]) -> None:
    tariff = make_tariff(load_price_list("opencost-default"), "usage", ONE_AND_TWO)
    assert tariff.usd(window_use(window(resources=samples))) is None  # type: ignore[arg-type]


def test_memory_of_a_window_that_was_not_seen_to_its_close_is_absent_and_not_that_of_its_beginning() -> None:
    seen = (sample(0.0, cpu_s=1.0, pss_bytes=100), sample(3.0, cpu_s=1.5, pss_bytes=100))
    assert window_use(window(resources=seen)).memory_bytes == 100
    assert window_use(window(resources=(*seen, absent_sample(3.1)))).memory_bytes is None
    late = tuple(replace(one, monotonic_s=at_s) for one, at_s in zip(seen, (0.0, 9.0), strict=True))
    assert (window_use(window(resources=late)).memory_bytes, window_use(window(resources=late)).cpu_s) == (None, None)


def test_processor_seconds_are_scaled_from_the_samples_to_the_window() -> None:
    samples = (sample(10.0, cpu_s=5.0, pss_bytes=100), sample(14.0, cpu_s=7.0, pss_bytes=300))
    use = window_use(window(measure_s=3.0, resources=samples))
    assert use.cpu_s == Fraction(3, 2)
    assert use.memory_bytes == 200


def test_the_lab_s_own_looks_at_a_service_are_not_on_its_bill() -> None:
    """Three samples hold two looks between them."""
    samples = [sample(at_s, cpu_s=cpu_s, pss_bytes=100) for at_s, cpu_s in ((10.0, 5.0), (11.0, 5.5), (12.0, 6.0))]
    looked_at = replace(window(measure_s=2.0, resources=tuple(samples)), scrape_cpu_s=0.25)
    assert window_use(looked_at).cpu_s == Fraction(1, 2)
    assert window_use(replace(looked_at, scrape_cpu_s=2.0)).cpu_s == 0


@pytest.mark.parametrize(
    ("vcpu", "gib", "billed", "rounded"),
    [
        ("1", "2", "1 vCPU + 2 GiB", False),
        ("1", "1", "1 vCPU + 2 GiB", True),
        ("1", "2.5", "1 vCPU + 3 GiB", True),
        ("1", "9", "2 vCPU + 9 GiB", True),
        ("0.3", "0.5", "0.5 vCPU + 1 GiB", True),
        ("0.25", "0.5", "0.25 vCPU + 0.5 GiB", False),
        ("0.25", "1.5", "0.25 vCPU + 2 GiB", True),
        ("0.25", "4", "0.5 vCPU + 4 GiB", True),
        ("5", "17", "8 vCPU + 20 GiB", True),
    ],
)
def test_a_size_that_fargate_does_not_sell_is_billed_as_the_next(
    vcpu: str, gib: str, billed: str, rounded: bool
) -> None:
    tariff = make_tariff(
        load_price_list("aws-fargate-x86"), "provisioned", Resources(cpu=Decimal(vcpu), memory_gib=Decimal(gib))
    )
    assert (tariff.size.label, tariff.size.rounded) == (billed, rounded)
    assert any(f"is not sold; billed as {billed}" in note for note in tariff.notes) == rounded


def test_any_size_is_sold_where_no_sizes_are_listed() -> None:
    price = load_price_list("gke-autopilot")
    odd = Resources(cpu=Decimal("0.8"), memory_gib=Decimal("1.3"))
    assert billed_size(price.billing[0], odd, price.sizes) == BilledSize(vcpu=odd.cpu, gib=odd.memory_gib)


def test_what_is_too_large_for_a_platform_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"sells nothing as large as 32 vCPU \+ 64 GiB; .*16 vCPU \+ 120"):
        make_tariff(
            load_price_list("aws-fargate-x86"), "provisioned", Resources(cpu=Decimal(32), memory_gib=Decimal(64))
        )


@pytest.mark.parametrize(
    ("vcpu", "gib", "billed_mb"),
    [("0.05", "0.1", 128), ("0.05", "0.125", 128), ("1", "0.5", 1769), ("1", "10", 10240), ("5.78", "1", 10225)],
)
def test_memory_billed_per_request_is_within_what_lambda_sells(vcpu: str, gib: str, billed_mb: int) -> None:
    asked = Resources(cpu=Decimal(vcpu), memory_gib=Decimal(gib))
    size = make_tariff(load_price_list("aws-lambda-x86"), "per_request_memory", asked).size
    assert size.gib * 1024 == billed_mb
    assert size.rounded == (billed_mb != Decimal(gib) * 1024)


@pytest.mark.parametrize(("vcpu", "gib"), [("1", "10.5"), ("6", "2")])
def test_what_is_too_large_for_lambda_is_refused_with_the_most_there_is(vcpu: str, gib: str) -> None:
    asked = Resources(cpu=Decimal(vcpu), memory_gib=Decimal(gib))
    with pytest.raises(ConfigError, match=r"sells nothing as large as .*; expected at most 10240 MB, .* 5.79 vCPU"):
        make_tariff(load_price_list("aws-lambda-x86"), "per_request_memory", asked)


def test_a_billing_that_a_list_lacks_is_refused_with_what_it_offers() -> None:
    with pytest.raises(ConfigError, match=r"gke-autopilot is not billed as usage; expected one of: provisioned"):
        make_tariff(load_price_list("gke-autopilot"), "usage", ONE_AND_TWO)


def test_tariffs_come_in_the_order_asked_and_an_unknown_list_is_refused() -> None:
    lists = load_price_lists()
    refs = (
        PriceRef(list_id="opencost-default", billing="usage"),
        PriceRef(list_id="aws-fargate-x86", billing="provisioned"),
    )
    assert [tariff.list_id for tariff in make_tariffs(refs, lists, ONE_AND_TWO)] == [ref.list_id for ref in refs]
    with pytest.raises(ConfigError, match=r"no price list 'nowhere'; expected one of: aws-fargate-arm"):
        make_tariffs((PriceRef(list_id="nowhere", billing="usage"),), lists, ONE_AND_TWO)


@pytest.mark.parametrize(
    ("list_id", "billing", "note"),
    [
        ("aws-fargate-x86", "provisioned", "each start is billed for at least 60 s"),
        ("gke-autopilot", "provisioned", "the cluster costs another 0.1 USD an hour, not in the bill"),
        ("cloud-run-request", "request_billed", "idle instance costs 0.0000025 USD per vCPU-s"),
        ("aws-lambda-x86", "per_request_memory", "is billed for the time it takes alone"),
    ],
)
def test_what_is_not_in_the_bill_is_said(list_id: str, billing: Billing, note: str) -> None:
    assert any(note in line for line in make_tariff(load_price_list(list_id), billing, ONE_AND_TWO).notes)


def test_prices_cancel_under_one_fixed_price_and_not_under_a_fee_per_request() -> None:
    uses = [window_use(window(good=good, active_s=3.0)) for good in (500, 900)]
    fixed = make_tariff(load_price_list("aws-fargate-x86"), "provisioned", ONE_AND_TWO)
    with_fee = make_tariff(load_price_list("cloud-run-request"), "request_billed", ONE_AND_TWO)
    assert prices_cancel(fixed, uses)
    assert not prices_cancel(with_fee, uses)


def test_prices_cancel_under_usage_only_while_nobody_uses_more_than_asked() -> None:
    def used(cpu_s: float | None) -> Use:
        samples = (sample(0.0, cpu_s=0.0, pss_bytes=1), sample(3.0, cpu_s=cpu_s, pss_bytes=1))
        return window_use(window(resources=samples))

    usage = make_tariff(load_price_list("opencost-default"), "usage", ONE_AND_TWO)
    assert prices_cancel(usage, [used(1.0), used(2.9)])
    assert not prices_cancel(usage, [used(1.0), used(3.1)])
    assert not prices_cancel(usage, [used(1.0), used(None)])


def test_uses_add_up_and_memory_is_the_mean_over_time() -> None:
    longer = replace(HOUR, span_s=Fraction(7200), memory_bytes=Fraction(5 * 1024**3), requests=Fraction(8))
    both = total_use([HOUR, longer])
    assert [both.span_s, both.requests, both.cpu_s] == [10_800, 8, 7200]
    assert both.memory_bytes == 4 * 1024**3
    assert total_use([HOUR, replace(HOUR, cpu_s=None)]).cpu_s is None


def test_a_use_scales_with_time_load_and_replicas() -> None:
    minute = replace(HOUR, span_s=Fraction(60), active_s=Fraction(30), requests=Fraction(100), cpu_s=Fraction(6))
    hour = scaled_use(minute, span_s=3600, load_ratio=Fraction(5, 2), replicas=3)
    assert [hour.requests, hour.active_s, hour.cpu_s] == [15_000, 1800, 900]
    assert hour.memory_bytes == 6 * 1024**3


@pytest.mark.parametrize(
    ("usd", "shown"),
    [
        (Fraction(5, 10**7), "0.000000"),
        (Fraction(15, 10**7), "0.000002"),
        (Fraction(25, 10**7), "0.000002"),
        (Fraction(1, 3), "0.333333"),
        (Fraction(-15, 10**7), "-0.000002"),
        (Fraction(10**30), "1" + 30 * "0" + ".000000"),
    ],
)
def test_money_is_rounded_once_half_to_even(usd: Fraction, shown: str) -> None:
    assert str(round_usd(usd)) == shown


def test_a_float_counts_as_it_is_written() -> None:
    assert exact(0.1) == Fraction(1, 10)
    assert exact(1e-7) == Fraction(1, 10**7)
    with pytest.raises(ValueError, match="nan"):
        exact(float("nan"))


@given(st.fractions(min_value=0, max_value=1000), st.fractions(min_value=Fraction(1, 1000), max_value=10))
def test_rounding_up_gives_the_nearest_multiple_above(value: Fraction, step: Fraction) -> None:
    rounded = ceil_to(value, step)
    assert value <= rounded < value + step
    assert (rounded / step).denominator == 1
    assert ceil_to(value, Fraction(0)) == value


@given(st.integers(1, 50), st.fractions(min_value=Fraction(1, 10), max_value=1000))
def test_a_provisioned_bill_is_linear_in_time_and_replicas(replicas: int, span_s: Fraction) -> None:
    tariff = make_tariff(load_price_list("aws-fargate-x86"), "provisioned", ONE_AND_TWO)
    bill = bill_usd(tariff.model, tariff.size, replace(HOUR, span_s=span_s, replicas=replicas))
    assert bill == Fraction("0.04937") / 3600 * span_s * replicas
