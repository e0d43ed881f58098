"""Prices are told as the list has them: every digit, with region, date, source and what is billed."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from loadlab.analysis.billing import make_tariff
from loadlab.analysis.price_lists import describe_price_lists
from loadlab.config.prices import load_price_lists
from loadlab.model.experiment import Billing, Resources

LISTS = load_price_lists(Path(__file__).parents[3] / "scripts" / "prices")


@pytest.mark.parametrize(
    ("name", "billing", "unit_prices"),
    [
        ("aws-fargate-x86", "provisioned", ("$0.04048 per vCPU-h", "$0.004445 per GiB-h")),
        (
            "aws-lambda-x86",
            "per_request_memory",
            ("$0.0000166667 per GiB-s of each request", "$0.20 per million requests", "time rounded up to 0.001 s"),
        ),
        (
            "cloud-run-request",
            "request_billed",
            (
                "$0.000024 per vCPU-s",
                "$0.0000025 per GiB-s",
                "$0.40 per million requests",
                "time rounded up to 0.1 s",
            ),
        ),
        ("opencost-default", "usage", ("$0.031611 per vCPU-h", "$0.004237 per GiB-h")),
    ],
)
def test_unit_prices_keep_every_digit_of_the_list(name: str, billing: Billing, unit_prices: tuple[str, ...]) -> None:
    tariff = make_tariff(LISTS[name], billing, Resources(cpu=Decimal(1), memory_gib=Decimal(2)))
    (told,) = describe_price_lists((tariff,), LISTS)
    assert told.unit_prices == unit_prices
    assert (told.id, told.billing, told.billed_size) == (name, billing, "1 vCPU + 2 GiB")
    price = LISTS[name]
    facts = (told.title, told.region, told.as_of, told.source, told.confidence)
    assert facts == (price.title, price.region, price.as_of, price.source, price.confidence)


def test_a_size_that_is_not_sold_is_told_as_the_one_that_is_billed() -> None:
    tariff = make_tariff(LISTS["aws-fargate-x86"], "provisioned", Resources(cpu=Decimal(1), memory_gib=Decimal("0.5")))
    (told,) = describe_price_lists((tariff,), LISTS)
    assert told.billed_size == "1 vCPU + 2 GiB"
    assert "1 vCPU + 0.5 GiB is not sold; billed as 1 vCPU + 2 GiB" in told.notes
