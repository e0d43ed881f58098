"""Whatever happens to a file of a bundle: judging it again ends in a report or in one line, never in a traceback."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from damaged_bundle import Whole, damages, judged_untouched, make_whole
from garbage import wrong


@pytest.fixture(scope="module")
def _whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: None)
        return make_whole(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def whole(_whole: Whole, monkeypatch: pytest.MonkeyPatch) -> Iterator[Whole]:
    """A run of two blocks, put back afterwards."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    yield _whole
    _whole.mend()


@given(data=st.data())
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_no_damage_to_any_file_or_key_ends_in_a_traceback(whole: Whole, data: st.DataObject) -> None:
    whole.mend()
    name, content = data.draw(damages(whole.files))
    whole.spoil(name, content)
    assert wrong(lambda: judged_untouched(whole, name)) is None
