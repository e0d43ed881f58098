"""`loadlab lab images`: every image of the lab made where its content changed, recorded, and pushed where asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from loadlab.errors import UsageError
from loadlab.execute.cluster.state import LabFolder
from loadlab.execute.images.base import BasePython, base_python
from loadlab.execute.images.build import Built, build
from loadlab.execute.images.content import gather, sources_sha256
from loadlab.execute.images.docker import ContainerTool, Image, find_container_tool
from loadlab.execute.images.ledger import names_of, read_ledger, write_ledger
from loadlab.execute.images.recipe import RECIPES
from loadlab.execute.images.reference import BASE, GRAFANA, PROMETHEUS, split
from loadlab.execute.images.wheelhouse import Wheelhouse
from loadlab.execute.machine import git_state
from loadlab.pipeline.layout import Layout
from loadlab.report.image_table import ImageRow

REGISTRY = re.compile(r"[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)*")


@dataclass(frozen=True, kw_only=True, slots=True)
class LabImages:
    """What there is now. ledger: as in images.json."""

    ledger: Mapping[str, Any]
    rows: tuple[ImageRow, ...]
    base: str
    python: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Timed:
    """An image, what of the checkout went into it, and how long it took to find or make."""

    built: Built
    sources_sha256: str
    took_s: float


def make_images(
    layout: Layout,
    *,
    registry: str | None,
    environ: Mapping[str, str],
    say: Callable[[str], None],
    monotonic_s: Callable[[], float],
) -> LabImages:
    """Build what changed, push to ``registry`` when there is one, write images.json. Raises ImageError, UsageError."""
    if registry is not None and not REGISTRY.fullmatch(registry):
        raise UsageError(
            f"--push {registry}: got no registry, expected host[:port][/path] in lower case, without https://"
        )
    lab = LabFolder(root=layout.root / ".lab")
    others = foreign_images(environ)
    tool = find_container_tool(environ)
    base, python = _base(tool, lab, environ, say)
    wheelhouse = Wheelhouse(folder=lab.root / "wheelhouse" / python.label, python=python)
    timed = _build_all(layout, tool, base, wheelhouse, lab, say, monotonic_s)
    own = {one.built.recipe.name: _entry(one, base) for one in timed}
    own = _keep(own, read_ledger(lab.images))
    ledger = own | others
    write_ledger(lab.images, ledger)
    if registry is not None:
        ledger |= {name: _pushed(entry, _push(tool, entry, registry, say)) for name, entry in own.items()}
        write_ledger(lab.images, ledger)
    return LabImages(ledger=ledger, rows=_rows(tool, timed, base), base=base.reference, python=python.label)


def foreign_images(environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """What images.json says of the images that are not the lab's own. Raises ImageError: one without version."""
    pinned = {"prometheus": PROMETHEUS, "grafana": GRAFANA}
    return {name: _foreign(one.chosen(environ)) for name, one in pinned.items()}


def _base(
    tool: ContainerTool, lab: LabFolder, environ: Mapping[str, str], say: Callable[[str], None]
) -> tuple[Image, BasePython]:
    tool.check()
    reference = BASE.chosen(environ)
    base = tool.find(reference)
    if base is None:
        say(f"pulling {reference}")
        base = tool.pull(reference)
    return base, base_python(tool, base, lab.root / "bases")


def _build_all(
    layout: Layout,
    tool: ContainerTool,
    base: Image,
    wheelhouse: Wheelhouse,
    lab: LabFolder,
    say: Callable[[str], None],
    monotonic_s: Callable[[], float],
) -> tuple[Timed, ...]:
    revision = git_state(layout.root).revision
    timed = []
    for recipe in RECIPES:
        began_s = monotonic_s()
        sources = sources_sha256(layout.root, recipe)
        content = gather(layout.root, recipe, wheelhouse, base)
        built = build(tool, recipe, content, base, folder=lab.root / "build", revision=revision)
        timed.append(Timed(built=built, sources_sha256=sources, took_s=monotonic_s() - began_s))
        say(f"{recipe.name}: {built.tag} {'built' if built.is_new else 'unchanged'}")
    return tuple(timed)


def _entry(one: Timed, base: Image) -> dict[str, Any]:
    built = one.built
    return {
        "image": built.recipe.repository,
        "tag": built.tag,
        "id": built.image.id,
        "size_bytes": built.image.size_bytes,
        "above_base_bytes": built.image.size_bytes - base.size_bytes,
        "sources_sha256": one.sources_sha256,
    }


def _push(tool: ContainerTool, entry: Mapping[str, Any], registry: str, say: Callable[[str], None]) -> dict[str, str]:
    image = f"{registry}/{entry['image']}"
    digest = tool.push(f"{entry['image']}:{entry['tag']}", f"{image}:{entry['tag']}")
    say(f"pushed {image}:{entry['tag']}")
    return {"image": image, "digest": digest}


def _pushed(entry: Mapping[str, Any], pushed: Mapping[str, str]) -> dict[str, Any]:
    """With its place in a registry; a name that it has for another registry is one that was replaced."""
    now = {**entry, "pushed": pushed}
    replaced = [name for name in dict.fromkeys(names_of(entry)) if name not in names_of(now | {"replaced": ()})]
    return now | ({"replaced": replaced} if replaced else {})


def _keep(own: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What an earlier call pushed is still there while the tag is the same; else `lab down --images` removes it."""
    kept = {}
    for name, entry in own.items():
        earlier = before.get(name, {})
        pushed = {"pushed": earlier["pushed"]} if earlier.get("tag") == entry["tag"] and "pushed" in earlier else {}
        now = entry | pushed
        had = names_of(earlier) if "tag" in earlier else ()
        replaced = [name for name in dict.fromkeys(had) if name not in names_of(now)]
        kept[name] = now | ({"replaced": replaced} if replaced else {})
    return kept


def _foreign(reference: str) -> dict[str, Any]:
    parts = split(reference)
    named = {"image": parts.image, "tag": parts.tag, "digest": parts.digest} if parts else {}
    return {"reference": reference} | {key: value for key, value in named.items() if value is not None}


def _rows(tool: ContainerTool, timed: tuple[Timed, ...], base: Image) -> tuple[ImageRow, ...]:
    """Sizes, and which layers above the base an image has in common with others."""
    layers = {one.built.tag: set(one.built.image.layers) - set(base.layers) for one in timed}
    rows = []
    for one in timed:
        image, tag = one.built.image, one.built.tag
        common = layers[tag] & set().union(*(found for other, found in layers.items() if other != tag))
        sizes = tool.layer_sizes(image)
        by_layer = dict(zip(image.layers, sizes, strict=True)) if sizes is not None else None
        rows.append(
            ImageRow(
                name=one.built.recipe.name,
                tag=tag,
                is_new=one.built.is_new,
                took_s=one.took_s,
                size_bytes=image.size_bytes,
                above_base_bytes=image.size_bytes - base.size_bytes,
                shared_layers=len(common),
                shared_bytes=None if by_layer is None else sum(by_layer[layer] for layer in common),
            )
        )
    return tuple(rows)
