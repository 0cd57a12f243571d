"""What is wrong with a notebook that was run.

In this kernel a panic, a failed assertion or an error at a cell's end is no error output: the one is text
on the error output, the other a value that is shown. Only what does not compile is an error. So a cell
passes if it ran, if nothing was written to the error output, if what it shows is no `Err`, and if every
check in it printed its word of success.
"""

from __future__ import annotations

import re

import nbformat

SUCCESS = re.compile(r"^(?:Exercise \d+: right\b|Holds: )", re.MULTILINE)
FAILURE = re.compile(
    r"DOES NOT HOLD|^Exercise \d+: (?:not answered|.* is not it\.).*$|^Err\(.*$", re.MULTILINE
)
CALLS = re.compile(r"\b(?:check|holds|claim)\(")


def faults(notebook: nbformat.NotebookNode) -> list[str]:
    """One line for each cell that failed."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not code:
        return ["no code cell"]
    found = ((cell, fault(cell)) for cell in code)
    return [f"{cell.id}: {words}" for cell, words in found if words]


def fault(cell: nbformat.NotebookNode) -> str | None:
    """What is wrong with a cell, if anything is."""
    if cell.execution_count is None:
        return "was not run to its end"
    for output in cell.outputs:
        if output.output_type == "error":
            return f"error: {output.evalue}"
        if output.output_type == "stream" and output.name == "stderr":
            return f"wrote to the error output: {one_line(output.text)}"
    said = text(cell)
    if failed := FAILURE.search(said):
        return one_line(failed[0])
    if "check" in cell.metadata.get("tags", []):
        wanted, met = len(CALLS.findall(cell.source)), len(SUCCESS.findall(said))
        if met < wanted or met == 0:
            return f"{met} of {wanted} checks said that they hold"
    return None


def text(cell: nbformat.NotebookNode) -> str:
    """All that a cell says in plain text."""
    parts = []
    for output in cell.outputs:
        if output.output_type == "stream":
            parts.append(output.text)
        elif "data" in output:
            parts.append(output.data.get("text/plain", ""))
    return "\n".join(parts)


def one_line(words: str) -> str:
    return " ".join(words.split())[:200]


def differences(committed: nbformat.NotebookNode, run: nbformat.NotebookNode) -> list[str]:
    """One line for each cell of which the committed notebook shows other outputs than a run gives; those
    that are tagged `varies` apart."""
    pairs = zip(committed.cells, run.cells, strict=True)
    code = [(old, new) for old, new in pairs if new.cell_type == "code"]
    return [
        f"{new.id}: another output than the committed one; notebooks/run --write keeps it"
        for old, new in code
        if "varies" not in new.metadata.get("tags", []) and outputs(old) != outputs(new)
    ]


def outputs(cell: nbformat.NotebookNode) -> list:
    """Outputs without their running number."""
    strip = lambda output: {k: v for k, v in output.items() if k != "execution_count"}
    return [strip(output) for output in cell.outputs]


def same_source(committed: nbformat.NotebookNode, made: nbformat.NotebookNode) -> bool:
    """Whether a committed notebook has the cells that its text makes."""
    shape = lambda book: [(c.cell_type, c.id, c.source, c.metadata) for c in book.cells]
    return shape(committed) == shape(made)
