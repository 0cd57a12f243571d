"""What is wrong with a notebook that was run.

In this kernel a panic, a failed assertion or an error at a cell's end is no error output: the one is text
on the error output, the other a value that is shown. Only what does not compile is an error. So a cell
passes if it ran to its end, if nothing was written to the error output, if what it shows has no `Err`, and
if at least as many checks printed their word of success as it has calls. (A loop that runs less often than
it should is not seen, nor is an `Err` that nobody looks at.)
"""

from __future__ import annotations

import re

import nbformat

SUCCESS = re.compile(r"^(?:Exercise \d+: right\b|Holds: )", re.MULTILINE)
FAILURE = re.compile(
    r"DOES NOT HOLD.*|NOT REFUTED.*|^Exercise \d+: (?:not answered\.|.* is not it\..*)$|\bErr\(.*", re.MULTILINE
)
UNANSWERED = re.compile(r"[a-z0-9-]+: Exercise \d+: not answered\.")
GUESSED = re.compile(r", as you said\.|\. You said ")
CALLS = re.compile(r"\b(?:check|holds|claim)(?:::<[^>]*>)?\s*\(")


def faults(notebook: nbformat.NotebookNode) -> list[str]:
    """One line for each cell that failed."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not code:
        return ["no code cell"]
    found = ((cell, fault(cell)) for cell in code)
    return [f"{cell.get('id', 'cell')}: {words}" for cell, words in found if words]


def fault(cell: nbformat.NotebookNode) -> str | None:
    """What is wrong with a cell, if anything is."""
    if cell.execution_count is None:
        return "was not run to its end"
    for output in cell.outputs:
        if output.output_type == "error":
            return f"error: {output.evalue}"
        if output.output_type == "stream" and output.name == "stderr":
            return f"wrote to the error output: {one_line(output.text)}"
    if failed := list(dict.fromkeys(FAILURE.findall(text(cell, "text/")))):
        return one_line("; ".join(failed))
    wanted = len(CALLS.findall(cell.source))
    if wanted or "check" in cell.metadata.get("tags", []):
        met = len(SUCCESS.findall(text(cell, "text/plain")))
        if met < wanted or met == 0:
            return f"{met} of {wanted} checks said that they hold"
    return None


def faults_of_blanks(notebook: nbformat.NotebookNode, blanks: int) -> list[str]:
    """The same of a copy for students: all its blanks must be said to be blank, and nothing else be wrong. A blank is
    an exercise without an answer, or a cell of predictions of which none was made."""
    found = faults(notebook)
    others = [words for words in found if not UNANSWERED.fullmatch(words)]
    told = (text(cell, "text/plain") for cell in notebook.cells if cell.cell_type == "code")
    unguessed = sum("(You made no prediction.)" in said and not GUESSED.search(said) for said in told)
    blank = len(found) - len(others) + unguessed
    if blank != blanks:
        others.append(f"{blank} of {blanks} blanks are said to be blank")
    return others


def text(cell: nbformat.NotebookNode, kind: str) -> str:
    """All that a cell says in words of this kind: text/plain, or text/ for all."""
    parts = []
    for output in cell.outputs:
        if output.output_type == "stream":
            parts.append(output.text)
        elif "data" in output:
            parts += [data for mime, data in output.data.items() if mime.startswith(kind)]
    return "\n".join(parts)


def one_line(words: str) -> str:
    return " ".join(words.split())[:200]


def differences(committed: nbformat.NotebookNode, run: nbformat.NotebookNode) -> list[str]:
    """One line for each cell whose committed outputs differ from those of a run. For cells
    tagged `varies` only the kind is compared."""
    pairs = zip(committed.cells, run.cells, strict=True)
    code = [(old, new) for old, new in pairs if new.cell_type == "code"]
    return [
        f"{new.id}: another output than the committed one; notebooks/run --write keeps it"
        for old, new in code
        if shown(old, new) != shown(new, new)
    ]


def shown(cell: nbformat.NotebookNode, run: nbformat.NotebookNode) -> list:
    """What is compared of a cell's outputs."""
    if "varies" not in run.metadata.get("tags", []):
        return [cell.execution_count, cell.outputs]
    kinds = [(o.output_type, o.get("name"), sorted(o.get("data", {}))) for o in cell.outputs]
    return [cell.execution_count, kinds]


def same_source(committed: nbformat.NotebookNode, made: nbformat.NotebookNode) -> bool:
    """Whether a committed notebook has the cells that its text makes."""
    shape = lambda book: [book.metadata, [(c.cell_type, c.id, c.source, c.metadata) for c in book.cells]]
    return shape(committed) == shape(made)
