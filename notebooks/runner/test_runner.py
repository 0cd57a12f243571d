"""The runner rejects a panic, code that does not compile, an `Err`, a false check, and lesser faults."""

from __future__ import annotations

import contextlib
import io
import tempfile
import threading
import time
import unittest
from pathlib import Path
from unittest import mock

from nbformat.v4 import new_code_cell, new_notebook, new_output

from . import book, judge, slots
from .__main__ import chosen, each, main, run_file
from .execute import execute, stop_all
from .text import Cell, TextError, parse, translated


class TheFailing(unittest.TestCase):
    """failing/: run as `notebooks/run --file` runs them, by name, status and closing line."""

    def test_all_fail_and_are_counted(self) -> None:
        why = {
            "does_not_compile": "mismatched types",
            "false_check": "3 is not it",
            "panics": "panicked",
            "returns_an_err": "Err(",
        }
        notebooks = sorted((Path(__file__).parent / "failing").glob("*.ipynb"))
        self.assertEqual([path.stem for path in notebooks], list(why))
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            status = each(notebooks, run_file)
        self.assertEqual(status, 1)
        self.assertIn("\n0 passed, 4 failed\n", said.getvalue())
        for words in why.values():
            self.assertIn(words, said.getvalue())


# Each cell by itself makes a notebook fail, with these words; None: it does not.
CELLS = {
    "a-panic": ('panic!("no");', "panicked"),
    "fine": ("let x = 5;", None),
    "an-assertion-after-a-print": ('println!("so far"); assert_eq!(1 + 1, 3);', "panicked"),
    "an-index": ("let few = [1, 2]; let i = few.len(); few[i];", "panicked"),
    "another-type": ('let y: u32 = "text";', "mismatched types"),
    "an-err": ('"x".parse::<u32>()', "Err("),
    "a-question-mark": ('let z: u32 = "x".parse()?;', "error output"),
    "a-wrong-answer": ('println!("Exercise 1: 3 is not it. Look again.");', "3 is not it"),
    "a-blank": ('println!("Exercise 1: not answered.");', "not answered"),
    "a-false-statement": ('println!("DOES NOT HOLD: a = b.");', "DOES NOT HOLD"),
    "a-check-that-says-nothing": ("let check = 1;", "0 of 0 checks"),
    "a-check": ('println!("Exercise 1: right, 4.");', None),
    "an-err-inside": ('Some("x".parse::<u32>())', "Err("),
    "an-untagged-check": ('if false { println!("holds({})", 1); }', "0 of 1 checks"),
    "the-last-cell": ('println!("{x}"); assert!(x == 4);', "panicked"),
}
CHECKS = {"a-wrong-answer", "a-blank", "a-check-that-says-nothing", "a-check"}


class TheKernel(unittest.TestCase):
    """All these cells are run, and just those that should have are found to have failed."""

    def test_cells_that_fail_are_found_and_no_others(self) -> None:
        cells = []
        for name, (source, _) in CELLS.items():
            tags = {"metadata": {"tags": ["check"]}} if name in CHECKS else {}
            cells.append(new_code_cell(source, id=name, **tags))
        notebook = new_notebook(cells=cells)
        execute(notebook, book.FOLDER, slots.log("test"))
        for cell in notebook.cells:
            with self.subTest(cell.id):
                words = CELLS[cell.id][1]
                found = judge.fault(cell)
                self.assertEqual(found is None, words is None, found)
                self.assertIn(words or "", found or "")

    def test_an_error_without_a_newline_is_found(self) -> None:
        notebook = new_notebook(cells=[new_code_cell('eprint!("no newline");')])
        execute(notebook, book.FOLDER, slots.log("test"))
        self.assertIn("no newline", judge.faults(notebook)[0])

    def test_a_last_cell_that_does_not_end_is_found(self) -> None:
        for source in ("loop {}", ":quit"):
            with self.subTest(source):
                notebook = new_notebook(cells=[new_code_cell("let x = 1;"), new_code_cell(source)])
                execute(notebook, book.FOLDER, slots.log("test"), patience=20)
                self.assertIn("was not run to its end", judge.faults(notebook)[-1])


    def test_kernels_that_run_can_be_stopped(self) -> None:
        notebook = new_notebook(cells=[new_code_cell("loop {}")])
        run = threading.Thread(target=execute, args=(notebook, book.FOLDER, slots.log("test"), 120))
        run.start()
        until = time.monotonic() + 60
        while notebook.cells[0].execution_count is None and time.monotonic() < until:
            time.sleep(0.1)
        self.assertEqual(notebook.cells[0].execution_count, 1, "the cell began")
        stop_all()
        run.join(timeout=30)
        self.assertFalse(run.is_alive())
        self.assertIn("was not run to its end", judge.faults(notebook)[0])


class TheArguments(unittest.TestCase):
    """What cannot be done is refused before a kernel is started."""

    def test_names_that_are_none_are_refused(self) -> None:
        self.assertEqual(len(chosen([])), 12)
        self.assertEqual(chosen(["01"]), ["01_group_convolution", "01_group_convolution.zh"])
        with self.assertRaisesRegex(TextError, "07: no such notebook"):
            chosen(["07"])

    def test_a_notebook_without_a_text_is_refused(self) -> None:
        with mock.patch.object(book, "names", lambda: ["01_group_convolution"]):
            with self.assertRaisesRegex(TextError, "02_split_transform_merge.*: no text"):
                chosen([])

    def test_numbers_of_kernels_out_of_range_are_refused(self) -> None:
        for jobs in ("0", "9", "-1"):
            with mock.patch("sys.argv", ["run", "--jobs", jobs]):
                with self.assertRaisesRegex(TextError, f"--jobs {jobs}: from 1 to 8"):
                    main()

    def test_a_library_that_cannot_be_loaded_is_said(self) -> None:
        with mock.patch.object(slots, "execute"), self.assertRaisesRegex(TextError, "cannot be loaded"):
            slots.warm(1)


class TheJudge(unittest.TestCase):
    """Without a kernel."""

    def cell(self, source: str, said: str, **more):
        output = new_output("stream", name="stdout", text=said)
        return new_code_cell(source, execution_count=1, outputs=[output], **more)

    def test_wants_each_cell_run(self) -> None:
        book = new_notebook(cells=[new_code_cell("1")])
        self.assertIn("was not run", judge.faults(book)[0])
        self.assertEqual(judge.faults(new_notebook()), ["no code cell"])

    def test_wants_all_blanks_said_to_be_blank(self) -> None:
        none = "(You made no prediction.)\n"
        cells = [
            self.cell("check(1)", "Exercise 1: not answered.\n", id="a"),
            self.cell("predict(2)", f"x: true. {none}y: false. {none}", id="b"),
        ]
        copy = new_notebook(cells=cells)
        self.assertEqual(judge.faults_of_blanks(copy, 2), [])
        self.assertEqual(judge.faults_of_blanks(copy, 3), ["2 of 3 blanks are said to be blank"])
        for guess in ("x: true, as you said.", "x: true. You said false."):
            cells[1] = self.cell("predict(2)", f"{guess}\ny: false. {none}", id="b")
            copy = new_notebook(cells=cells)
            self.assertEqual(judge.faults_of_blanks(copy, 2), ["1 of 2 blanks are said to be blank"])
        cells[0] = self.cell("check(1)", "Exercise 1: right, 4.\nDOES NOT HOLD: a = b.\n", id="a")
        self.assertIn("a: DOES NOT HOLD: a = b.", judge.faults_of_blanks(new_notebook(cells=cells), 1))

    def test_counts_the_checks_of_a_cell(self) -> None:
        check = {"metadata": {"tags": ["check"]}}
        two = 'holds("a", x); holds("b", y);'
        self.assertIsNone(judge.fault(self.cell(two, "Holds: a.\nHolds: b.\n", **check)))
        self.assertEqual(
            judge.fault(self.cell(two, "Holds: a.\n", **check)), "1 of 2 checks said that they hold"
        )

    def test_sees_an_output_that_changed(self) -> None:
        old, new = (new_notebook(cells=[self.cell("x", said, id="x")]) for said in ("1\n", "2\n"))
        self.assertEqual(judge.differences(old, old), [])
        self.assertIn("x: another output", judge.differences(old, new)[0])
        new.cells[0].metadata["tags"] = ["varies"]
        self.assertEqual(judge.differences(old, new), [])


class TheText(unittest.TestCase):
    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_becomes_cells(self) -> None:
        text = "# A\n\nwords\n\n```text\nx = 1\n```\n\n```rust one varies\nlet x = 1;\n```\n\nmore\n"
        prose, code, more = parse(self.write("a.md", text))
        self.assertEqual(prose, Cell("# A\n\nwords\n\n```text\nx = 1\n```"))
        self.assertEqual(code, Cell("let x = 1;", "one", varies=True))
        self.assertEqual(more, Cell("more"))

    def test_has_blanks_for_students(self) -> None:
        text = "```rust a\nSome(1)\n```\n\n```rust a blank\nNone\n```\n"
        cells = parse(self.write("a.md", text))
        self.assertEqual([cell.source for cell in cells], ["Some(1)"])
        self.assertEqual([cell.source for cell in book.for_students(cells)], ["None"])

    def test_asks_three_things_and_leaves_them_blank_for_students(self) -> None:
        books = [name for name in book.names() if "." not in name]
        self.assertEqual(len(books), 6)
        for name in books:
            cells = {cell.name: cell for cell in book.cells(name) if cell.is_code}
            for number in (1, 2, 3):
                exercise, check = cells[f"exercise-{number}"], cells[f"check-{number}"]
                self.assertIn("Some(", exercise.source, name)
                self.assertIn("None;", exercise.blank, name)
                self.assertIn(f"check({number}, ", check.source, name)
            self.assertNotIn("exercise-4", cells)

    def test_of_another_language_has_the_same_code(self) -> None:
        english = parse(self.write("a.md", "one\n\n```rust x\n1\n```\n"))
        same = translated(english, self.write("a.zh.md", "一\n\n```rust x\n```\n"))
        self.assertEqual([cell.source for cell in same], ["一", "1"])
        for wrong in ("一\n", "```rust y\n```\n", "```rust x\n2\n```\n"):
            with self.assertRaises(TextError):
                translated(english, self.write("b.zh.md", wrong))

    def test_that_makes_no_notebook_is_refused(self) -> None:
        for wrong in (
            "```rust\n1\n```\n",
            "```rust a\n1\n",
            "```rust a hidden\n1\n```\n",
            "```rust a\n1\n```\n```rust a\n1\n```\n",
            "```rust a blank\n1\n```\n",
            "```rust a\n" + "x" * 101 + "\n```\n",
        ):
            with self.assertRaises(TextError, msg=wrong):
                parse(self.write("a.md", wrong))
