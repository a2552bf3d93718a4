import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from opslib.audit.as_html import page
from opslib.audit.charts import draw_success
from opslib.audit.document import Card, Code, Command, Cover, Mark, Prose, Section, Table, Terms
from opslib.redact import remember

from .hostile import HOSTILE, as_document


class Page(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def audit(recorded: Path) -> str:
    return (recorded / "audit.html").read_text()


def test_no_script_no_network_no_code(audit: str) -> None:
    """Nothing is loaded, nothing runs, and no Python is shown."""
    tags = Page(audit)
    assert tags.all("script") == tags.all("link") == tags.all("iframe") == []
    assert [image for image in tags.all("img") if not str(image["src"]).startswith("data:image/svg+xml;base64,")] == []
    assert not re.search(r"https?://(?!127\.0\.0\.1)", re.sub(r"data:[^\"]*", "", audit))
    assert not any(name.startswith("on") for _, attributes in tags.tags for name in attributes)
    policy = next(meta for meta in tags.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert str(policy["content"]).startswith("default-src 'none'")
    assert "AuditReport" not in audit


def test_structure_for_readers(audit: str) -> None:
    """Language, title, one main heading, a link to each section that a screen shows, captions, header cells with scope,
    words for each picture."""
    tags = Page(audit)
    assert tags.all("html") == [{"lang": "en"}]
    assert len(tags.all("h1")) == len(tags.all("main")) == len(tags.all("title")) == 1
    sections = [f"#{heading['id']}" for heading in tags.all("h2") if heading["id"] != "sign_off"]
    links = [str(link["href"]) for link in tags.all("a")]
    assert links[0] == "#verdict"
    assert links[1 : 1 + len(sections)] == sections
    assert set(links) == set(sections)
    assert len(tags.all("table")) == len(tags.all("caption")) > 10
    assert all(cell.get("scope") in ("row", "col", "rowgroup") for cell in tags.all("th"))
    assert len(tags.all("img")) == 2
    assert all(image["alt"] for image in tags.all("img"))
    assert "prefers-color-scheme: dark" in audit
    assert "@media print" in audit


def test_verdicts_are_word_icon_and_colour(audit: str) -> None:
    """Never colour alone, and each word has one in both schemes and on paper."""
    shown = r'<span class="verdict verdict-PASS"[^>]*><span aria-hidden="true">✔</span> <strong>PASS</strong></span>'
    assert re.search(shown, audit)
    for word in ("PASS", "FAIL", "WARN", "UNKNOWN"):
        name = word.lower()
        assert len(re.findall(rf"--{name}: #", audit)) == 3
        assert f".verdict-{word} {{ color: var(--{name}); background: var(--{name}-back); }}" in audit


def test_hostile_text_stays_text() -> None:
    """Wherever it stands, it makes no tag and no attribute; what cannot be seen is written out."""
    tags, harmless = (Page(page("T", as_document(text))) for text in (HOSTILE, "x"))
    # A picture's words, and how long its labels are.
    own = {
        "alt",
        "aria-label",
        "src",
        "id",
        "href",
        "clip-path",
        "d",
        "x",
        "y",
        "width",
        "height",
        "transform",
        "viewBox",
    }
    assert [(tag, {**attributes, **dict.fromkeys(own)}) for tag, attributes in tags.tags] == [
        (tag, {**attributes, **dict.fromkeys(own)}) for tag, attributes in harmless.tags
    ]
    assert "<script>alert(1)</script>" in tags.text
    assert "U+202E" in tags.text
    assert "\u202e" not in tags.text
    assert "\x07" not in tags.text


def test_secrets_are_hidden_once_more() -> None:
    """Also in a caption and in a picture's words."""
    remember("hunter2-hunter2")
    secret = "it is hunter2-hunter2."
    table = Table(secret, ("A",), [[secret], [Code(secret)], [Mark("PASS")]], (1,))
    card = Card(secret, None, secret, [(secret, secret)], [])
    blocks = [Prose(secret), table, draw_success([(secret, 1, 2)]), Terms([("a", "b")]), card, Command(secret, secret)]
    shown = page("T", [Section("cover", "", "", [Cover([("a", [secret])])]), Section("s", "1", "S", blocks)])
    assert "hunter2" not in shown
    assert shown.count("[hidden]") == 15
