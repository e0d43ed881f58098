"""Dockerfiles build with docker and podman alike, download nothing and end as nobody."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from loadlab.execute.images.recipe import RECIPES, Recipe, source_files
from svc_common.settings import Settings
from upstream.settings import UpstreamSettings

ROOT = Path(__file__).resolve().parents[4]
INSTRUCTIONS = {"ARG", "FROM", "RUN", "COPY", "ENV", "EXPOSE", "USER", "ENTRYPOINT"}
DOWNLOADS = re.compile(r"\b(apt|apt-get|apk|dnf|curl|wget|git|uv)\b|https?://")

by_recipe = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)


def _instructions(recipe: Recipe) -> list[tuple[str, str]]:
    text = (ROOT / recipe.dockerfile).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in joined.splitlines() if line]


def _last_stage(recipe: Recipe) -> list[tuple[str, str]]:
    found = _instructions(recipe)
    start = max(index for index, (name, _) in enumerate(found) if name == "FROM")
    return found[start:]


def _environment(recipe: Recipe) -> dict[str, str]:
    return dict(word.split("=", 1) for name, rest in _last_stage(recipe) if name == "ENV" for word in rest.split())


@by_recipe
def test_nothing_is_asked_for_that_only_one_builder_knows(recipe: Recipe) -> None:
    text = (ROOT / recipe.dockerfile).read_text(encoding="utf-8")
    assert {name for name, _ in _instructions(recipe)} <= INSTRUCTIONS
    flags = {
        word.split("=")[0]
        for name, rest in _instructions(recipe)
        if name != "RUN"
        for word in rest.split()
        if word[:2] == "--"
    }
    assert flags <= {"--from"}
    assert not any(rest.startswith("--") for name, rest in _instructions(recipe) if name == "RUN")
    assert "<<" not in text
    assert not re.search(r"^#\s*(syntax|check|escape)\s*=", text, re.MULTILINE)


@by_recipe
def test_nothing_is_downloaded(recipe: Recipe) -> None:
    runs = [rest for name, rest in _instructions(recipe) if name == "RUN"]
    assert not [rest for rest in runs if DOWNLOADS.search(rest)]
    installs = [rest for rest in runs if " install " in rest]
    assert installs
    assert all("--no-index" in rest and "--require-hashes" in rest and "--no-deps" in rest for rest in installs)


@by_recipe
def test_the_base_is_an_argument_in_first_and_last_stage(recipe: Recipe) -> None:
    found = _instructions(recipe)
    assert found[0] == ("ARG", "BASE_IMAGE=python:3.12-slim-bookworm")
    stages = [rest.split(" AS ") for name, rest in found if name == "FROM"]
    names = {stage[1] for stage in stages if len(stage) == 2}
    assert stages[-1] == ["${BASE_IMAGE}"]
    assert {stage[0] for stage in stages} <= {"${BASE_IMAGE}", *names}


@by_recipe
def test_the_last_stage_only_copies_and_ends_as_a_numeric_user(recipe: Recipe) -> None:
    stage = _last_stage(recipe)
    assert "RUN" not in {name for name, _ in stage}
    assert all(rest.startswith("--from=") for name, rest in stage if name == "COPY")
    (user,) = [rest for name, rest in stage if name == "USER"]
    uid, gid = (int(part) for part in user.split(":"))
    assert min(uid, gid) > 999


@by_recipe
def test_the_process_is_the_programs_own_and_needs_no_shell(recipe: Recipe) -> None:
    (entry,) = [rest for name, rest in _last_stage(recipe) if name == "ENTRYPOINT"]
    words = json.loads(entry)
    module = Path(recipe.folder).name
    assert words == (["locust"] if recipe.name == "locust" else ["python", "-m", module])


@by_recipe
def test_bytecode_never_asks_for_its_source_so_that_a_read_only_root_is_enough(recipe: Recipe) -> None:
    runs = [rest for name, rest in _instructions(recipe) if name == "RUN" and "compileall" in rest]
    copied = [rest for name, rest in _last_stage(recipe) if name == "COPY"]
    assert len(runs) == len(copied)
    assert all("--invalidation-mode unchecked-hash" in rest for rest in runs)
    assert _environment(recipe)["PYTHONDONTWRITEBYTECODE"] == "1"


def test_the_settings_of_the_images_are_those_of_the_services() -> None:
    flask, fastapi, upstream, _ = (_environment(recipe) for recipe in RECIPES)
    for environment, stack in ((flask, "sync"), (fastapi, "async")):
        settings = Settings.from_env(environment, stack="sync" if stack == "sync" else "async")
        assert (settings.host, settings.port, settings.metrics_port) == ("0.0.0.0", 8000, 9100)
    assert (UpstreamSettings.from_env(upstream).host, UpstreamSettings.from_env(upstream).port) == ("0.0.0.0", 8100)


def test_both_stacks_make_the_shared_layer_by_the_same_words() -> None:
    flask, fastapi = (_instructions(recipe) for recipe in RECIPES[:2])
    assert flask[: flask.index(("FROM", "empty AS sources"))] == fastapi[: fastapi.index(("FROM", "empty AS sources"))]


@by_recipe
def test_only_what_runs_is_copied(recipe: Recipe) -> None:
    files = source_files(ROOT, recipe)
    assert {path.rsplit(".", 1)[1] for path in files} <= {"py", "yaml"}
    assert not [path for path in files if "__pycache__" in path]
    assert any(path.startswith(f"{recipe.folder}/") for path in files)
