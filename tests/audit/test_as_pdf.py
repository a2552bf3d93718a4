"""The PDF's structure, as PDF/UA-1 (ISO 14289-1) asks for it. veraPDF, the reference validator, cannot be had from a
package registry; Typst itself refuses what does not conform, and these tests read what it wrote."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader
from pypdf.generic import ContentStream, DictionaryObject, NullObject

from opslib.audit.as_pdf import PAPERS, pdf
from opslib.audit.document import Mark, Prose, Section, Table
from opslib.audit.report import RECORDED, AuditReport
from opslib.verdict import in_words

from .hostile import HOSTILE, as_document

AT = "2026-11-24T15:07:22.471Z"


@pytest.fixture(scope="module")
def audit(recorded: Path) -> PdfReader:
    return PdfReader(recorded / "audit.pdf")


def _elements(node: Any) -> Iterator[DictionaryObject]:
    """Structure elements below a node, in reading order."""
    kids = node.get("/K")
    for kid in kids if isinstance(kids, list) else [kids]:
        element = kid.get_object() if kid is not None else None
        if isinstance(element, DictionaryObject) and "/S" in element:
            yield element
            yield from _elements(element)


def _all(audit: PdfReader, *kinds: str) -> list[DictionaryObject]:
    return [one for one in _elements(audit.trailer["/Root"]["/StructTreeRoot"]) if one["/S"] in kinds]


def test_it_says_what_it_is(audit: PdfReader) -> None:
    """PDF/UA-1, tagged, in English, with a title that is shown, bookmarks, and the ledger's time as its date."""
    root = audit.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert audit.metadata is not None
    assert audit.metadata.title == AuditReport.open(home=RECORDED.parent).title
    xmp = root["/Metadata"].get_object().get_data().decode()
    assert re.search(r"<pdfuaid:part>1</pdfuaid:part>", xmp)
    every = AuditReport.open(home=RECORDED.parent).sections()
    sections = [f"{section.number} {section.title}".strip() for section in every if section.title]
    assert [entry.title for entry in audit.outline if not isinstance(entry, list)] == sections  # type: ignore[union-attr]
    last = AuditReport.open(home=RECORDED.parent).facts.extent()[1]
    assert audit.metadata.creation_date is not None
    assert audit.metadata.creation_date.isoformat()[:19] == last[:19]


def test_it_runs_nothing_and_asks_for_nothing(audit: PdfReader) -> None:
    """No script, no action, no link, no attachment."""
    raw = b"".join(str(one).encode() for one in (audit.trailer["/Root"], *audit.pages))
    for name in (b"/JavaScript", b"/JS", b"/OpenAction", b"/AA", b"/URI", b"/EmbeddedFiles", b"/Launch", b"/Annots"):
        assert name not in raw


def test_pictures_have_words_and_tables_have_headings(audit: PdfReader) -> None:
    """Alternative text for each figure; a caption, header cells in the first row, and as many cells in each row."""
    figures = _all(audit, "/Figure")
    assert len(figures) == 2
    assert all(len(figure["/Alt"]) > 20 for figure in figures)
    tables = _all(audit, "/Table")
    assert len(tables) > 10
    for table in tables:
        rows = [one for one in _elements(table) if one["/S"] == "/TR"]
        cells = [[cell["/S"] for cell in _elements(row) if cell["/S"] in ("/TH", "/TD")] for row in rows]
        assert set(cells[0]) == {"/TH"}
        assert {len(row) for row in cells} <= {len(cells[0]), 1}  # 1: a row that heads others, over the whole width
        assert len(rows) > 1
    assert len(_all(audit, "/Caption")) == len(figures) + len(tables)


def test_headings_are_in_order(audit: PdfReader) -> None:
    """A title, then headings of the first level, and below them of the second."""
    kinds = [one["/S"] for one in _all(audit, "/Title", "/H", "/H1", "/H2", "/H3", "/H4", "/H5", "/H6")]
    assert kinds[0] == "/Title"
    assert kinds[1] == "/H1"
    assert set(kinds[1:]) == {"/H1", "/H2"}


def test_every_mark_on_every_page_is_tagged_or_an_artifact(audit: PdfReader) -> None:
    """Text, pictures and lines alike: nothing that a screen reader would meet without knowing what it is."""
    shown = {b"Tj", b"TJ", b"'", b'"', b"Do", b"f", b"F", b"f*", b"S", b"s", b"B", b"B*", b"b", b"b*", b"sh"}
    for page in audit.pages:
        stream = ContentStream(page["/Contents"].get_object(), audit)
        stack: list[str] = []
        for operands, operator in stream.operations:
            if operator in (b"BDC", b"BMC"):
                properties = operands[1] if operator == b"BDC" else {}
                known = operands[0] == "/Artifact" or "/MCID" in properties
                stack.append("known" if known else "unknown")
            elif operator == b"EMC":
                stack.pop()
            elif operator in shown:
                assert "known" in stack, (operands, operator)
        assert stack == []
        assert isinstance(page["/StructParents"], int)
        assert page.get("/Tabs", NullObject()) in ("/S", NullObject())


def test_fonts_are_in_the_file_and_speak_unicode(audit: PdfReader) -> None:
    """So it looks the same everywhere, and can be searched and read aloud."""
    fonts = {str(font): font.get_object() for page in audit.pages for font in page["/Resources"]["/Font"].values()}
    assert fonts
    for font in fonts.values():
        assert "/ToUnicode" in font
        descriptor = font["/DescendantFonts"][0].get_object()["/FontDescriptor"]
        assert {"/FontFile2", "/FontFile3"} & set(descriptor)
        assert "DejaVu" in font["/BaseFont"]


# What a block has for its renderer only.
_NOT_SHOWN = ("id", "number", "section", "verdict", "widths", "svg")


def _words(value: object) -> Iterator[str]:
    """Every text of a block, wherever it stands in it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mark):
        yield from (in_words(value.word), *value.exceptions)
    elif is_dataclass(value):
        shown = [getattr(value, field.name) for field in fields(value) if field.name not in _NOT_SHOWN]
        yield from (word for part in shown for word in _words(part))
    elif isinstance(value, list | tuple):
        yield from (word for part in value for word in _words(part))


def _text(audit: PdfReader) -> str:
    """All text without spaces: a narrow cell breaks a long word anywhere."""
    return "".join("".join(page.extract_text().split()) for page in audit.pages)


def _over_two_pages(packed: str, pdf_text: str) -> bool:
    """Whether a text begins in one place and ends in another: a page ended in the middle of a cell."""
    return any(packed[:at] in pdf_text and packed[at:] in pdf_text for at in range(3, len(packed) - 3))


def test_it_tells_what_the_page_tells(audit: PdfReader, recorded: Path) -> None:
    """Every text of every section is in both; so are the pictures, byte for byte in the page."""
    pdf_text, html = _text(audit), (recorded / "audit.html").read_text()
    html_text = "".join(re.sub(r"<[^>]*>", "", html.split("<main>")[1]).split())
    for section in AuditReport.open(home=RECORDED.parent).sections():
        for text in (section.title, *_words(section.blocks)):
            packed = "".join(text.split())
            escaped = packed.replace("&", "&amp;").replace("<", "&lt;").replace("'", "&#x27;").replace('"', "&quot;")
            assert packed in pdf_text or _over_two_pages(packed, pdf_text), text
            assert escaped in html_text, text


def test_hostile_text_stays_text() -> None:
    """It compiles, nothing of it is evaluated, it looks as it was, and what cannot be shown is written out."""
    made = pdf("T", HOSTILE, AT, as_document(HOSTILE))
    text = _text(PdfReader(BytesIO(made)))
    assert '#read("/etc/passwd")#letx=1;#panic()$x^2$*bold*_it_`raw`[a]<label>@ref' in text
    for point in ("U+0000", "U+0007", "U+202E", "U+E000", "U+10FFFF", "U+4E2D", "U+1F600"):
        assert point in text
    wide = sum(len(run) for run in re.findall("W{20,}", text))  # a run may end on the next page
    assert wide == 300 * text.count("#panic()") > 300 * 20


def test_the_same_report_is_the_same_bytes() -> None:
    """And another time is another date."""
    sections = [Section("s", "1", "S", [Prose("p")])]
    assert pdf("T", "r", AT, sections) == pdf("T", "r", AT, sections)
    assert pdf("T", "r", AT, sections) != pdf("T", "r", AT.replace("2026", "2025"), sections)


def test_the_paper_is_the_one_asked_for() -> None:
    """A4, or US Letter, in points."""
    section = Section("a", "1", "A", [Prose("x")])
    sizes = [PdfReader(BytesIO(pdf("T", "r", AT, [section], paper))).pages[0].mediabox for paper in PAPERS]
    assert [(round(size.width), round(size.height)) for size in sizes] == [(595, 842), (612, 792)]


def test_a_short_table_and_a_row_are_not_split_between_pages() -> None:
    """However much stands above: the caption, the head and the rows of a short table are on one page, and of a long one
    the lines of each row."""
    tall = "word " * 60
    short = Table("Short", ("A", "B"), [[f"first{number}", f"last{number}"] for number in range(5)], (1, 1))
    long = Table("Long", ("A", "B"), [[f"begin{number} {tall} end{number}", ""] for number in range(20)], (1, 3))
    for lines in range(40, 60, 4):
        filler = [Prose("x") for _ in range(lines)]
        read = PdfReader(BytesIO(pdf("T", "r", AT, [Section("a", "1", "A", [*filler, short, long])])))
        pages = [page.extract_text() for page in read.pages]
        assert sum(all(word in page for word in ("Short", "first0", "last4")) for page in pages) == 1
        for number in range(20):
            assert any(f"begin{number} " in page and f"end{number}" in page for page in pages), number
