"""Reduces the corpus of a fuzz target to inputs that cover what the whole covers.

    python3 fuzz/reduce.py TARGET [MOST]

First those with a name of their own, which has a hyphen; then greedily every line of this repository's
sources; then as many of libFuzzer's features as fit into MOST inputs (40). Needs cargo-fuzz and
`rustup component add llvm-tools`; RUSTC_BOOTSTRAP=1 makes stable do.
"""

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FUZZ = Path(__file__).resolve().parent
ENV = os.environ | {"RUSTC_BOOTSTRAP": "1"}


def run(*command, **env):
    done = subprocess.run(command, env=ENV | env, cwd=FUZZ.parent, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else sys.exit(done.stderr)


def lines(name):
    """The lines that one input runs."""
    with tempfile.TemporaryDirectory() as folder:
        raw, data = f"{folder}/raw", f"{folder}/data"
        run(covered, corpus / name, LLVM_PROFILE_FILE=raw)
        run(tools / "llvm-profdata", "merge", raw, "-o", data)
        export = [tools / "llvm-cov", "export", "-format=lcov", f"-instr-profile={data}", covered]
        sources = [FUZZ.parent / "src", *FUZZ.parent.glob("crates/*/src"), FUZZ / "fuzz_targets"]
        report = run(*export, *sources)
    found, file = set(), ""
    for line in report.splitlines():
        key, _, value = line.partition(":")
        if key == "SF":
            file = value
        elif key == "DA" and not value.endswith(",0"):
            found.add((file, value.split(",")[0]))
    return found


def features():
    """Of each input what libFuzzer tells apart: edges, and how often they were passed."""
    with tempfile.TemporaryDirectory() as folder:
        control = f"{folder}/control"
        os.mkdir(f"{folder}/none")
        run(fuzzer, "-set_cover_merge=1", f"-merge_control_file={control}", f"{folder}/none", corpus)
        head, *rest = Path(control).read_text(errors="replace").splitlines()
    rest, found = rest[1:], {name: set() for name in names}
    for line in rest[int(head):]:
        if line.startswith("FT "):
            number, *some = line[3:].split()
            found[Path(rest[int(number)]).name] |= set(some)
    return found


def cover(parts, kept, most):
    """Adds the input that adds most, until nothing is missing."""
    missing = set().union(*parts.values()) - set().union(*(parts[name] for name in kept))
    while missing and len(kept) < most:
        best = max(names, key=lambda name: (len(parts[name] & missing), -(corpus / name).stat().st_size))
        kept.append(best)
        missing -= parts[best]
    return kept


target, most = sys.argv[1], int((sys.argv + ["40"])[2])
corpus = FUZZ / "corpus" / target
names = sorted(path.name for path in corpus.iterdir())
host = next(line[6:] for line in run("rustc", "-vV").splitlines() if line.startswith("host: "))
tools = Path(run("rustc", "--print", "sysroot").strip()) / "lib/rustlib" / host / "bin"
run("cargo", "fuzz", "build", "-s", "none", target)
run("cargo", "fuzz", "coverage", "-s", "none", target)
fuzzer = FUZZ / "target" / host / "release" / target
covered = FUZZ / "target" / host / "coverage" / host / "release" / target
with ThreadPoolExecutor(2) as pool:
    by_line = dict(zip(names, pool.map(lines, names)))
by_feature = features()
kept = cover(by_line, [name for name in names if "-" in name], len(names))
print(f"{target}: {len(names)} inputs; {len(kept)} run every line of {len(set().union(*by_line.values()))}")
kept = cover(by_feature, kept, most)
of = [len(set().union(*(by_feature[name] for name in part))) for part in (kept, names)]
run_by_kept = len(set().union(*(by_line[name] for name in kept)))
print(f"{len(kept)} kept: {run_by_kept} lines, {of[0]} of {of[1]} features")
for name in set(names) - set(kept):
    (corpus / name).unlink()
