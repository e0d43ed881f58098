"""Price files are read strictly, and every price in the repository is the one that the providers list."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from loadlab.config.prices import (
    PRICES_FOLDER,
    load_price_file,
    load_price_list,
    load_price_lists,
    parse_price_list,
    price_list_ids,
)
from loadlab.errors import ConfigError
from loadlab.model.price import PerRequestMemory, Provisioned, RequestBilled, Usage

GOOD = """\
id = "here"
title = "A platform"
region = "somewhere"
as_of = "2026-09"
source = "an offer"
confidence = "low"

[billing.provisioned]
usd_per_vcpu_hour = 0.10
usd_per_gib_hour = 0.010

[[size]]
vcpu = 1
min_gib = 2
max_gib = 8
step_gib = 1
"""


def parse(text: str) -> object:
    return parse_price_list(text, "prices/here.toml", expected_id="here")


def test_every_committed_price_file_loads_under_its_own_name() -> None:
    ids = price_list_ids()
    assert len(ids) == 10
    for list_id in ids:
        price = load_price_list(list_id)
        assert price.id == list_id
        assert price.source
        assert price.as_of


@pytest.mark.parametrize(
    ("list_id", "model"),
    [
        (
            "aws-fargate-x86",
            Provisioned(usd_per_vcpu_hour=Decimal("0.04048"), usd_per_gib_hour=Decimal("0.004445"), min_s=Decimal(60)),
        ),
        (
            "aws-fargate-arm",
            Provisioned(usd_per_vcpu_hour=Decimal("0.03238"), usd_per_gib_hour=Decimal("0.00356"), min_s=Decimal(60)),
        ),
        (
            "cloud-run-instance",
            Provisioned(usd_per_vcpu_hour=Decimal("0.000018") * 3600, usd_per_gib_hour=Decimal("0.000002") * 3600),
        ),
        (
            "cloud-run-request",
            RequestBilled(
                usd_per_vcpu_s=Decimal("0.000024"),
                usd_per_gib_s=Decimal("0.0000025"),
                usd_per_million_requests=Decimal("0.40"),
                rounding_s=Decimal("0.1"),
                usd_per_idle_vcpu_s=Decimal("0.0000025"),
                usd_per_idle_gib_s=Decimal("0.0000025"),
            ),
        ),
        (
            "gke-autopilot",
            Provisioned(
                usd_per_vcpu_hour=Decimal("0.0445"),
                usd_per_gib_hour=Decimal("0.0049225"),
                usd_per_cluster_hour=Decimal("0.10"),
            ),
        ),
        (
            "azure-container-apps-japaneast",
            RequestBilled(
                usd_per_vcpu_s=Decimal("0.000024"),
                usd_per_gib_s=Decimal("0.000003"),
                usd_per_million_requests=Decimal("0.40"),
                rounding_s=Decimal(0),
                usd_per_idle_vcpu_s=Decimal("0.000003"),
                usd_per_idle_gib_s=Decimal("0.000003"),
            ),
        ),
        (
            "azure-container-apps-westus2",
            RequestBilled(
                usd_per_vcpu_s=Decimal("0.000034"),
                usd_per_gib_s=Decimal("0.000004"),
                usd_per_million_requests=Decimal("0.40"),
                rounding_s=Decimal(0),
            ),
        ),
        (
            "aws-lambda-x86",
            PerRequestMemory(
                usd_per_gib_s=Decimal("0.0000166667"),
                usd_per_million_requests=Decimal("0.20"),
                rounding_s=Decimal("0.001"),
                mb_per_vcpu=Decimal(1769),
                min_mb=Decimal(128),
                max_mb=Decimal(10240),
            ),
        ),
        (
            "aws-lambda-arm",
            PerRequestMemory(
                usd_per_gib_s=Decimal("0.0000133334"),
                usd_per_million_requests=Decimal("0.20"),
                rounding_s=Decimal("0.001"),
                mb_per_vcpu=Decimal(1769),
                min_mb=Decimal(128),
                max_mb=Decimal(10240),
            ),
        ),
        (
            "opencost-default",
            Usage(usd_per_vcpu_hour=Decimal("0.031611"), usd_per_gib_hour=Decimal("0.004237")),
        ),
    ],
)
def test_prices_are_the_listed_ones_to_the_last_digit(list_id: str, model: object) -> None:
    assert load_price_list(list_id).billing == (model,)


def test_all_lists_of_a_folder_are_keyed_by_id() -> None:
    lists = load_price_lists(PRICES_FOLDER)
    assert tuple(lists) == price_list_ids(PRICES_FOLDER)
    assert all(price.id == list_id for list_id, price in lists.items())


def test_fargate_sells_one_vcpu_with_two_gib_at_least() -> None:
    sizes = load_price_list("aws-fargate-x86").sizes
    assert [(s.min_gib, s.max_gib) for s in sizes if s.vcpu == 1] == [(Decimal(2), Decimal(8))]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "usd_per_gib_hour",
            "usd_per_gb_hour",
            r"here.toml:10: .*usd_per_gb_hour is not a known key; .*usd_per_gib_hour",
        ),
        ("0.010", '"0.010"', r"here.toml:10: billing.provisioned.usd_per_gib_hour is .*expected a number"),
        ("0.10", "-1", r"here.toml:9: .*is -1; expected a number from 0"),
        ("0.10", "true", r"here.toml:9: .*is true; expected a number"),
        ("usd_per_vcpu_hour = 0.10\n", "", r"here.toml:8: billing.provisioned lacks usd_per_vcpu_hour"),
        ("[billing.provisioned]", "[billing.provisional]", r"here.toml:8: .*provisional.*provisioned"),
        ('confidence = "low"', 'confidence = "lo"', r"here.toml:6: confidence is .*expected one of high, medium, low"),
        ('as_of = "2026-09"', "as_of = 2026-09-30", r"here.toml:4: as_of is 2026-09-30; expected a date such as"),
        ('id = "here"', 'id = "there"', r'here.toml:1: id is "there"; expected "here"'),
        ("max_gib = 8", "max_gib = 1", r"here.toml:15: size\[0\].max_gib is 1; expected at least min_gib \(2\)"),
        ("step_gib = 1", "step_gib = 0", r"here.toml:16: size\[0\].step_gib is 0; expected a number above 0"),
        ('title = "A platform"', "title = ", r"not valid TOML.*line 2"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line_with_its_place(old: str, new: str, message: str) -> None:
    assert GOOD.count(old) >= 1
    with pytest.raises(ConfigError, match=message) as caught:
        parse(GOOD.replace(old, new, 1))
    assert "\n" not in str(caught.value)


def test_a_file_without_billing_says_which_models_there_are() -> None:
    with pytest.raises(ConfigError, match=r"lacks a table \[billing.NAME\].*provisioned, request_billed"):
        parse(GOOD[: GOOD.index("[billing")])


def _per_request_memory(lines: str) -> str:
    return GOOD.replace("[billing.provisioned]", "[billing.per_request_memory]").replace(
        "usd_per_vcpu_hour = 0.10\nusd_per_gib_hour = 0.010",
        f"usd_per_gib_s = 1\nusd_per_million_requests = 0\nmb_per_vcpu = 1769\n{lines}",
    )


def test_a_rounding_that_windows_cannot_reproduce_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"here.toml:12: .*rounding_s is 0.1; expected 0.001"):
        parse(_per_request_memory("rounding_s = 0.1"))


def test_memory_that_is_sold_from_more_than_up_to_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"here.toml:14: .*max_mb is 100; expected at least min_mb, which is 128"):
        parse(_per_request_memory("rounding_s = 0.001\nmin_mb = 128\nmax_mb = 100"))


def test_an_unknown_list_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"aws-fargate-x68.*nearest known price list is aws-fargate-x86"):
        load_price_list("aws-fargate-x68")


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: .*expected a price file"):
        load_price_file(tmp_path / "none.toml")
