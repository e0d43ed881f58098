"""Whether a page stands alone: what of it runs as a script or would be fetched from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser

FETCHING = {"src", "srcset", "data", "poster", "background", "action", "formaction"}
LINKING = {"link", "use", "image", "base", "feimage"}
CSS_LOAD = re.compile(r"@import\b|url\((?!\s*['\"]?(?:data:|#))", re.IGNORECASE)


def foreign_parts(html: str) -> list[str]:
    """One line for each script and each outside load, in the order they stand; links to click are neither."""
    finder = _Finder()
    finder.feed(html)
    finder.close()
    return finder.found


class _Finder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        if tag in ("script", "iframe", "object", "embed"):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if self._is_foreign(tag, name, value or ""):
                self.found.append(f'<{tag} {name}="{(value or "")[:60]}">')

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._in_style = False

    def handle_endtag(self, tag: str) -> None:
        if tag == "style":
            self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.found += [f"style: {match.group(0)}" for match in CSS_LOAD.finditer(data)]

    @staticmethod
    def _is_foreign(tag: str, name: str, value: str) -> bool:
        if name.startswith("on"):
            return True
        if name == "style":
            return bool(CSS_LOAD.search(value))
        loads = name in FETCHING or (tag in LINKING and name in ("href", "xlink:href"))
        if value.strip().lower().startswith("javascript:"):
            return True
        return loads and bool(value) and not value.startswith(("data:", "#"))
