"""From TOML files to records, strict at this one edge."""

from loadlab.config.catalogue import Catalogue, ExperimentEntry, list_experiments
from loadlab.config.dump import dump_experiment
from loadlab.config.experiment import load_experiment, parse_experiment
from loadlab.config.targets import check_targets

__all__ = [
    "Catalogue",
    "ExperimentEntry",
    "check_targets",
    "dump_experiment",
    "list_experiments",
    "load_experiment",
    "parse_experiment",
]
