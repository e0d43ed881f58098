"""An ``Experiment`` written as the TOML text that reads back as the same record, for the run bundle."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from loadlab.config.catalogue import Catalogue
from loadlab.config.stack import NO_POOL
from loadlab.model.experiment import (
    ClosedLoad,
    CommandService,
    Experiment,
    ImageService,
    Load,
    OurService,
    PriceRef,
    Scenario,
    Service,
    Stack,
    UrlService,
    WindowPlan,
)

Entry = tuple[str, object]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def dump_experiment(experiment: Experiment, *, catalogue: Catalogue | None = None) -> str:
    """The resolved experiment: every default written out, own files by absolute path, what is absent left out."""
    where = Catalogue.of_repository() if catalogue is None else catalogue
    sections = [
        _lines(None, [("id", experiment.id), ("question", experiment.question)]),
        _section("decision", experiment.decision),
        *(_lines("[stack]", _stack(stack)) for stack in experiment.stacks),
        *([_section("upstream", experiment.upstream)] if experiment.upstream is not None else []),
        _lines("load", _load(experiment.load, where.locustfiles)),
        _lines("window", _window(experiment.window)),
        _section("blocks", experiment.blocks),
        *([_section("refine", experiment.refine)] if experiment.refine is not None else []),
        _section("objective", experiment.objective),
        *(_lines("[price]", _price(ref)) for ref in experiment.prices),
        _lines("resources", _resources(experiment)),
        _section("abort", experiment.abort),
    ]
    return "\n".join(sections)


def _section(name: str, record: object) -> str:
    """A table with the fields of a flat record."""
    return _lines(name, [(key, getattr(record, key)) for key in type(record).__slots__])  # type: ignore[attr-defined]


def _lines(header: str | None, entries: Sequence[Entry]) -> str:
    lines = [] if header is None else [f"[{header}]"]
    lines += [f"{key} = {_value(value)}" for key, value in entries if value is not None]
    return "\n".join(lines) + "\n"


def _stack(stack: Stack) -> Sequence[Entry]:
    own_pool = () if isinstance(stack.service, OurService) else tuple(_pool(stack))
    return [("name", stack.name), *_service(stack.service), *own_pool, *_copies(stack)]


def _pool(stack: Stack) -> Iterator[Entry]:
    yield "workers", stack.workers
    yield "slots_per_worker", NO_POOL if stack.pool == "none" else stack.slots_per_worker


def _copies(stack: Stack) -> Sequence[Entry]:
    """Replicas where there are several; one is what a file without the key means."""
    return [("replicas", stack.replicas), ("spread", stack.spread)] if stack.replicas > 1 else []


def _service(service: Service) -> Sequence[Entry]:
    match service:
        case OurService():
            keys: tuple[str, ...] = ("service", "settings")
        case CommandService():
            keys = ("command", "env", "cwd", "ready_path", "ready_timeout_s", "metrics_url")
        case ImageService():
            keys = ("image", "port", "env", "ready_path", "ready_timeout_s")
        case UrlService():
            keys = ("url", "metrics_url")
    return [(key, getattr(service, key)) for key in keys]


def _window(window: WindowPlan) -> Sequence[Entry]:
    """keep_awake where it is asked for: a file without the key, as of before, means that it is not."""
    kept = [("keep_awake", window.keep_awake)] if window.keep_awake else []
    return [("warmup_s", window.warmup_s), ("measure_s", window.measure_s), *kept]


def _load(load: Load, lab_locustfiles: Path) -> Sequence[Entry]:
    scenario = _scenario(load.scenario, lab_locustfiles)
    if isinstance(load, ClosedLoad):
        users = "auto" if load.users is None else load.users
        return [("kind", "closed"), *scenario, ("users", users), ("think_s", load.think_s)]
    own = [(key, getattr(load, key)) for key in ("rate_rps", "arrivals", "in_flight_max", "seed")]
    return [("kind", "open"), *scenario, *own]


def _scenario(scenario: Scenario, lab_locustfiles: Path) -> Sequence[Entry]:
    headers: Entry = ("headers_from_env", scenario.headers_from_env or None)
    if scenario.locustfile.parent == lab_locustfiles:
        return [("scenario", f"{scenario.locustfile.stem}.{scenario.user_class}"), headers]
    return [("locustfile", scenario.locustfile), ("user_class", scenario.user_class), headers]


def _price(ref: PriceRef) -> Sequence[Entry]:
    return [("list", ref.list_id), ("billing", ref.billing)]


def _resources(experiment: Experiment) -> Sequence[Entry]:
    return [("cpu", experiment.resources.cpu), ("memory", f"{experiment.resources.memory_gib:f}Gi")]


def _value(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case Decimal():
            return f"{value:f}"
        case int() | float():
            return repr(value)
        case str() | Path():
            return _quoted(str(value))
        case Mapping():
            inner = ", ".join(f"{_key(str(key))} = {_value(item)}" for key, item in value.items())
            return f"{{ {inner} }}" if inner else "{}"
        case Sequence():
            return f"[{', '.join(_value(item) for item in value)}]"
    raise TypeError(f"no TOML for {value!r}")


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    return f'"{"".join(_ESCAPES.get(sign, _escaped(sign)) for sign in text)}"'


def _escaped(sign: str) -> str:
    return f"\\u{ord(sign):04X}" if ord(sign) < 0x20 or ord(sign) == 0x7F else sign
