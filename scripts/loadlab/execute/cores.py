"""Which cores of this machine do what."""

from __future__ import annotations

from dataclasses import dataclass

from loadlab.errors import DeployError


@dataclass(frozen=True, kw_only=True, slots=True)
class Cores:
    """Which cores the stack under test gets and which everything else gets; equal when there is only one."""

    sut: frozenset[int]
    rest: frozenset[int]

    @property
    def shared(self) -> bool:
        """Whether the stack has to share its cores with the load generator."""
        return bool(self.sut & self.rest)


def split_cores(available: frozenset[int], sut_cores: int) -> Cores:
    """The last sut_cores cores for the stack under test, the others for everything else.

    Raises:
        DeployError: more cores are asked for than there are.
    """
    ordered = sorted(available)
    if sut_cores > len(ordered):
        raise DeployError(
            f"resources.cpu: got {sut_cores}, but this machine lets loadlab use {len(ordered)} core(s); "
            "lower resources.cpu or use a larger machine"
        )
    if sut_cores == len(ordered):
        return Cores(sut=available, rest=available)
    return Cores(sut=frozenset(ordered[-sut_cores:]), rest=frozenset(ordered[:-sut_cores]))
