"""What may be secret does not stand in a bundle; what is compared still does."""

from __future__ import annotations

import pytest

from builders import make_experiment
from loadlab.config import NOT_KEPT, redacted
from loadlab.model.experiment import CommandService, Experiment, ImageService, Service, UrlService


def _kept(service: Service) -> Service:
    experiment: Experiment = redacted(make_experiment(services={"mine": service}))
    return experiment.stacks[0].service


def test_an_environment_keeps_its_names_alone() -> None:
    env = {"DB_PASSWORD": "hunter22", "WORKERS": "2"}
    for service in (CommandService(command=("serve",), env=env), ImageService(image="mine:1", port=80, env=env)):
        kept = _kept(service)
        assert isinstance(kept, CommandService | ImageService)
        assert kept.env == {"DB_PASSWORD": NOT_KEPT, "WORKERS": NOT_KEPT}


@pytest.mark.parametrize(
    ("word", "kept"),
    [
        ("--threads=8", "--threads=8"),
        ("--db-password=hunter22", "--db-password=(not kept)"),
        ("API_TOKEN=abc", "API_TOKEN=(not kept)"),
        ("postgres://me:hunter22@127.0.0.1/shop", "postgres://(not kept)@127.0.0.1/shop"),
        ("--dsn=x-fromenv-y", "--dsn=x-(not kept)-y"),
        ("127.0.0.1:{port}", "127.0.0.1:{port}"),
        ("tokenizer:app", "tokenizer:app"),
    ],
)
def test_a_command_keeps_what_is_no_secret(word: str, kept: str) -> None:
    service = CommandService(command=("serve", word), env={"DSN": "fromenv", "N": "8"})
    after = _kept(service)
    assert isinstance(after, CommandService)
    assert after.command == ("serve", kept)


def test_the_word_after_an_option_for_a_secret_is_not_kept() -> None:
    after = _kept(CommandService(command=("serve", "--token", "abc", "--secret", "--port", "80")))
    assert isinstance(after, CommandService)
    assert after.command == ("serve", "--token", NOT_KEPT, "--secret", "--port", "80")


def test_a_token_in_the_address_of_metrics_is_not_kept() -> None:
    after = _kept(UrlService(url="http://127.0.0.1:1", metrics_url="http://127.0.0.1:1/metrics?token=abc&x=1"))
    assert isinstance(after, UrlService)
    assert after.metrics_url == "http://127.0.0.1:1/metrics?token=(not kept)&x=1"


def test_settings_of_the_lab_s_own_services_stay() -> None:
    experiment = make_experiment()
    assert redacted(experiment) == experiment
