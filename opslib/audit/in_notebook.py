"""What notebook 02 shows above the sections: where they are, and the report as files."""

import base64

from opslib.audit.as_html import CONTENTS, converted_style, narrow_style, page
from opslib.audit.as_pdf import pdf
from opslib.audit.contents import TITLES, number
from opslib.audit.exports import report_json
from opslib.audit.report import AuditReport
from opslib.html import Html, text

_NO_FILES = "This is the recorded example. The report of your own walk can be downloaded here as HTML, PDF and JSON."


def top(report: AuditReport) -> Html:
    """A list of the sections, with links, and a link to download each file. The recorded example has no files."""
    shown = [name for name in TITLES if TITLES[name] and name != "sign_off"]
    links = "".join(f'<li><a href="#{name}">{number(name)} {text(TITLES[name])}</a></li>' for name in shown)
    listed = f'<ul class="{CONTENTS}" style="columns:2;list-style:none;padding:0">{links}</ul>'
    plain = "\n".join(f"{number(name)} {TITLES[name]}" for name in shown)
    return Html(
        f"{converted_style()}{narrow_style()}<h2>Contents</h2>{listed}{_downloads(report)}", f"Contents\n{plain}"
    )


def _downloads(report: AuditReport) -> str:
    if report.recorded:
        return f"<p>{text(_NO_FILES)}</p>"
    facts, sections = report.facts, report.sections()
    files = {
        "audit.html": ("text/html", page(report.title, sections).encode()),
        "audit.pdf": ("application/pdf", pdf(report.title, facts.run_id, facts.extent()[1], sections)),
        "report.json": ("application/json", report_json(facts, report.before).encode()),
    }
    return "<p>" + " ".join(_download(name, *file) for name, file in files.items()) + "</p>"


def _download(name: str, media_type: str, content: bytes) -> str:
    style = "display:inline-block;margin-right:8px;padding:5px 12px;border:1px solid;border-radius:4px"
    address = f"data:{media_type};base64,{base64.b64encode(content).decode()}"
    return f'<a download="{name}" href="{address}" style="{style}">Download {name}</a>'
