"""Text that would break out if a renderer read markup in it, and a document that has it everywhere."""

from collections.abc import Sequence

from opslib.audit.charts import Chart, _empty
from opslib.audit.document import Code, Mark, Prose, Section, Table, Terms

HOSTILE = (
    "<script>alert(1)</script> \"'><img src=x onerror=alert(1)> {{7*7}} {sections} {links} &amp; <!-- "
    '#read("/etc/passwd") #let x = 1; #panic() $x^2$ *bold* _it_ `raw` [a] <label> @ref // /* \\ ~ = Heading\n= H\n- a '
    '"); #eval("1") ") sys.inputs '
    "\x00\x07\x1b[31m\u202e evil \u200b\ufeff\u2028 \ue000 \U0010ffff "
    "中文 😀 مرحبا שלום é ﬀ " + "W" * 300
)


def as_document(text: str) -> Sequence[Section]:
    """The text in every place that a section has for text from outside."""
    table = Table(text, ("A", "B"), [[text, Code(text)], [Mark("FAIL"), text]], (1, 1))
    return [Section(text, [Prose(text), Prose(text, loud=True), Terms([(text, text)]), table, Chart(text, text, PNG)])]


PNG = _empty("x").png
