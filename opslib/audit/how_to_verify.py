"""The instruction that comes with an audit: how to verify it, for a reader who is not a programmer."""

from collections.abc import Sequence
from typing import NamedTuple

from opslib.audit.as_html import page
from opslib.audit.document import Block, Cell, Code, Group, Prose, Section, Table

TITLE = "How to verify this report"


class Answer(NamedTuple):
    """How an answer begins, what it means, and what to do then. NUMBER, KEY, FILE, FIGURE and REASON stand for
    others."""

    begins: str
    means: str
    do: str


# The system, how to get there, and what to type to verify the signature and to recompute the figures.
COMMANDS: Sequence[Sequence[str]] = (
    (
        "Windows",
        "Open this folder in the Explorer, click into the address bar, type cmd and press Enter.",
        "py verify_audit.py . KEY",
        "py recompute.py .",
    ),
    (
        "macOS, Linux",
        "Open a terminal in this folder.",
        "python3 verify_audit.py . KEY",
        "python3 recompute.py .",
    ),
    ("With opslib", "Open a terminal in this folder.", "opslib verify . --key KEY", ""),
)
SIGNATURE_ANSWERS = (
    Answer(
        "intact: all NUMBER files are as they were signed with KEY",
        "Nobody changed, removed or added a file since the owner of the key signed the folder.",
        "Go on to the figures. If the line goes on “made from a ledger that was broken” or “unsigned”, the record"
        " behind the report is in doubt: ask its owner.",
    ),
    Answer(
        "SIGNED BY AN UNCONFIRMED KEY: all NUMBER files are as they were signed with KEY",
        "The files fit together, but you gave no key. Anybody can make such a folder.",
        "Get the key from its owner, and type the command again with it.",
    ),
    Answer(
        "NOT INTACT: it is signed with another key, KEY",
        "The key that you gave is not the one that signed the folder.",
        "Compare what you typed with what you got. If it is the same, do not use the folder: ask the owner of the key"
        " for the folder, by another way.",
    ),
    Answer(
        "NOT INTACT: FILE was changed",
        "That file is not as it was signed.",
        "Do not use the folder. Ask for it again, and ask who handled it.",
    ),
    Answer(
        "NOT INTACT: FILE is missing",
        "That file was removed or renamed.",
        "Unpack the whole zip again. If it is still missing, ask for the folder again.",
    ),
    Answer(
        "NOT INTACT: FILE is not part of the audit",
        "Somebody added that file.",
        "If you saved it there yourself, move it away and type the command again. If not, do not use it.",
    ),
    Answer(
        "NOT INTACT: the signature of manifest.json is not the key's",
        "The list of files was changed.",
        "Do not use the folder. Ask for it again, and ask who handled it.",
    ),
    Answer(
        "CANNOT BE CHECKED: REASON",
        "A file could not be read, or what you typed as KEY is neither a key nor a file with one.",
        "Make sure that you are in this folder, and that KEY begins with ed25519: and goes on with 64 characters.",
    ),
)
FIGURES_ANSWERS = (
    Answer("agrees FIGURE", "The figure in the report follows from the tables in this folder.", "Nothing."),
    Answer("DIFFERS FIGURE", "It does not follow from them.", "Do not use the figure. Ask the maker of the report."),
    Answer(
        "CANNOT BE RECOMPUTED: REASON",
        "A file is missing or damaged.",
        "Verify the folder first, then ask for it again.",
    ),
)


def how_to_verify() -> str:
    """The page."""
    return page(
        TITLE, [Section(f"step-{one}", str(one), *section) for one, section in enumerate(_SECTIONS, 1)], dense=True
    )


def _commands() -> Table:
    rows: list[list[Cell]] = [
        [system, first, *(Code(command) if command else "–" for command in commands)]
        for system, first, *commands in COMMANDS
    ]
    return Table("Commands", ("On", "First", "Verify the signature", "Recompute the figures"), rows, (14, 34, 30, 22))


def _answers() -> list[Sequence[Cell] | Group]:
    return [
        Group("Verify the signature"),
        *SIGNATURE_ANSWERS,
        Group("Recompute the figures, line by line"),
        *FIGURES_ANSWERS,
    ]


_SECTIONS: Sequence[tuple[str, Sequence[Block]]] = (
    (
        "What you need",
        (
            Prose("This folder, unpacked. Do not save anything in it."),
            Prose(
                "The signer's public key: a text that begins with ed25519: and goes on with 64 characters. Get it from"
                " its owner, and by another way than this folder: on the telephone, on paper, or from your own register"
                " of keys. A key that came with the folder proves nothing: the maker of the folder chose it."
            ),
            Prose(
                "Python 3.11 or newer, from python.org or your IT department. You need no other package, no network,"
                " and no rights of an administrator."
            ),
        ),
    ),
    (
        "What to type",
        (Prose("Type the public key in the place of KEY, and press Enter after each line."), _commands()),
    ),
    (
        "What the answer means",
        (
            Prose("Words in capitals such as NUMBER, KEY, FILE and FIGURE stand for what is printed there."),
            Table("Answers", ("It prints", "It means", "What to do"), _answers(), (34, 30, 36)),
        ),
    ),
    (
        "What this does not show",
        (
            Prose(
                "The two scripts came with the folder. Whoever could change the folder could change them, too. If that"
                " matters to you, take verify_audit.py and recompute.py from opslib's own repository (docs/), or have"
                " your IT department read them."
            ),
            Prose(
                "A signature shows which key signed, not who held it, and not that the report says what the ledger"
                " says. The ledger stays with its owner: ask for an export of it (opslib export-ledger), and verify"
                " that, too (opslib verify). Both answers name the head of the ledger, and it must be the same one."
            ),
        ),
    ),
)
