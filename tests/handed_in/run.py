"""Proves `triform check` on what others hand in: right answers, known mistakes, unknown mistakes.

    python3 -m pip install -r requirements.txt
    python3 tests/handed_in/run.py [--seeds N] [--quick] [--program PATH]

--program is the triform to judge, from `cargo build --release` unless told. Exit status 1 if anything failed.
"""

import argparse
import concurrent.futures
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
import torch

from engines import ENGINES, by_numpy, read, write
from mistakes import BLOCK, CONV, UNKNOWN

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUTPUT_KINDS = "integers,floats,specials"


class Run:
    def __init__(self, program, folder):
        self.program, self.folder, self.suites, self.passed, self.failed = program, folder, {}, 0, []
        self.lock = threading.Lock()

    def triform(self, *arguments):
        return subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True)

    def suite(self, *options):
        """A folder of cases, the cases, and numpy's right answers; written once."""
        with self.lock:
            return self.written(options)

    def written(self, options):
        if options not in self.suites:
            folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
            ended = self.triform("cases", "--out", folder, *options)
            if ended.returncode:
                sys.exit(ended.stderr)
            cases = list(read(folder))
            self.suites[options] = folder, cases, {case.name: by_numpy(case) for case in cases}
        return self.suites[options]

    def forget(self):
        """Many seeds would fill the disk."""
        for folder, *_ in self.suites.values():
            shutil.rmtree(folder)
        self.suites.clear()

    def judge(self, options, answer):
        """The exit status of `triform check` and its report, on what `answer` makes of case and right outputs."""
        folder, cases, right = self.suite(*options)
        with tempfile.TemporaryDirectory(dir=self.folder) as outputs:
            for case in cases:
                try:
                    write(outputs, case, answer(case, right[case.name]))
                except ValueError:
                    pass  # The wrong code fails: nothing comes back.
            ended = self.triform("check", folder, outputs, "--json")
        try:
            return ended.returncode, json.loads(ended.stdout)
        except ValueError:
            sys.exit(ended.stderr)

    def expect(self, jobs):
        """Each job is a method of this class with its arguments; it tells whether it holds, what, and more to print."""
        # Most of the time goes into single-threaded parts of the program: two at a time.
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for holds, what, *more in pool.map(lambda job: job[0](*job[1:]), jobs):
                self.passed += bool(holds)
                self.failed += [] if holds else [what]
                print("pass" if holds else "FAIL", what, *more, flush=True)

    def engine(self, name, options):
        """A right answer is never refuted."""
        started = time.monotonic()
        # onnxruntime runs no training; it answers the kinds that it can.
        kinds = ("--kind", OUTPUT_KINDS) if name == "onnxruntime" else ()
        status, report = self.judge(options + kinds, lambda case, _: ENGINES[name](case))
        wrong = [f"{case['name']} {case['verdict']} {case['first']}"
                 for case in report["cases"] if case["verdict"] != "agree"]
        holds = status == 0 and report["verdict"] == "agree" and not wrong
        took = f"{len(report['cases'])} cases, {time.monotonic() - started:.1f} s"
        return holds, f"{name} agrees {' '.join(options)}:", took, *wrong

    def known(self, op, name, wrong, options):
        """A mistake of the gallery is refuted and named, perhaps with others that give the same."""
        # A mistake of one operation is handed in with right answers to the other.
        changed = lambda case: wrong(case) if case.op == op else {}
        status, report = self.judge(options, lambda case, right: right | changed(case))
        unexplained = [case["name"] for case in report["cases"]
                       if case["verdict"] in ("differ", "misshapen") and name not in case["mistakes"]]
        holds = status == 1 and name in report["mistakes"]
        twins = [other for other in report["mistakes"] if other != name]
        said = [f"with {', '.join(twins)}"] if twins and holds else []
        if not holds:
            said = [f"named {report['mistakes']}; unexplained {len(unexplained)}: {', '.join(unexplained[:4])}"]
        return holds, f"{op} {name} is named in {' '.join(options)}", *said

    def unknown(self, op, name, does, wrong, options):
        """Any other mistake is refuted, and nothing is named."""
        status, report = self.judge(options, lambda case, right: right | wrong(case))
        holds = status == 1 and report["mistakes"] == []
        first = next((case for case in report["cases"] if case["verdict"] not in ("agree", "missing")), None)
        lines = [f"\n       {first['name']} {first['verdict']}: {line}"
                 for line in first["where"] or [first["problem"]]] if first else []
        return holds, f"{op} {name} is refuted, not named: {does}", *report["mistakes"], *lines

    def zeros(self, options):
        """No case takes zeros for right, or for rounding."""
        _, report = self.judge(options, lambda _, right: {name: np.zeros_like(array) for name, array in right.items()})
        lucky = [case["name"] for case in report["cases"] if case["verdict"] != "differ"]
        return not lucky, f"zeros differ in {' '.join(options)}", f"{len(lucky)} do not: {lucky[:4]}" if lucky else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1, help="for the engines; the mistakes have seed 0")
    parser.add_argument("--quick", action="store_true", help="a tenth of the cases")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "target/release/triform")
    options = parser.parse_args()
    # NaN and overflow are what the special cases are about.
    np.seterr(invalid="ignore", over="ignore")
    torch.set_num_threads(1)
    quick = ("--quick",) if options.quick else ()
    with tempfile.TemporaryDirectory() as folder:
        run = Run(options.program, pathlib.Path(folder))
        for seed in range(options.seeds):
            run.expect([(run.engine, name, ("--seed", str(seed), *quick)) for name in ENGINES])
            run.forget()
        jobs = []
        for name, wrong in CONV.items():
            kinds = "gradients" if "gradient" in name else OUTPUT_KINDS
            jobs.append((run.known, "conv", name, wrong, ("--op", "conv", "--kind", kinds, *quick)))
        jobs += [(run.known, "block", name, wrong, ("--op", "block", *quick)) for name, wrong in BLOCK.items()]
        # Names that a mistake of a convolution and one of a block share, on cases of both.
        for name in sorted(CONV.keys() & BLOCK.keys()):
            jobs += [(run.known, op, name, all_[name], ("--quick",)) for op, all_ in (("conv", CONV), ("block", BLOCK))]
        for name, (op, does, wrong) in UNKNOWN.items():
            jobs.append((run.unknown, op, name, does, wrong, ("--op", op, "--quick")))
        run.expect(jobs + [(run.zeros, ("--op", op, "--quick")) for op in ("conv", "block")])
    for what in run.failed:
        print("FAIL", what)
    print(f"{run.passed} passed, {len(run.failed)} failed")
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
