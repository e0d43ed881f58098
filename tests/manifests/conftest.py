from __future__ import annotations

from pathlib import Path

import pytest

from loadlab.execute.cluster.kubectl import find_tool
from manifests.rendering import ROOT, Combination, Kustomize, Rendered, supported


@pytest.fixture(scope="session")
def kubectl() -> Path:
    """kubectl, from PATH or .tools/bin; without it these tests fail with the message that says how to get it."""
    return find_tool("kubectl", ROOT / ".tools")


@pytest.fixture(scope="session")
def kustomize(kubectl: Path, tmp_path_factory: pytest.TempPathFactory) -> Kustomize:
    return Kustomize(kubectl, tmp_path_factory.mktemp("kustomize"))


@pytest.fixture(params=supported(), ids=str)
def combination(request: pytest.FixtureRequest) -> Combination:
    chosen: Combination = request.param
    return chosen


@pytest.fixture
def rendered(kustomize: Kustomize, combination: Combination) -> Rendered:
    """Each supported combination in turn."""
    return kustomize.combination(combination)


@pytest.fixture
def kind_lab(kustomize: Kustomize) -> Rendered:
    """The kind overlay as it is."""
    return kustomize.combination(Combination(overlay="kind", components=()))


@pytest.fixture
def cluster_lab(kustomize: Kustomize) -> Rendered:
    """The overlay for a cluster that exists."""
    return kustomize.combination(Combination(overlay="cluster", components=()))
