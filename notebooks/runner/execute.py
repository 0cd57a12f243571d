"""Runs the cells of a notebook in a kernel and keeps all that it says, whenever it says it.

The Rust kernel sends what a program writes to its error output on a thread of its own: the lines of a panic
may come after the cell is said to be done, and a reader who stops listening then never sees them. So this
one waits for silence after each cell, and gives every message to the cell that it belongs to.
"""

from __future__ import annotations

import queue
import time
from pathlib import Path

import nbformat
from jupyter_client.manager import KernelManager
from nbformat.v4 import output_from_msg

# Seconds that a cell may take: the first one builds the library.
PATIENCE = 1800
# Seconds without a message that count as silence, after a cell and at the end.
SILENCE, LAST_SILENCE = 0.05, 0.5

OUTPUTS = {"stream", "display_data", "execute_result", "error"}


def execute(notebook: nbformat.NotebookNode, folder: Path, log: Path) -> None:
    """Runs all code cells, in order, and puts their outputs into the notebook. A cell that fails does not
    end the run. The kernel's own words go to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as words:
        manager = KernelManager(kernel_name="rust")
        manager.start_kernel(cwd=str(folder), stdout=words, stderr=words)
        client = manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=120)
            Session(manager, client).run([c for c in notebook.cells if c.cell_type == "code"])
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


class Session:
    """A kernel, and which request each message answers."""

    def __init__(self, manager, client) -> None:
        self.manager, self.client = manager, client
        self.cells: dict[str, nbformat.NotebookNode] = {}

    def run(self, cells: list[nbformat.NotebookNode]) -> None:
        for cell in cells:
            cell.outputs, cell.execution_count = [], None
        for cell in cells:
            request = self.client.execute(cell.source, stop_on_error=False)
            self.cells[request] = cell
            if not self.listen_until_done(request):
                return
            self.listen(SILENCE)
        self.listen(LAST_SILENCE)

    def listen_until_done(self, request: str) -> bool:
        """Whether the kernel lived to see the end of it."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except queue.Empty:
                if self.manager.is_alive():
                    continue
                return False
            self.take(message)
            done = message["content"].get("execution_state") == "idle"
            if done and message["parent_header"].get("msg_id") == request:
                return True
        return False

    def listen(self, silence: float) -> None:
        try:
            while True:
                self.take(self.client.get_iopub_msg(timeout=silence))
        except queue.Empty:
            pass

    def take(self, message: dict) -> None:
        cell = self.cells.get(message["parent_header"].get("msg_id"))
        if cell is None:
            return
        if message["msg_type"] == "execute_input":
            # The kernel counts what it did for itself, too; a reader wants 1, 2, 3.
            cell.execution_count = list(self.cells).index(message["parent_header"]["msg_id"]) + 1
        if message["msg_type"] not in OUTPUTS:
            return
        output = output_from_msg(message)
        if "data" in output:
            output.data = dict(sorted(output.data.items()))
            if output.output_type == "execute_result":
                output.execution_count = cell.execution_count
        same_stream = [o for o in cell.outputs if o.output_type == "stream" and output.get("name") == o.name]
        if same_stream:
            same_stream[0].text += output.text
        else:
            cell.outputs.append(output)
