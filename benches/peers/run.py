"""Compares triform's speed with that of the engines people would use instead. README.md says how to run it.

python run.py --quick
python run.py --only blocks --jobs 256x32x4,2048x32x32
python run.py --render records/FILE.json        # writes the markdown of a record again
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

INSTALL = "python -m pip install -r requirements.txt"
try:
    from peers import blocks, networks, record
    from peers.contenders import HERE, NAMES, RELEASE, Failure, processors
    from peers.machine import machine, versions
    from peers.measure import measure
except ImportError as error:
    # The run itself needs some of the packages, to draw weights and to compute its reference.
    sys.exit(f"Missing: {error}; {INSTALL}")


# Above this load, other programs take processor time. Engines that spin, as PyTorch's OpenMP does on two
# threads, then become slower by orders of magnitude.
BUSY = 0.5


class Blind(Failure):
    """A job whose check would not notice that an engine computes in fewer bits."""

    def __init__(self, name, refuted):
        super().__init__(f"the check of {name} does not refute fewer bits; errors in multiples of the bound: {refuted}")


def arguments():
    parser = argparse.ArgumentParser(description="compares triform's speed with that of its peers")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 0.1 s: a first look")
    parser.add_argument("--only", choices=("blocks", "networks"))
    parser.add_argument("--jobs", type=listed, help="blocks and networks by name, separated by commas")
    parser.add_argument("--threads", type=listed, default=["1", "2"], help="default: 1,2")
    parser.add_argument("--skip", action="append", default=[], choices=NAMES, metavar="NAME")
    parser.add_argument("--rounds", type=int, help="default: 9, or 3 with --quick")
    parser.add_argument("--seconds", type=float, help="of each contender per round; default: 0.25, or 0.1 with --quick")
    parser.add_argument("--output", type=pathlib.Path, default=HERE / "records")
    parser.add_argument("--render", type=pathlib.Path, metavar="RECORD")
    return parser.parse_args()


def listed(text):
    return text.split(",")


def chosen(options):
    """The names of the jobs, blocks first."""
    known = {name: "blocks" for name in blocks.SHAPES} | {name: "networks" for name in networks.NAMES}
    for name in options.jobs or []:
        if name not in known:
            raise Failure(f"no job {name}; there are {', '.join(known)}")
    names = [
        name
        for name, kind in known.items()
        if (options.jobs is None or name in options.jobs) and options.only in (None, kind)
    ]
    if not names:
        raise Failure("no job is left")
    return names


def build():
    """Builds the Rust workers together. Built one by one, they would share fewer crates and take longer."""
    try:
        subprocess.run(["cargo", "build", "--release", "--locked"], cwd=HERE, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failure(f"the Rust workers cannot be built: {error}") from error


def peak(threads):
    """Billions of floating-point operations per second that `threads` threads reach in registers."""
    on = processors(threads)
    command = [RELEASE / "ours", "peak", "-", str(threads)]
    pinned = lambda: os.sched_setaffinity(0, on)
    return float(subprocess.run(command, capture_output=True, check=True, preexec_fn=pinned).stdout)


def tell(line):
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


def run(options):
    names = chosen(options)
    try:
        threads = [int(number) for number in options.threads]
    except ValueError:
        raise Failure(f"--threads {','.join(options.threads)}: write numbers, separated by commas") from None
    for number in threads:
        processors(number)
    engines = [engine for engine in NAMES if engine not in options.skip]
    rounds = options.rounds or (3 if options.quick else 9)
    seconds = options.seconds or (0.1 if options.quick else 0.25)
    build()
    found = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "versions": versions(engines),
        "skipped": options.skip,
        "load": os.getloadavg()[0],
        "rounds": rounds,
        "seconds": seconds,
        "gflops_peak": {number: peak(number) for number in threads},
        "jobs": [],
    }
    if found["load"] > BUSY:
        print(f"the machine is busy (load {found['load']}); do not keep these numbers", file=sys.stderr)
    start = time.time()
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            make = blocks.Block if name in blocks.SHAPES else networks.Network
            job = make(name, folder)
            refuted = job.refuted()
            if not all(times > 1 for times in refuted.values()):
                raise Blind(name, refuted)
            rows = []
            for number in threads:
                rows += measure(job, engines, number, rounds, seconds, tell)
        kept = {"name": name, "kind": job.kind, "map": job.map, "products": job.products}
        kept["refuted"] = refuted
        found["jobs"].append(kept | {"rows": rows})
    found["gflops_peak"] = {
        str(number): max(before, peak(number)) for number, before in found["gflops_peak"].items()
    }
    found["minutes"] = round((time.time() - start) / 60, 1)
    tell("")
    return found


def write(found, folder):
    folder.mkdir(parents=True, exist_ok=True)
    cpu = re.sub(r"[^a-z0-9]+", "-", found["machine"]["cpu"].lower()).strip("-")[:32].strip("-")
    path = folder / f"{found['date']}-{cpu}.json"
    path.write_text(json.dumps(found, indent=1) + "\n")
    path.with_suffix(".md").write_text(record.markdown(found))
    return path.with_suffix(".md")


def main():
    options = arguments()
    try:
        if options.render:
            found = json.loads(options.render.read_text())
            options.render.with_suffix(".md").write_text(record.markdown(found))
        else:
            print(write(run(options), options.output))
    except ImportError as error:
        sys.exit(f"Missing: {error}; {INSTALL}")
    except Failure as failure:
        tell("")
        sys.exit(f"{type(failure).__name__}: {failure}")


main()
