"""Expositions come back out of a bundle with their times and the labels of their targets."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import make_window
from loadlab.errors import BundleError
from loadlab.execute.scrapes import read_scrapes
from loadlab.execute.store import BundleStore
from simulated import FakeClock


@pytest.fixture
def store(tmp_path: Path) -> BundleStore:
    with BundleStore(tmp_path / "run", FakeClock()) as opened:
        return opened


def test_a_stacks_process_goes_by_its_block_and_attempt_and_a_replica_by_its_pod(store: BundleStore) -> None:
    store.put_window(make_window("b02-008-pool-t2", block=2, stack="pool"), "# scraped 5.5\na 1\n")
    store.put_window(
        make_window("b03-008-loop", block=3, stack="loop"), "# scraped 7 loop-x\na 1\n# scraped 7 loop-y\na 2\n"
    )
    found = {scrape.labels["pod"]: scrape for scrape in read_scrapes(store.folder)}
    assert set(found) == {"pool-b02-t2", "loop-x", "loop-y"}
    assert (found["pool-b02-t2"].unix_s, found["pool-b02-t2"].text) == (5.5, "a 1\n")
    labels = {"job": "sut", "namespace": "loadlab", "pod": "loop-y", "instance": "loop-y", "stack": "loop"}
    assert found["loop-y"].labels == labels


def test_the_load_generator_names_its_stacks_itself(store: BundleStore) -> None:
    store.put_window(make_window("b01-008-pool", stack="pool"), "", "# scraped 5\nlocust_users 8\n")
    (scrape,) = read_scrapes(store.folder)
    assert scrape.labels == {
        "job": "locust",
        "namespace": "loadlab",
        "pod": "locust-master",
        "instance": "locust-master",
    }


def test_replicas_of_bundles_of_before_are_told_apart_by_number(store: BundleStore) -> None:
    store.put_window(make_window("b01-008-pool", stack="pool"), "# scraped 5\na 1\n# replica 1\na 2\n")
    assert [(s.labels["pod"], s.unix_s, s.text) for s in read_scrapes(store.folder)] == [
        ("pool-b01", 5.0, "a 1\n"),
        ("pool-b01-1", 5.0, "a 2\n"),
    ]


def test_expositions_of_a_window_that_was_never_finished_are_left_out(store: BundleStore) -> None:
    store.put_window(make_window("b01-008-pool", stack="pool"), "# scraped 5\na 1\n")
    (store.folder / "windows" / "b01-008-pool.json").unlink()
    assert list(read_scrapes(store.folder)) == []


@pytest.mark.parametrize("text", ["# scraped soon\na 1\n", "# scraped \n"])
def test_a_time_that_is_none_is_one_line(store: BundleStore, text: str) -> None:
    store.put_window(make_window("b01-008-pool", stack="pool"), text)
    with pytest.raises(BundleError, match=r"b01-008-pool\.om: got .* for a time; the file is damaged"):
        list(read_scrapes(store.folder))


def test_a_damaged_window_is_one_line(store: BundleStore) -> None:
    store.put_window(make_window("b01-008-pool", stack="pool"), "# scraped 5\na 1\n")
    (store.folder / "windows" / "b01-008-pool.json").write_text("{")
    with pytest.raises(BundleError, match=r"b01-008-pool\.json: damaged"):
        list(read_scrapes(store.folder))
