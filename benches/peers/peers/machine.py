"""What machine this is, and which versions of everything were measured."""

import os
import pathlib
import platform
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version

from .contenders import HERE, Missing


def machine():
    model, flags = "unknown", set()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            model = value.strip()
        if name.strip() == "flags":
            flags = set(value.split())
    wanted = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile")
    return {
        "cpu": model,
        "family": cpu_numbers(),
        "cores": len(os.sched_getaffinity(0)),
        "caches": caches(),
        "vectors": [flag for flag in wanted if flag in flags],
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "os": f"{os_name()}, Linux {platform.release()}",
        "virtual": "hypervisor" in flags,
    }


def cpu_numbers():
    wanted = {"cpu family": None, "model": None, "stepping": None}
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in wanted and wanted[name.strip()] is None:
            wanted[name.strip()] = value.strip()
    return ", ".join(f"{name} {value}" for name, value in wanted.items())


def caches():
    found = []
    for index in sorted(pathlib.Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        letter = {"Data": "d", "Instruction": "i"}.get(kind, "")
        found.append(f"L{level}{letter} {size}")
    return found


def os_name():
    for line in pathlib.Path("/etc/os-release").read_text().splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.split("=", 1)[1].strip('"')
    return platform.system()


def said(*command):
    return subprocess.run(command, capture_output=True, text=True, cwd=HERE, check=True).stdout.strip()


def versions(engines):
    """The versions of each contender and of the tools used."""
    locked = tomllib.loads((HERE / "Cargo.lock").read_text())["package"]
    rust = {package["name"]: package["version"] for package in locked}
    found = {"rustc": said("rustc", "--version").split()[1], "python": sys.version.split()[0]}
    changed = said("git", "status", "--porcelain", "--", "../../src", "../../Cargo.lock")
    commit = said("git", "rev-parse", "--short=12", "HEAD") + (", changed" if changed else "")
    for engine in engines:
        match engine:
            case "triform":
                found[engine] = f"{rust['triform']}, commit {commit}"
            case "tract":
                found[engine] = rust["tract-onnx"]
            case "candle":
                found[engine] = rust["candle-core"]
            case _:
                try:
                    found[engine] = version(engine)
                except PackageNotFoundError as error:
                    raise Missing(engine, error) from error
    return found
