"""Service settings are strict: a bad value is one line that names the variable and what is allowed."""

from __future__ import annotations

import pytest

from svc_common.settings import Settings, SettingsError, Stack, load_or_exit


def test_defaults_of_the_sync_stack() -> None:
    settings = Settings.from_env({}, stack="sync")
    assert (settings.host, settings.port, settings.metrics_port) == ("127.0.0.1", 8000, 9100)
    assert (settings.client, settings.client_max_connections, settings.slots) == ("pooled_urllib3", 48, 48)
    assert settings.metrics
    assert settings.limit_concurrency is None


def test_defaults_of_the_async_stack() -> None:
    settings = Settings.from_env({}, stack="async")
    assert (settings.client, settings.client_max_connections) == ("pooled_aiohttp", 10_000)
    assert settings.slots is None


def test_values_are_typed_and_the_client_limit_follows_the_threads() -> None:
    environ = {
        "SVC_WORKERS": "4",
        "SVC_THREADS": "12",
        "SVC_REUSE_PORT": "true",
        "SVC_METRICS": "off",
        "SVC_CLIENT_TIMEOUT_S": "0.25",
        "SVC_UPSTREAM_URL": "http://upstream:81/base/",
        "PATH": "/bin",
    }
    settings = Settings.from_env(environ, stack="sync")
    assert (settings.slots, settings.client_max_connections) == (48, 12)
    assert settings.reuse_port
    assert not settings.metrics
    assert settings.client_timeout_s == 0.25
    assert settings.upstream_url == "http://upstream:81/base"


BAD: list[tuple[Stack, dict[str, str], str]] = [
    ("sync", {"SVC_PROT": "1"}, r"SVC_PROT is not a known setting: did you mean SVC_PORT\?"),
    ("sync", {"SVC_PORT": "0"}, "SVC_PORT=0: expected a whole number from 1 to 65535"),
    ("sync", {"SVC_PORT": "80 "}, "SVC_PORT=80 : expected a whole number"),
    ("sync", {"SVC_PORT": ""}, "SVC_PORT='': expected a whole number"),
    ("sync", {"SVC_PORT": "1e3"}, "SVC_PORT=1e3: expected a whole number"),
    ("sync", {"SVC_METRICS_PORT": "0"}, "SVC_METRICS_PORT=0: expected"),
    ("sync", {"SVC_METRICS_PORT": "8000"}, "SVC_METRICS_PORT=8000: expected a port other than"),
    ("sync", {"SVC_PORT": "9100"}, "SVC_PORT=9100: expected a port other than"),
    ("sync", {"SVC_HOST": " "}, "SVC_HOST=' ': expected an address"),
    ("sync", {"SVC_WORKERS": "-1"}, "SVC_WORKERS=-1: expected a whole number from 1"),
    ("sync", {"SVC_THREADS": "²"}, "SVC_THREADS=²: expected a whole number"),
    ("sync", {"SVC_THREADS": "9" * 30}, "SVC_THREADS=9+: expected a whole number"),
    ("sync", {"SVC_REUSE_PORT": "yes"}, "SVC_REUSE_PORT=yes: expected one of true, false"),
    ("sync", {"SVC_METRICS": "true"}, "SVC_METRICS=true: expected one of on, off"),
    ("sync", {"SVC_CLIENT": "pooled_aiohttp"}, "SVC_CLIENT=pooled_aiohttp: expected one of pooled_urllib3"),
    ("async", {"SVC_CLIENT": "pooled_urllib3"}, "SVC_CLIENT=pooled_urllib3: expected one of pooled_aiohttp"),
    ("async", {"SVC_CLIENT": "poled"}, r"did you mean pooled\?"),
    ("sync", {"SVC_CLIENT_TIMEOUT_S": "nan"}, "SVC_CLIENT_TIMEOUT_S=nan: expected a number from 0.001"),
    ("sync", {"SVC_CLIENT_TIMEOUT_S": "2s"}, "SVC_CLIENT_TIMEOUT_S=2s: expected a number"),
    ("sync", {"SVC_UPSTREAM_URL": "upstream:81"}, "SVC_UPSTREAM_URL=upstream:81: expected an address like"),
    ("sync", {"SVC_UPSTREAM_URL": "http://a:99999"}, "SVC_UPSTREAM_URL=http://a:99999: expected"),
    ("sync", {"SVC_UPSTREAM_URL": "http://a/?q=1"}, "SVC_UPSTREAM_URL=.*: expected"),
    ("sync", {"SVC_UPSTREAM_URL": "http://me:pw@a"}, "SVC_UPSTREAM_URL=.*: expected"),
    ("sync", {"SVC_AUTH": "basic"}, "SVC_AUTH=basic: expected one of off, api_key, jwt"),
    ("sync", {"SVC_AUTH": "api_key"}, "SVC_API_KEY is not set: expected an ASCII key"),
    ("sync", {"SVC_AUTH": "api_key", "SVC_API_KEY": ""}, r"SVC_API_KEY=\(hidden\): expected an ASCII key"),
    ("sync", {"SVC_AUTH": "jwt"}, "SVC_JWT_SECRET is not set: expected at least 32 bytes"),
    ("sync", {"SVC_AUTH": "jwt", "SVC_JWT_SECRET": "short"}, r"SVC_JWT_SECRET=\(hidden\): expected at least"),
    ("sync", {"SVC_LIMIT_CONCURRENCY": "5"}, "SVC_LIMIT_CONCURRENCY=5: expected no value"),
    ("async", {"SVC_LIMIT_CONCURRENCY": "0"}, "SVC_LIMIT_CONCURRENCY=0: expected a whole number from 1"),
    ("async", {"SVC_WORKERS": "2"}, "SVC_WORKERS=2: expected 1: the async service is one process"),
    ("async", {"SVC_PRELOAD": "true"}, "SVC_PRELOAD=true: expected false"),
    ("async", {"SVC_REUSE_PORT": "true"}, "SVC_REUSE_PORT=true: expected false"),
    ("sync", {"SVC_CPU_MODE": "fork"}, "SVC_CPU_MODE=fork: expected one of inline, thread, process"),
    ("sync", {"SVC_LOG_LEVEL": "INFO"}, "SVC_LOG_LEVEL=INFO: expected one of"),
    ("sync", {"SVC_HOST": "a\nb", "SVC_PORT": "x\ny"}, r"SVC_PORT='x\\ny': expected"),
]


@pytest.mark.parametrize(("stack", "environ", "message"), BAD)
def test_a_bad_setting_is_one_line(stack: Stack, environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        Settings.from_env(environ, stack=stack)
    assert "\n" not in str(caught.value)


def test_secrets_are_not_shown() -> None:
    environ = {"SVC_AUTH": "jwt", "SVC_JWT_SECRET": "s" * 32, "SVC_API_KEY": "topsecret"}
    shown = repr(Settings.from_env(environ, stack="sync"))
    assert "s" * 32 not in shown
    assert "topsecret" not in shown


def test_load_or_exit_prints_one_line_and_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        load_or_exit("sync", {"SVC_PORT": "zero"})
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "settings: SVC_PORT=zero: expected a whole number from 1 to 65535\n"
