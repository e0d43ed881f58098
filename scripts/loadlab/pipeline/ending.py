"""How a run ends: with its report, whether it came to its end, was asked to stop or could not go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from loadlab.errors import AbortedByRule, BundleError, DeployError, Interrupted, LoadlabError
from loadlab.execute.durable import StoreFull
from loadlab.execute.store import BundleStore
from loadlab.pipeline.bundle import FOR_RESUME
from loadlab.pipeline.finish import Report, analyse_bundle
from loadlab.pipeline.layout import Layout
from loadlab.pipeline.stopping import held, stoppable
from loadlab.report.live import Progress


@dataclass(kw_only=True, slots=True)
class Ending:
    """The end of one run.

    tell: shows the report as soon as there is one; what happens after it does not change how the run ended. how_on:
    the command that resumes the run. source: the experiment, as whoever wants to correct it finds it.
    """

    store: BundleStore
    layout: Layout
    progress: Progress
    tell: Callable[[Report], None]
    how_on: str
    source: str
    _told: list[Report] = field(default_factory=list)

    def after(self, work: Callable[[], None]) -> Report:
        """Do the work, which reports; asked to stop after its report, it leaves out what is left and says so.

        Raises:
            Interrupted: it was asked to stop before there was a report, or twice.
            LoadlabError: the work's own.
        """
        try:
            with stoppable():
                work()
        except KeyboardInterrupt:
            if not self._told:
                raise Interrupted(f"interrupted; go on with: {self.how_on}") from None
            return replace(self._told[0], asked_to_stop=True)
        return self._told[0]

    def report(self) -> None:
        """Report a complete run; who asks to stop meanwhile waits for it.

        Raises:
            KeyboardInterrupt: it was asked to stop, and there is a report.
            Interrupted: it was asked twice, and there may be none.
        """
        with held():
            try:
                self.progress.finished()
                self.store.drop(FOR_RESUME)
                self._told.append(analyse_bundle(self.store.folder, self.layout))
                self.tell(self._told[0])
            except KeyboardInterrupt:
                raise Interrupted(f"interrupted; the run is complete, and reported by: {self.how_on}") from None

    def early(self, error: KeyboardInterrupt | LoadlabError) -> None:
        """Say what ended a run before its end, and how to go on; a complete one is reported whatever it was.

        Raises:
            Interrupted: the user stopped it; what is finished is reported.
            LoadlabError: of the same kind as the error; what is finished is reported if any block is.
            KeyboardInterrupt: it was asked to stop, and there is a report.
        """
        with held():
            self.progress.finished()
            if not self.store.load().complete:
                self._raise_with_what_is_left(error)
        if not self._told:
            self.report()
        elif isinstance(error, LoadlabError):
            self.progress.message(f"the run is complete; after it: {error}")
        if isinstance(error, KeyboardInterrupt):
            raise error

    def _raise_with_what_is_left(self, error: KeyboardInterrupt | LoadlabError) -> None:
        if isinstance(error, KeyboardInterrupt):
            raise Interrupted(f"interrupted; {self._left()}; go on with: {self.how_on}") from None
        raise type(error)(f"{error}; {self._next_step(error)}") from None

    def _next_step(self, error: LoadlabError) -> str:
        """What there is, and how to go on: a resumed run keeps its experiment, and with it a mistake in that."""
        if not self.store.progress().demands:
            return (
                f"nothing was measured yet (logs: {self.store.logs}): correct {self.source}, or what else it is, and "
                "start anew; a run that is resumed keeps the experiment as it was"
            )
        step = f"{self._left()}; go on with: {self.how_on}"
        if isinstance(error, AbortedByRule | DeployError):
            step += f"; to change anything, correct {self.source} and start anew"
        return step

    def _left(self) -> str:
        """Report what there is."""
        try:
            return f"the finished blocks are reported in {analyse_bundle(self.store.folder, self.layout).html}"
        except BundleError:
            return "no block was finished yet"
        except StoreFull:
            return f"what is finished is safe in {self.store.folder}, its report could not be written"
        except LoadlabError as error:
            return f"what is finished is safe in {self.store.folder}, but not reported: {error}"
