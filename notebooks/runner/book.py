"""Notebook files: made from text, written always the same, copied for students."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from .text import Cell, TextError, parse, translated

FOLDER = Path(__file__).resolve().parent.parent
TEXT = FOLDER / "text"
LANGUAGES = ("", ".zh")

# What a cell prints where an answer is right or something holds; see crates/notebook/src/exercise.rs.
CHECKS = ("check(", "holds(", "claim(")


def names() -> list[str]:
    """All notebooks: first the English ones, in order, then the others."""
    books = sorted(path.stem for path in TEXT.glob("[0-9][0-9]_*.md") if "." not in path.stem)
    if not books:
        raise TextError(f"{TEXT}: no notebook")
    return [book + language for language in LANGUAGES for book in books]


def cells(name: str) -> list[Cell]:
    """The cells of a notebook by its name, 01_x or 01_x.zh."""
    book, _, language = name.partition(".")
    english = parse(TEXT / f"{book}.md")
    return translated(english, TEXT / f"{name}.md") if language else english


def path(name: str) -> Path:
    return FOLDER / f"{name}.ipynb"


def make(cells: list[Cell]) -> nbformat.NotebookNode:
    """A notebook of these cells, without outputs."""
    nodes = []
    for number, cell in enumerate(cells):
        if cell.is_code:
            tags = ["varies"] if cell.varies else []
            tags += ["check"] if any(call in cell.source for call in CHECKS) else []
            node = new_code_cell(cell.source, id=cell.name)
            if tags:
                node.metadata["tags"] = tags
        else:
            node = new_markdown_cell(cell.source, id=f"prose-{number}")
        nodes.append(node)
    return new_notebook(
        cells=nodes,
        metadata={
            "kernelspec": {"display_name": "Rust", "language": "rust", "name": "rust"},
            "language_info": {"file_extension": ".rs", "mimetype": "text/rust", "name": "rust"},
        },
    )


def for_students(cells: list[Cell]) -> list[Cell]:
    """The same with blanks in the place of answers."""
    return [
        cell if cell.blank is None else Cell(cell.blank, cell.name, cell.varies) for cell in cells
    ]


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def write(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Writes it to a temporary file, then renames: nothing is left half-written."""
    nbformat.validate(notebook)
    half = path.with_name(path.name + ".part")
    try:
        nbformat.write(notebook, half)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
