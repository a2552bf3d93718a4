"""Text that would break out if a renderer read markup in it, and a document that has it everywhere."""

from collections.abc import Sequence

from opslib.audit.charts import draw_success
from opslib.audit.document import (
    Answer,
    Band,
    Card,
    Code,
    Command,
    Cover,
    Group,
    Heading,
    Mark,
    Panel,
    Prose,
    Section,
    Table,
    Terms,
)
from opslib.audit.drawing import Chart

HOSTILE = (
    "<script>alert(1)</script> \"'><img src=x onerror=alert(1)> {{7*7}} {sections} {links} &amp; <!-- "
    '#read("/etc/passwd") #let x = 1; #panic() $x^2$ *bold* _it_ `raw` [a] <label> @ref // /* \\ ~ = Heading\n= H\n- a '
    '"); #eval("1") ") sys.inputs '
    "\x00\x07\x1b[31m\u202e evil \u200b\ufeff\u2028 \ue000 \U0010ffff "
    "中文 😀 مرحبا שלום é ﬀ " + "W" * 300
)


def as_document(text: str) -> Sequence[Section]:
    """The text in every place that a section has for text from outside."""
    rows = [Group(text), [text, Code(text)], [Mark("FAIL", [text]), text]]
    pairs, answer = [(text, text)], Answer(text, [text], "who")
    blocks = [
        Panel(text, "WARN", [text], text, {"PASS": 1}, 0, [answer, answer]),
        Prose(text),
        Prose(text, loud=True),
        Heading(text),
        Terms([*pairs, *pairs]),
        Card(text, "FAIL", text, pairs, pairs),
        Card(text, None, text, pairs, pairs),
        Table(text, ("A", "B"), rows, (1, 1)),
        Table(text, ("A", "B"), rows, (1, 1), folded=True),
        Command(text, text),
        Chart(text, text),
        draw_success([(text, 1, 2)]),
    ]
    cover = [Band(text, text), Cover([(text, [text, Code(text)]), (text, [text])])]
    return [Section("cover", "", "", cover), Section("x", text, text, blocks)]
