"""One image from its content: found by its tag, or built."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from loadlab.errors import ImageError
from loadlab.execute.images.content import Content
from loadlab.execute.images.context import lay_out
from loadlab.execute.images.docker import ContainerTool, Image
from loadlab.execute.images.ledger import save
from loadlab.execute.images.recipe import Recipe

CONTENT_LABEL = "loadlab.dev/content"
REVISION_LABEL = "org.opencontainers.image.revision"
TITLE_LABEL = "org.opencontainers.image.title"


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """An image and whether this call made it."""

    recipe: Recipe
    tag: str
    image: Image
    is_new: bool


def build(
    tool: ContainerTool, recipe: Recipe, content: Content, base: Image, *, folder: Path, revision: str | None
) -> Built:
    """The image of this content. folder: where contexts and logs go. revision: of the checkout, for the label.

    Raises:
        ImageError: the build failed, or the disk is full.
    """
    tag = content.tag
    reference = f"{recipe.repository}:{tag}"
    found = tool.find(reference)
    if found is not None and found.labels.get(CONTENT_LABEL) == tag:
        return Built(recipe=recipe, tag=tag, image=found, is_new=False)
    context = lay_out(content, folder / recipe.name)
    labels = {CONTENT_LABEL: tag, TITLE_LABEL: recipe.repository} | ({REVISION_LABEL: revision} if revision else {})
    log = tool.build(context, tag=reference, arguments={"BASE_IMAGE": base.reference}, labels=labels)
    save(folder / f"{recipe.name}.log", log.encode())
    made = tool.find(reference)
    if made is None:
        raise ImageError(f"{reference}: built, but {tool.name} does not have it; `make images` tries again")
    return Built(recipe=recipe, tag=tag, image=made, is_new=True)
