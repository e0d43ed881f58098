"""From TOML files to records, strict at this one edge."""

from loadlab.config.catalogue import Catalogue, ExperimentEntry, list_experiments
from loadlab.config.dump import dump_experiment
from loadlab.config.experiment import load_experiment, parse_experiment
from loadlab.config.redaction import NOT_KEPT, redacted, without_values
from loadlab.config.targets import check_targets

__all__ = [
    "NOT_KEPT",
    "Catalogue",
    "ExperimentEntry",
    "check_targets",
    "dump_experiment",
    "list_experiments",
    "load_experiment",
    "parse_experiment",
    "redacted",
    "without_values",
]
