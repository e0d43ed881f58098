"""Links and names on the pages lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
PICTURE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
TOP_FOLDERS = ("scripts", "services", "locustfiles", "tests", "docs", "grafana", "k8s", ".ci")
PLACEHOLDER = re.compile(r"NAME|\bID\b|<|\*|\.\.\.")

PLACE = re.compile(r"(?<![\w.}/])/(?:home|root|work|tmp|mnt|Users)/\w+")
INDEX_HOST = re.compile(r"(?:pypi|pythonhosted|npmjs|golang)\.(?:org|com|io)|/simple/")

Pages = dict[Path, str]


def anchors(text: str) -> set[str]:
    """The anchors that a code host makes of the headings."""
    titles = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title) for title in HEADING.findall(FENCE.sub("", text)))
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


def local_links(text: str) -> Iterator[tuple[str, str]]:
    """File and anchor of every link that stays in the repository; either may be empty."""
    for target in [*LINK.findall(FENCE.sub("", text)), *PICTURE.findall(text)]:
        if "://" not in target and not target.startswith("mailto:"):
            file, _, anchor = target.partition("#")
            yield file, anchor


def named_paths(text: str) -> Iterator[str]:
    """What stands as code on a page and begins with a folder of the repository."""
    for word in CODE.findall(FENCE.sub("", text)):
        path = word.split()[0].rstrip("/")
        if path.split("/")[0] in TOP_FOLDERS and "/" in word and not PLACEHOLDER.search(path):
            yield path


def test_every_link_leads_to_a_file_of_the_repository(pages: Pages, root: Path) -> None:
    broken = []
    for page, text in pages.items():
        for file, _ in local_links(text):
            target = (page.parent / file).resolve() if file else page
            if not (target.exists() and target.is_relative_to(root)):
                broken.append(f"{page.relative_to(root)}: {file}")
    assert broken == []


def test_every_anchor_is_a_heading_of_the_page_that_it_points_into(pages: Pages, root: Path) -> None:
    broken = []
    for page, text in pages.items():
        for file, anchor in local_links(text):
            target = (page.parent / file).resolve() if file else page
            if anchor and target in pages and anchor not in anchors(pages[target]):
                broken.append(f"{page.relative_to(root)}: {file}#{anchor}")
    assert broken == []


def test_every_file_and_folder_that_is_named_exists(pages: Pages, root: Path) -> None:
    missing = [
        f"{page.relative_to(root)}: {path}"
        for page, text in pages.items()
        for path in named_paths(text)
        if not (root / path).exists()
    ]
    assert missing == []


def test_names_are_found_on_the_pages_at_all(pages: Pages) -> None:
    """Guards the two tests above against a pattern that matches nothing."""
    assert sum(1 for text in pages.values() for _ in named_paths(text)) > 100
    assert sum(1 for text in pages.values() for _ in local_links(text)) > 20


def test_every_page_can_be_reached_from_the_pages_at_the_root(pages: Pages, root: Path) -> None:
    reached = {page for page in pages if page.parent == root}
    todo = list(reached)
    while todo:
        page = todo.pop()
        found = {(page.parent / file).resolve() for file, _ in local_links(pages[page]) if file}
        new = (found & pages.keys()) - reached
        reached |= new
        todo += new
    assert pages.keys() - reached == set()


def test_decisions_are_numbered_once_each_dated_and_listed(pages: Pages, root: Path) -> None:
    folder = root / "docs" / "adr"
    records = sorted(page for page in pages if page.parent == folder and page.name != "README.md")
    assert [page.name[:4] for page in records] == [f"{number:04d}" for number in range(1, len(records) + 1)]
    for number, page in enumerate(records, start=1):
        lines = pages[page].splitlines()
        assert lines[0].startswith(f"# {number}. "), page.name
        assert re.match(r"\d{4}-\d{2}-\d{2}, accepted\.", lines[2]), page.name
        assert f"({page.name})" in pages[folder / "README.md"], page.name


def test_no_page_names_a_place_of_one_machine_or_the_host_of_a_package_index(pages: Pages, root: Path) -> None:
    found = [
        f"{page.relative_to(root)}: {match.group()}"
        for page, text in pages.items()
        for pattern in (PLACE, INDEX_HOST)
        for match in pattern.finditer(text)
    ]
    assert found == []
