"""What a stack runs is exactly one of four things, and every key belongs to the one it stands beside."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from builders_config import ReadSmall
from loadlab.config.service_settings import SECRET, SERVICES, SET_BY_THE_LAB
from loadlab.errors import ConfigError
from loadlab.model.experiment import CommandService, ImageService, UrlService
from svc_common.settings import Settings, SettingsError

OURS = 'service = "fastapi_uvicorn"'


def test_a_command_is_taken_with_paths_seen_from_its_file(read: ReadSmall, tmp_path: Path) -> None:
    own = (
        'command = ["./serve", "--port", "{port}"]\nenv = { MODE = "", X = "1" }\ncwd = "../app"\n'
        'ready_path = "/up"\nready_timeout_s = 90\n'
        'metrics_url = "http://127.0.0.1:{port}/metrics"\nworkers = 2\nslots_per_worker = 12'
    )
    stack = read((OURS, own)).stacks[1]
    assert stack.service == CommandService(
        command=("./serve", "--port", "{port}"),
        env={"MODE": "", "X": "1"},
        cwd=(tmp_path / "../app").resolve(),
        ready_path="/up",
        ready_timeout_s=90.0,
        metrics_url="http://127.0.0.1:{port}/metrics",
    )
    assert (stack.workers, stack.slots_per_worker) == (2, 12)


@pytest.mark.parametrize(
    ("told", "slots", "pool"),
    [("slots_per_worker = 12", 12, "slots"), ('slots_per_worker = "unlimited"', None, "none"), ("", None, "unknown")],
)
def test_a_stack_of_ones_own_has_slots_none_of_them_or_nobody_knows(
    read: ReadSmall, told: str, slots: int | None, pool: str
) -> None:
    stack = read((OURS, f'command = ["./serve"]\n{told}')).stacks[1]
    assert (stack.workers, stack.slots_per_worker, stack.pool) == (1, slots, pool)


@pytest.mark.parametrize("told", ["0", '"none"', "true", "1.5"])
def test_slots_are_a_number_or_unlimited(read: ReadSmall, told: str) -> None:
    with pytest.raises(ConfigError, match=r'slots_per_worker.*a whole number from 1 to 100000, or "unlimited"'):
        read((OURS, f'command = ["./serve"]\nslots_per_worker = {told}'))


def test_replicas_and_their_spread_are_taken(read: ReadSmall) -> None:
    one, other = read((OURS, f'{OURS}\nreplicas = 3\nspread = "service"')).stacks
    assert (one.replicas, one.spread) == (1, "even")
    assert (other.replicas, other.spread, other.processes) == (3, "service", 3)


def test_a_spread_needs_something_to_spread_over(read: ReadSmall) -> None:
    with pytest.raises(ConfigError, match="counts only with replicas = 2 or more"):
        read((OURS, f'{OURS}\nspread = "service"'))


def test_a_command_has_no_replicas(read: ReadSmall) -> None:
    with pytest.raises(ConfigError, match="replicas"):
        read((OURS, 'command = ["./serve"]\nreplicas = 2'))


def test_an_image_and_an_address_are_taken(read: ReadSmall) -> None:
    image = read((OURS, 'image = "registry.example/app:1"\nport = 8080')).stacks[1].service
    assert image == ImageService(image="registry.example/app:1", port=8080)
    url = read((OURS, 'url = "http://127.0.0.1:8000/base/"')).stacks[1].service
    assert url == UrlService(url="http://127.0.0.1:8000/base")


def test_only_the_labs_services_get_an_upstream_by_themselves(read: ReadSmall) -> None:
    own = ('service = "flask_gunicorn"\nsettings = { threads = 16 }', 'url = "http://127.0.0.1:1"')
    assert read((OURS, 'url = "http://127.0.0.1:2"'), own).upstream is None
    assert read((OURS, 'url = "http://127.0.0.1:2"')).upstream is not None
    assert read((OURS, 'url = "http://127.0.0.1:2"'), own, more="[upstream]\n").upstream is not None


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ("", r"small.toml:9: stack\[1\] says nothing to run; expected exactly one of service, command, image, url"),
        (OURS + '\nurl = "http://x"', r"small.toml:9: stack\[1\] has service and url; expected exactly one of"),
        (OURS + '\ncwd = "."', r"small.toml:12: stack\[1\].cwd counts only beside command, not beside service"),
        (OURS + "\nworkers = 2", "workers counts only beside command or image or url, .*; set it in settings"),
        ('service = "fastapi"', r"is \"fastapi\"; expected a service of the lab; the nearest known .* fastapi_uvicorn"),
        ('command = "./serve"', r"stack\[1\].command is \"./serve\"; expected a list of words"),
        ("command = []", r"command is \[\]; expected a list of words"),
        ('command = ["x"]\nenv = { A = 1 }', r"env is a table; expected names with texts"),
        ('command = ["x"]\nenv = { "A B" = "1" }', r"env is a table; expected names with texts"),
        ('command = ["x"]\nready_path = "up"', "expected a path that begins with /"),
        ('command = ["x"]\nready_timeout_s = 0.5', "expected a number from 1 to 900"),
        ('command = ["x"]\nmetrics_url = "x"', "expected an http or https address"),
        ('image = "a b"\nport = 1', "expected an image reference without spaces"),
        ('image = "a"', r"stack\[1\] lacks port; expected a whole number from 1 to 65535; add it"),
        ('url = "ftp://x"', "expected an http or https address without user name"),
        ('url = "http://u:p@x"', "expected an http or https address without user name"),
        ('url = "http://x:99999"', "expected an http or https address without user name"),
        ('url = "http://x/?q=1"', "expected an address without query"),
        (OURS + "\nsettings = { port = 1 }", "settings.port is chosen by the lab itself; remove it"),
        (OURS + '\nsettings = { api_key = "k" }', "is a secret and never stands in a file; .* export SVC_API_KEY"),
        (OURS + "\nsettings = { workers = 2 }", "is a setting of flask_gunicorn, not of fastapi_uvicorn"),
        (OURS + '\nsettings = { client = "pooled_urllib3" }', "expected one of pooled_aiohttp, pooled, per_request"),
    ],
)
def test_a_stack_that_is_off_says_how(read: ReadSmall, new: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read((OURS, new))


@pytest.mark.parametrize("name", ["Flask", "a b", "", "x" * 33, "flask-aa"])
def test_a_name_that_could_not_name_a_file_or_that_a_control_needs_is_refused(read: ReadSmall, name: str) -> None:
    with pytest.raises(ConfigError, match=r"stack\[0\].name is .*; expected 1 to 32 small letters"):
        read(('name = "flask"', f'name = "{name}"'))


@pytest.mark.parametrize("ending", ["-r1", "-t2", "-t2-r13", "-aa-r1"])
def test_two_names_by_which_windows_of_one_stack_are_called_are_refused(read: ReadSmall, ending: str) -> None:
    """The repeat of a window of flask would be put in the place of a window of the other stack."""
    said = (
        rf"small.toml:\d+: stack has the names flask and flask{ending}, and windows of flask .*; rename flask{ending}"
    )
    with pytest.raises(ConfigError, match=said):
        read(('name = "fastapi"', f'name = "flask{ending}"'))


@pytest.mark.parametrize("name", ["flask2", "flask-r", "flask-rev1", "flask-t", "r1"])
def test_names_that_only_begin_or_end_alike_are_taken(read: ReadSmall, name: str) -> None:
    assert [stack.name for stack in read(('name = "fastapi"', f'name = "{name}"')).stacks] == ["flask", name]


def test_the_settings_known_here_are_those_of_the_services() -> None:
    theirs = {field.name for field in fields(Settings)} - {"stack"}
    ours = {key for rules in SERVICES.values() for key in rules.settings}
    assert ours | {*SET_BY_THE_LAB, *SECRET} == theirs
    assert not ours & {*SET_BY_THE_LAB, *SECRET}


@pytest.mark.parametrize(("service", "stack"), [("flask_gunicorn", "sync"), ("fastapi_uvicorn", "async")])
@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("threads", [0, 1, 10_000, 10_001]),
        ("workers", [0, 1, 1_000, 1_001]),
        ("client", ["per_request", "pooled", "pooled_urllib3", "pooled_aiohttp", "other"]),
        ("client_max_connections", [0, 1, 100_000, 100_001]),
        ("client_timeout_s", [0, 0.001, 3_600, 3_601]),
        ("auth", ["off", "on"]),
        ("max_body_bytes", [0, 1, 1 << 30, (1 << 30) + 1]),
        ("metrics", ["on", "off", "true"]),
        ("backlog", [0, 1, 65_535, 65_536]),
        ("keepalive_s", [0, 1, 3_600, 3_601]),
        ("graceful_timeout_s", [0, 1, 3_600, 3_601]),
        ("cpu_mode", ["inline", "thread", "process", "fork"]),
        ("log_level", ["info", "debug", "loud"]),
        ("limit_concurrency", [0, 1, 1_000_000, 1_000_001]),
        ("reuse_port", [True, False, "yes"]),
        ("preload", [True, False, "yes"]),
        ("gc_freeze", [True, False, "yes"]),
    ],
)
def test_a_setting_is_taken_here_where_the_service_takes_it(
    read: ReadSmall, service: str, stack: str, key: str, values: list[str | int | float | bool]
) -> None:
    for value in values:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        accepted_there = True
        try:
            Settings.from_env({f"SVC_{key.upper()}": text}, stack=stack)  # type: ignore[arg-type]
        except SettingsError:
            accepted_there = False
        written = text if not isinstance(value, str) else f'"{value}"'
        accepted_here = True
        try:
            read((OURS, f'service = "{service}"\nsettings = {{ {key} = {written} }}'))
        except ConfigError:
            accepted_here = False
        is_default_of_a_stack_without_it = key not in SERVICES[service].settings and accepted_there
        assert accepted_here == accepted_there or is_default_of_a_stack_without_it, (key, value)
