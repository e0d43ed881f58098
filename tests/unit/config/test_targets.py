"""Load never leaves this machine unless the user named the host it goes to."""

from __future__ import annotations

import pytest

from builders_config import ReadSmall
from loadlab.config import check_targets
from loadlab.config.targets import is_loopback
from loadlab.errors import UsageError
from loadlab.model.experiment import Experiment

OURS = 'service = "fastapi_uvicorn"'


def _aimed_at(read: ReadSmall, url: str, metrics: str = "") -> Experiment:
    more = f'\nmetrics_url = "{metrics}"' if metrics else ""
    return read((OURS, f'url = "{url}"{more}'))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "api.localhost", "::1"])
def test_this_machine_needs_no_permission(read: ReadSmall, host: str) -> None:
    assert is_loopback(host)
    check_targets(_aimed_at(read, f"http://[{host}]:80" if ":" in host else f"http://{host}:80"), ())


def test_the_labs_own_services_need_no_permission(read: ReadSmall) -> None:
    check_targets(read(), ())


@pytest.mark.parametrize("host", ["api.example.org", "10.0.0.1", "0.0.0.0", "localhost.example.org"])
def test_another_machine_is_loaded_only_when_named(read: ReadSmall, host: str) -> None:
    experiment = _aimed_at(read, f"http://{host}:8080")
    with pytest.raises(UsageError, match=rf"stack fastapi: http://{host}:8080 is not this machine; .*--allow-target"):
        check_targets(experiment, ("another.example.org",))
    check_targets(experiment, (host.upper(),))


def test_the_address_of_metrics_counts_too(read: ReadSmall) -> None:
    experiment = _aimed_at(read, "http://127.0.0.1:1", "http://metrics.example.org/metrics")
    with pytest.raises(UsageError, match=r"--allow-target metrics\.example\.org"):
        check_targets(experiment, ())


@pytest.mark.parametrize("value", ["http://api.example.org", "api.example.org:80", "", "a/b"])
def test_a_permission_that_is_no_host_is_refused(read: ReadSmall, value: str) -> None:
    with pytest.raises(UsageError, match="expected a host name or address alone"):
        check_targets(read(), (value,))
