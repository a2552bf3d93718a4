"""Charts as SVG that matplotlib draws and that takes the colours of the page it stands on.

1. Text and axes have the page's own text colour. Marks are Okabe and Ito's blue and vermilion, which colour-blind
   readers can tell apart, and a grey: each has a contrast of 3 or more with white and with dark pages alike.
2. The same values give the same bytes: no date, no random id, two decimals.
3. JupyterLab takes `<svg>` out of a notebook that is not trusted. There, an image of the same drawing shows, on white:
   of the page an image sees neither colours nor theme.
"""

import base64
import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from threading import Lock
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from opslib.visible import visible_text

if TYPE_CHECKING:
    from matplotlib.artist import Artist

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#757575"
INK = "#010101"  # becomes the text colour of the page
# From blue to ink, each seen on either page: fills of more and more.
SCALE = {
    BLUE: BLUE,
    "#004d78": f"color-mix(in srgb, currentColor 33%, {BLUE})",
    "#00263b": f"color-mix(in srgb, currentColor 67%, {BLUE})",
    INK: "currentColor",
}
_WIDTH = 440  # in points, as all lengths of the drawing
_ROW = 30
_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_ONE_AT_A_TIME = Lock()
_STYLE: Any = {
    "font.size": 10.5,
    "text.parse_math": False,  # names from outside are not markup
    "text.color": INK,
    "axes.facecolor": "none",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": "medium",
    "legend.frameon": False,
    "svg.fonttype": "none",
}


@dataclass(frozen=True)
class Chart:
    """A title, what there is to see in words, and a drawing as SVG, which may stand alone; none where there is no data.
    Notebooks and pages show it as `<figure>`."""

    title: str
    alt: str
    svg: str = ""

    def html(self) -> str:
        """As `<figure>`, with the drawing in it."""
        alt, title = escape(self.alt), escape(self.title)
        caption = f'<figure style="margin:0"><figcaption><strong>{title}</strong><br>{alt}</figcaption>'
        if not self.svg:
            return f"{caption}</figure>"
        source = base64.b64encode(self.svg.encode()).decode()
        image = (
            f'<img src="data:image/svg+xml;base64,{source}" alt="{alt}" width="600"'
            ' style="max-width:100%;height:auto;background:#ffffff"/>'
        )
        # JupyterLab, where it does not trust, keeps neither `all` nor <svg>: the drawing, of which only texts are left,
        # stays hidden then, and the image is no longer inside of what is not shown.
        return (
            f'{caption}<div style="display:none;all:revert;max-width:38rem">{_on_page(self.svg, alt)}</div>'
            f'<svg style="display:none"><desc>{image}</desc></svg></figure>'
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": f"{self.title}. {self.alt}"}


def svg(draw: Callable[..., None], *, heights: Sequence[float] = (5,), salt: str = "") -> str:
    """What `draw` draws on axes below each other, each as high as so many rows of text; they share the x axis.

    `salt` makes ids that no other drawing on the page has.
    """
    # Without pyplot: it keeps figures alive and chooses a display.
    from matplotlib import style
    from matplotlib.figure import Figure

    # Not in the user's own style, which is another one on each machine. It is the style of all threads.
    with (
        _ONE_AT_A_TIME,
        style.context(["default", {**_STYLE, "svg.hashsalt": f"opslib {salt}"}]),
        warnings.catch_warnings(),
    ):
        size = _WIDTH / 72, (60 + _ROW * sum(heights)) / 72
        figure = Figure(figsize=size, layout="constrained", facecolor="none")
        axes = figure.subplots(len(heights), 1, squeeze=False, sharex=True, height_ratios=heights)
        draw(*axes[:, 0])
        out = io.StringIO()
        # The browser has other fonts than matplotlib, which only measures the text.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(out, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return _plain(visible_text(out.getvalue()))


def legend(shown: "Mapping[str, Artist]") -> None:
    """Below the axes, in words, where it covers nothing."""
    figure = next(iter(shown.values())).get_figure(root=True)
    assert figure  # noqa: S101 (what was drawn is on a figure)
    room = max(1, int(_WIDTH / (30 + 6 * max(map(len, shown)))))
    columns = min(room, len(shown))
    figure.legend(shown.values(), shown, loc="outside lower left", ncols=columns, columnspacing=1.5, handletextpad=0.5)


def _plain(drawn: str) -> str:
    """Without what a page does not need, or what would reach beyond the drawing: ids of groups, styles for all."""
    root = ET.fromstring(drawn)  # noqa: S314 (matplotlib wrote it)
    root.remove(root[0])  # a style for everything on the page
    view, height = root.attrib["viewBox"], root.attrib["height"].removesuffix("pt")
    root.attrib.clear()
    root.attrib |= {
        "viewBox": view,
        "width": str(_WIDTH),
        "height": height,
        "font-family": "'DejaVu Sans', sans-serif",
        "stroke-linejoin": "round",
    }
    for element in root.iter():
        if element.tag == f"{_SVG}g":
            element.attrib.pop("id", None)
        if href := element.attrib.pop(_HREF, ""):
            element.set("href", href)
        for name, value in element.items():
            if value.startswith("rotate(-0 "):
                del element.attrib[name]
            elif name in ("d", "style", "transform", "x", "y", "width", "height"):
                element.set(name, _short(value))
        if element.tag != f"{_SVG}text":
            element.text = None
        element.tail = None
    ET.register_namespace("", _SVG.strip("{}"))
    return ET.tostring(root, encoding="unicode")


def _short(value: str) -> str:
    value = re.sub(r"; font-family: [^;]*", "", value)
    value = re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", value)
    return " ".join(value.split())


def _on_page(drawn: str, alt: str) -> str:
    """In the page's colours and font, as wide as there is room."""
    for fixed, themed in SCALE.items():
        drawn = drawn.replace(fixed, themed)
    head, body = drawn.split(">", 1)
    (view,) = re.findall(r'viewBox="[^"]*"', head)
    style = "display:block;width:100%;height:auto;overflow:visible"
    return f'<svg {view} role="img" aria-label="{alt}" stroke-linejoin="round" style="{style}">{body}'
