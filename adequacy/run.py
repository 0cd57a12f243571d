"""Says which known mistakes of a convolution published tests would miss, and writes the record.

    python -m venv .venv && .venv/bin/pip install -r requirements.txt
    .venv/bin/python run.py                              # everything, into records/
    .venv/bin/python run.py --only burn,mlx-2d           # these alone, to standard output
    .venv/bin/python run.py --program ../target/release/triform
    .venv/bin/python run.py --render records/2026-12-01.json     # the markdown of a record, anew

README.md says what is judged. Everything is seeded: a second run writes the same files.
"""

import argparse
import datetime
import json
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
try:
    import numpy as np
    import onnx

    import folder
    import suites
except ImportError as error:
    sys.exit(f"Missing: {error}; python -m pip install -r {HERE / 'requirements.txt'}")

# What triform says without a mistake missed, and with one.
ANSWERS = (0, 1)
# What a suite may lack altogether.
FEATURES = ("groups", "batch", "stride", "dilation", "padding", "bias", "gradients")


class Failure(Exception):
    pass


class Program:
    def __init__(self, command, scratch):
        self.command, self.scratch = command, scratch
        self.version, self.known = None, {}

    def call(self, *arguments):
        command = [*self.command, *map(str, arguments)]
        try:
            done = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True)
        except OSError as error:
            raise Failure(f"{self.command[0]}: {error.strerror}") from error
        if done.returncode not in ANSWERS:
            raise Failure(f"{shlex.join(command)}:\n{done.stderr}")

    def adequacy(self, cases, rule):
        """Mistakes, by operation and name: not_asked, or in how many cases they are seen."""
        key = (cases, rule)
        if key not in self.known:
            report = self.scratch / "report.json"
            self.call("adequacy", cases, "--rule", rule, "--quiet", "--json", report)
            found = json.loads(report.read_text())
            self.version = found["triform"]
            self.known[key] = {
                (row["op"], row["mistake"]): None if row["seen"] == "not_asked" else row["cases"]
                for row in found["mistakes"]
            }
        return self.known[key]

    def folder(self, part):
        """Writes the cases of a part; the same cases only once."""
        if part.command:
            path = self.scratch / "_".join(part.command)
            if not path.exists():
                self.call("cases", "--out", path, "--quiet", *part.command)
            return path
        path = self.scratch / folder.commitment(part.cases)
        if not path.exists():
            folder.write(path, part.cases)
        return path


def judge(program, suite):
    """What a suite makes of each mistake."""
    parts, rows, has = [], {}, set()
    for part in suite.parts:
        cases = program.folder(part)
        verdicts = [program.adequacy(cases, rule) for rule in part.rules]
        differing = program.adequacy(cases, "exact")
        listing = json.loads((cases / "cases.json").read_text())
        for case in listing["cases"]:
            has |= features(case, np.load(cases / f"{case['name']}.npz"))
        parts.append(
            {
                "what": part.what,
                "rule": part.rule,
                "judged_by": list(part.rules),
                "cases": len(listing["cases"]),
                "commitment": listing["commitment"],
            }
        )
        for mistake in verdicts[0]:
            if mistake[1].startswith(part.blind or ("\0",)):
                continue
            seen = [verdict[mistake] for verdict in verdicts]
            if len({bool(cases) for cases in seen}) > 1:
                raise Failure(f"{suite.name}: {part.rules} disagree about {mistake[1]}")
            row = rows.setdefault(mistake, {"asked": False, "cases": 0, "differs": 0})
            if seen[0] is not None:
                row["asked"] = True
                # Of two rules the looser is the last, and sees less.
                row["cases"] += seen[-1]
                row["differs"] += differing[mistake]
    return parts, rows, has


def features(case, arrays):
    """What a case has of what a convolution can have."""
    of = case["attributes"]
    if case["op"] != "conv":
        return set(FEATURES)
    has = {
        "groups": of["groups"] > 1,
        "batch": len(arrays["x"]) > 1,
        "stride": max(of["stride"]) > 1,
        "dilation": max(of["dilation"]) > 1,
        "padding": max(of["pad"]) > 0,
        "bias": arrays["bias"].any(),
        "gradients": case["kind"] == "gradients",
    }
    return {name for name in FEATURES if has[name]}


def verdict(row):
    if row is None or not row["asked"]:
        return {"seen": "not_asked"}
    if row["cases"]:
        return {"seen": "seen", "cases": row["cases"]}
    # Either no case gives another output, or the rule accepts the other output.
    return {"seen": "missed", "because": "rule" if row["differs"] else "no_case"}


def prove(program):
    """Shows that what is relied on can say no, before anything is judged."""
    suite = suites.onnx_pytorch()
    case = suite.parts[0].cases[0]
    try:
        suites.published(case, case.y()[..., ::-1], 1e-3, 1e-7)
    except AssertionError:
        pass
    else:
        raise Failure("a case was taken for a published one whose output it does not have")
    tampered = program.scratch / "tampered"
    folder.write(tampered, [case])
    program.call("adequacy", tampered, "--quiet")
    np.savez(tampered / f"{case.name}.npz", **case.inputs() | {"bias": case.inputs()["bias"] + 1})
    try:
        program.call("adequacy", tampered, "--quiet")
    except Failure:
        pass
    else:
        raise Failure("triform took a folder whose arrays are not those that it commits to")
    # A rule that accepts everything of the right shape must miss what has the right shape.
    missed = program.adequacy(program.folder(suite.parts[0]), "shape")
    if missed["conv", "kernel-flipped"] != 0:
        raise Failure("a rule that compares shapes alone saw a flipped kernel")


def run(program, chosen, date):
    prove(program)
    judged = []
    for suite in chosen:
        print(suite.name, file=sys.stderr)
        judged.append((suite, *judge(program, suite)))
    mistakes = list(dict.fromkeys(mistake for *_, rows, _ in judged for mistake in rows))
    # Convolutions first, each in the gallery's order.
    mistakes.sort(key=lambda mistake: mistake[0] != "conv")
    found = {
        "date": date,
        "versions": {"triform": program.version, "onnx": onnx.__version__, "numpy": np.__version__},
        "mistakes": [{"op": op, "mistake": name} for op, name in mistakes],
        "suites": [],
    }
    for suite, parts, rows, has in judged:
        verdicts = [
            {"op": op, "mistake": name} | verdict(rows.get((op, name))) for op, name in mistakes
        ]
        asked = [row for row in verdicts if row["seen"] != "not_asked"]
        found["suites"].append(
            {
                "name": suite.name,
                "source": suite.source,
                "data": suite.data,
                "parts": parts,
                "cases": sum(part["cases"] for part in parts),
                "lacks": [name for name in FEATURES if name not in has],
                "asked": len(asked),
                "missed": sum(row["seen"] == "missed" for row in asked),
                "mistakes": verdicts,
            }
        )
    return found


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def markdown(found):
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    parts = [
        f"# What published tests of convolution would miss, {found['date']}",
        f"With {versions}. *Asked* are the known mistakes that a suite's kinds of cases can show, "
        "*missed* those that it accepts everywhere. *Lacks* is what no case of it has. "
        "[README.md](../README.md) says how each suite was re-expressed.",
    ]
    rows = []
    for suite in found["suites"]:
        rules = "; ".join(dict.fromkeys(part["rule"] for part in suite["parts"]))
        lacks = ", ".join(suite["lacks"]) or "-"
        rows.append(
            [
                suite["name"],
                suite["source"],
                rules,
                suite["cases"],
                suite["asked"],
                suite["missed"],
                lacks,
            ]
        )
    parts.append(table(["suite", "source", "rule", "cases", "asked", "missed", "lacks"], rows))
    parts.append("## The missed")
    rows = [
        [suite["name"], names(suite, "no_case"), names(suite, "rule")] for suite in found["suites"]
    ]
    head = ["suite", "no case gives another output", "the rule accepts another output"]
    parts.append(table(head, rows))
    parts.append("## The data")
    parts.append(
        table(["suite", "data"], [[suite["name"], suite["data"]] for suite in found["suites"]])
    )
    return "\n\n".join(parts) + "\n"


def names(suite, because):
    """The missed mistakes, by why they are missed."""
    found = [row["mistake"] for row in suite["mistakes"] if row.get("because") == because]
    return ", ".join(found) or "-"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--program", metavar="PATH", help="triform; by default cargo builds and runs it"
    )
    parser.add_argument(
        "--only", metavar="NAMES", help="suites, separated by commas; prints, writes no record"
    )
    parser.add_argument(
        "--date", default=datetime.date.today().isoformat(), help="the record's name"
    )
    parser.add_argument(
        "--render", metavar="FILE", type=pathlib.Path, help="write the markdown of a record again"
    )
    return parser.parse_args()


def main():
    options = arguments()
    if options.render:
        found = json.loads(options.render.read_text())
        options.render.with_suffix(".md").write_text(markdown(found))
        return
    command = ["cargo", "run", "--release", "--quiet", "--"]
    if options.program:
        command = [str(pathlib.Path(options.program).resolve())]
    chosen = [suite() for suite in suites.ALL]
    if options.only:
        wanted = options.only.split(",")
        unknown = set(wanted) - {suite.name for suite in chosen}
        if unknown:
            sys.exit(f"no suite is called {', '.join(sorted(unknown))}")
        chosen = [suite for suite in chosen if suite.name in wanted]
    with tempfile.TemporaryDirectory() as scratch:
        try:
            found = run(Program(command, pathlib.Path(scratch)), chosen, options.date)
        except Failure as failure:
            sys.exit(f"{type(failure).__name__}: {failure}")
    if options.only:
        print(markdown(found), end="")
        return
    record = HERE / "records" / f"{options.date}.json"
    record.parent.mkdir(exist_ok=True)
    # A mistake a line.
    text = re.sub(
        r"\{[^{}\[\]]*\}", lambda one: " ".join(one[0].split()), json.dumps(found, indent=1)
    )
    record.write_text(text + "\n")
    record.with_suffix(".md").write_text(markdown(found))
    print(record.with_suffix(".md"))


main()
