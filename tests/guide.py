"""The Chinese guide as its readers meet it: pages, sections, what stands in their code, and what it tells to type."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

DOCS = Path(__file__).parents[1] / "docs"
INDEX = DOCS / "platforms.zh-CN.md"
PAGES = (INDEX, *sorted((DOCS / "platforms").glob("*.zh-CN.md")))

# Under a step of a list, a block stands indented.
FENCED = re.compile(r"^(?P<margin> *)```(?P<language>\w*)\n(?P<code>.*?)^(?P=margin)```$", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^(?P<marks>#+) (?P<title>.+)$", re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
OUR_HOST = "https://bot.example.com"
ADDRESS = re.compile(re.escape(OUR_HOST) + r"(/[\w/]+)")
# Where a shell ends one command: a comment, a redirection, a pipe.
END_OF_COMMAND = re.compile(r"\s(?:#|>|\|).*")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page under its heading, with the parts below it."""

    title: str
    text: str

    def blocks(self, language: str) -> list[str]:
        """What stands in the code blocks of a language."""
        return [dedent(found["code"]) for found in FENCED.finditer(self.text) if found["language"] == language]

    def block(self, language: str) -> str:
        """The only such block."""
        (only,) = self.blocks(language)
        return only

    @property
    def paths(self) -> list[str]:
        """The paths of the addresses at our host, in order."""
        return list(dict.fromkeys(ADDRESS.findall(self.text)))


def page(path: Path) -> Section:
    """A whole page."""
    return Section(path.name, path.read_text("utf-8"))


def whole() -> Section:
    """Every page, one after the other."""
    return Section("guide", "\n".join(path.read_text("utf-8") for path in PAGES))


def section(title: str, of: str = "") -> Section:
    """The one section whose heading begins with these words; `of` names its page where several have one."""
    pages = [path.read_text("utf-8") for path in PAGES if of in path.name]
    (only,) = [part for text in pages for part in _sections(text) if part.title.startswith(title)]
    return only


def inline(pattern: str = r".+") -> list[str]:
    """What stands in `code` between the words, outside of code blocks, and has this form."""
    return sorted({code for code in INLINE.findall(FENCED.sub("", whole().text)) if re.fullmatch(pattern, code)})


def commands() -> list[list[str]]:
    """Every `daogou` command that does something, as a shell would split it, without the program's name."""
    lines = [line for block in whole().blocks("sh") for line in block.splitlines()]
    typed = [END_OF_COMMAND.sub("", line).strip() for line in (*lines, *inline())]
    does = [line for line in dict.fromkeys(typed) if line.startswith("daogou ") and not line.endswith("--help")]
    return [shlex.split(line)[1:] for line in does]


def links(path: Path) -> list[str]:
    """Where a page leads within the project."""
    return [link for link in LINK.findall(FENCED.sub("", path.read_text("utf-8"))) if "://" not in link]


def anchors(path: Path) -> set[str]:
    """The fragments a page's headings can be reached by."""
    titles = (heading["title"].casefold() for heading in HEADING.finditer(FENCED.sub("", path.read_text("utf-8"))))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def _sections(text: str) -> Iterator[Section]:
    prose = FENCED.sub(lambda found: " " * len(found[0]), text)  # a comment in a code block is no heading
    headings = list(HEADING.finditer(prose))
    for number, heading in enumerate(headings):
        depth = len(heading["marks"])
        after = (later.start() for later in headings[number + 1 :] if len(later["marks"]) <= depth)
        yield Section(heading["title"], text[heading.start() : next(after, len(text))])
