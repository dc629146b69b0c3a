"""Documents: generated ones are up to date, everything a person can use is in one, and no link is broken."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from perfectcatch.settings import described
from perfectcatch.vendors.servicetitan.endpoints import CATALOGUE
from perfectcatch.vendors.servicetitan.entities import ENTITIES
from tools import docs

ROOT = Path(__file__).parent.parent
PAGES = docs.pages()
HAND_WRITTEN = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    if path.relative_to(ROOT).as_posix() not in PAGES
)
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))


def reference(name: str) -> str:
    return (ROOT / "docs" / "reference" / name).read_text()


@pytest.mark.parametrize("path", PAGES)
def test_a_generated_document_is_up_to_date(path: str):
    assert (ROOT / path).read_text() == PAGES[path], "run `make docs` and commit the result"


def test_every_setting_is_documented():
    page, example = reference("settings.md"), (ROOT / ".env.example").read_text()
    for setting in described():
        assert f"| `{setting.name}` |" in page
        assert f"# {setting.name}=" in example


def test_every_command_is_documented():
    page = reference("commands.md")
    names = [words for words, _ in docs.commands()]
    assert "perfectcatch up" in names
    for words in names:
        assert re.search(rf"^## {words}( |$)", page, re.MULTILINE), words


def test_every_command_and_option_says_what_it_does():
    for words, command in docs.commands():
        assert command.help, words
        for parameter in command.params:
            assert parameter.help or parameter.name == "help", f"{words}: {parameter.name}"


def test_every_event_is_documented():
    page = reference("events.md")
    for entity in ENTITIES:
        for event in entity.events:
            assert f"| `{event.event_type}` | {event.does} |" in page


def test_every_endpoint_is_documented():
    page = reference("endpoints.md")
    for name in CATALOGUE:
        assert f"| `{name}` |" in page


# Links -----------------------------------------------------------------------------------------


def links(text: str) -> Iterator[str]:
    """Targets of the links of a Markdown text that lead to files of ours."""
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        if not re.match(r"[a-z]+:", target):
            yield target


def anchors(text: str) -> set[str]:
    """Names that links may point to: headings in lower case, spaces as hyphens, without punctuation."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


def broken_links(page: Path) -> list[str]:
    broken = []
    for link in links(page.read_text()):
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            broken.append(link)
    return broken


@pytest.mark.parametrize(
    "page",
    [*HAND_WRITTEN, *(ROOT / path for path in PAGES if path.endswith(".md"))],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_links_lead_somewhere(page: Path):
    assert broken_links(page) == []


def test_a_broken_link_is_found(tmp_path: Path):
    page = tmp_path / "a.md"
    (tmp_path / "b.md").write_text("# One `two` heading\n")
    page.write_text(
        "# Here\n[x](b.md) [x](b.md#one-two-heading) [x](#here) [x](https://example.org)\n"
        "[x](c.md) [x](b.md#three) [x](#there)\n```\n[x](not/a/link)\n```\n"
    )
    assert broken_links(page) == ["c.md", "b.md#three", "#there"]


# Hand-written pages ----------------------------------------------------------------------------


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_one_page_with_its_parts(decision: Path):
    text = decision.read_text()
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert re.match(rf"# {decision.name[:4]} \w", text)
    assert headings == ["Context", "Decision", "Consequences", "Alternatives"]
    assert len(text.splitlines()) <= 60


def test_decisions_are_numbered_and_listed():
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    listed = (ROOT / "docs" / "architecture.md").read_text()
    assert [path.name for path in DECISIONS if path.name not in listed] == []


def test_the_first_page_fits_on_a_screen():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 50


def test_every_room_is_in_the_architecture():
    page = (ROOT / "docs" / "architecture.md").read_text()
    rooms = [path for path in (ROOT / "src" / "perfectcatch").iterdir() if not path.name.startswith("__")]
    assert [path.name for path in rooms if not re.search(rf"\b{path.stem}\b", page)] == []


def test_pages_name_only_settings_that_exist():
    known = {name for setting in described() for name in (setting.name, *setting.old_names)}
    prefixes = tuple({name.split("_")[0] + "_" for name in known} - {"LOG_"})
    for page in HAND_WRITTEN:
        for word in re.findall(r"`([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)`", page.read_text()):
            assert word in known or not word.startswith(prefixes), f"{page.name}: {word}"
