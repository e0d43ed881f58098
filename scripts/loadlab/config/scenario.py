"""Which Locust user class an experiment means, found by reading its file and without running it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

from loadlab.config.nearest import suggestion
from loadlab.config.table import Table
from loadlab.config.values import environment_name, header_name, mapping, matching, text
from loadlab.errors import ConfigError
from loadlab.model.experiment import Scenario

SCENARIO_KEYS = ("scenario", "locustfile", "user_class", "headers_from_env")

_SCENARIO = matching(
    r"[A-Za-z]\w*\.[A-Za-z_]\w*", "a module of locustfiles/ and its class, such as io_bound.IoBoundUser"
)
_CLASS = matching(r"[A-Za-z_]\w*", "the name of a class of the locustfile, such as MyUser")
_HEADERS = mapping(
    header_name,
    environment_name,
    'header names with names of environment variables, such as { Authorization = "API_TOKEN" }, never their values',
)


def read_scenario(load: Table, folder: Path, lab_locustfiles: Path, *, check_files: bool) -> Scenario:
    """The scenario of a load table.

    ``folder`` is where a relative ``locustfile`` starts from. Without ``check_files`` nothing is looked up on disk,
    for an experiment that was made on another machine.
    """
    headers = load.optional("headers_from_env", _HEADERS, {})
    if "scenario" in load and "locustfile" in load:
        load.fail("locustfile", "stands beside scenario; keep one of them")
    if "locustfile" in load:
        return _own_scenario(load, folder, headers, check_files=check_files)
    if "user_class" in load:
        load.fail("user_class", "belongs to a locustfile of your own; remove it, the scenario names its class")
    module, _, user_class = load.required("scenario", _SCENARIO).partition(".")
    locustfile = lab_locustfiles / f"{module}.py"
    if check_files:
        _check_lab_scenario(load, lab_locustfiles, module, user_class)
    return Scenario(user_class=user_class, locustfile=locustfile, headers_from_env=headers)


def lab_scenarios(lab_locustfiles: Path) -> tuple[str, ...]:
    """Every scenario of the lab, such as ``io_bound.IoBoundUser``, sorted."""
    files = (path for path in lab_locustfiles.glob("*.py") if not path.name.startswith("_"))
    return tuple(sorted(f"{path.stem}.{name}" for path in files for name in user_classes(path)))


def user_classes(locustfile: Path) -> tuple[str, ...]:
    """The user classes that Locust would run: top-level classes built on a class named ``...User``, not abstract.

    Raises:
        ConfigError: the file cannot be read or is not Python.
    """
    classes = [node for node in _parsed(locustfile).body if isinstance(node, ast.ClassDef)]
    users: set[str] = set()
    for node in classes:
        if any(base in users or base.endswith("User") for base in map(_base_name, node.bases)):
            users.add(node.name)
    return tuple(node.name for node in classes if node.name in users and not _is_abstract(node))


def _own_scenario(load: Table, folder: Path, headers: Mapping[str, str], *, check_files: bool) -> Scenario:
    locustfile = (folder / load.required("locustfile", text)).resolve()
    user_class = load.optional("user_class", _CLASS, None)
    if check_files or user_class is None:
        if not locustfile.is_file():
            load.refuse("locustfile", f"a file; there is none at {locustfile}")
        user_class = _own_class(load, locustfile, user_class)
    return Scenario(user_class=user_class, locustfile=locustfile, headers_from_env=headers)


def _own_class(load: Table, locustfile: Path, wanted: str | None) -> str:
    found = user_classes(locustfile)
    if wanted is None:
        if len(found) != 1:
            names = ", ".join(found) or "none"
            load.fail("locustfile", f"has {len(found)} user classes ({names}); name one with user_class")
        return found[0]
    if wanted not in found and wanted not in _top_level_names(locustfile):
        load.refuse("user_class", f"a user class of {locustfile.name}; {suggestion(wanted, found, 'class')}")
    return wanted


def _check_lab_scenario(load: Table, lab_locustfiles: Path, module: str, user_class: str) -> None:
    known = lab_scenarios(lab_locustfiles)
    wanted = f"{module}.{user_class}"
    if wanted not in known:
        load.refuse("scenario", f"a scenario of locustfiles/; {suggestion(wanted, known, 'scenario')}")


def _parsed(locustfile: Path) -> ast.Module:
    try:
        return ast.parse(locustfile.read_text(encoding="utf-8"), filename=str(locustfile))
    except OSError as error:
        raise ConfigError(f"{locustfile}: cannot be read: {error.strerror}; expected a locustfile") from None
    except (SyntaxError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else "it is not UTF-8 text"
        raise ConfigError(f"{locustfile}{line}: not valid Python: {reason}; expected a locustfile") from None


def _base_name(base: ast.expr) -> str:
    return base.attr if isinstance(base, ast.Attribute) else base.id if isinstance(base, ast.Name) else ""


def _is_abstract(node: ast.ClassDef) -> bool:
    return any(
        isinstance(line, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == "abstract" for target in line.targets)
        and isinstance(line.value, ast.Constant)
        and line.value.value is True
        for line in node.body
    )


def _top_level_names(locustfile: Path) -> set[str]:
    """Classes that the file defines or brings in, for user classes that are imported or built in unusual ways."""
    names: set[str] = set()
    for node in _parsed(locustfile).body:
        if isinstance(node, ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names.update(alias.asname or alias.name for alias in node.names)
    return names
