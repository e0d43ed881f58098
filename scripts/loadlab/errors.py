"""The one tree of errors a user can meet. Each is one line: what, where, got, expected, next step."""

from __future__ import annotations

PROGRAM = ".venv/bin/loadlab"
"""How a message names this program: the way that works from the folder of the checkout."""

EXIT_CONCLUSIVE = 0
EXIT_USAGE = 2
EXIT_CONTRARY = 3
EXIT_INVALID = 4
EXIT_INCONCLUSIVE = 5
EXIT_INTERRUPTED = 130


class LoadlabError(Exception):
    """A problem that a user can act on.

    The message is one line that says what is wrong and where, what was got, what was expected and what
    to do next. ``exit_code`` is what the command line ends with.
    """

    exit_code = EXIT_USAGE


class UsageError(LoadlabError):
    """The command line or an option is off."""


class ConfigError(LoadlabError):
    """An experiment or price file is wrong; the message names file, line and key."""


class BundleError(LoadlabError):
    """A run bundle is missing, half-written, newer than this program, or cannot be written."""


class RunFailed(LoadlabError):
    """Something that a run needs failed; what was measured before is in the bundle."""

    exit_code = EXIT_INVALID


class DeployError(RunFailed):
    """A service did not start, did not get ready, or died."""


class ClusterError(RunFailed):
    """A cluster, or a tool that leads to it, is missing, refuses, or does not answer."""


class ImageError(RunFailed):
    """A container image, or what it is made from, is missing or cannot be made."""


class LoadError(RunFailed):
    """The load generator did not start, did not answer, or lost a worker."""


class TooLongToLoad(LoadError):
    """The load generator refused what it was told because it is too long."""


class AbortedByRule(RunFailed):
    """A rule of the experiment's ``[abort]`` table was met."""


class Interrupted(LoadlabError):
    """The user asked to stop; the bundle is complete up to here and can be resumed."""

    exit_code = EXIT_INTERRUPTED
