"""Which lines and branches of the library ran, by folder: what `./dev coverage` prints.

usage: coverage.py BUILD PROFILES

BUILD is a folder in which clang has compiled the tests with -fprofile-instr-generate -fcoverage-mapping; PROFILES
one of what its programs wrote while they ran. Lines that no program has, as those of templates that nobody uses,
are not counted.
"""

import collections
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("cuda", "host", "include")
KINDS = ("lines", "branches")


def programs(build):
    """Everything in the build that runs and counts: programs, and the Python module."""
    files = [path for path in build.rglob("*") if path.is_file() and "CMakeFiles" not in path.parts]
    return sorted(path for path in files if path.stat().st_mode & 0o100 and counts(path))


def counts(path):
    if path.suffix not in ("", ".so"):
        return False
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF" and b"__llvm_covmap" in file.read()


def summary(build, profiles):
    """For each source of the library: counted and covered, of each kind."""
    merged = profiles / "merged.profdata"
    written = list(profiles.glob("*.profraw"))
    if not written:
        sys.exit(f"{profiles}: no program has written a profile here (*.profraw); did the tests run?")
    subprocess.run(["llvm-profdata-14", "merge", "--sparse", *written, "-o", merged], check=True)
    first, *others = programs(build)
    command = ["llvm-cov-14", "export", "--summary-only", f"--instr-profile={merged}", first]
    command += [argument for program in others for argument in ("--object", program)]
    # It warns of functions of headers that differ from program to program, of which it takes one.
    exported = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    for file in json.loads(exported)["data"][0]["files"]:
        path = (build / file["filename"]).resolve()  # relative ones are those that a ccache makes
        if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in FOLDERS:
            yield path.relative_to(ROOT), file["summary"]


def main():
    build, profiles = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    covered, counted = collections.Counter(), collections.Counter()
    for path, numbers in summary(build, profiles):
        for folder in (path.parent.as_posix(), "all"):
            for kind in KINDS:
                covered[folder, kind] += numbers[kind]["covered"]
                counted[folder, kind] += numbers[kind]["count"]
    print(f"| folder | {' | '.join(KINDS)} |\n|---|{'---|' * len(KINDS)}")
    for folder in sorted({folder for folder, _ in counted}, key=lambda name: (name == "all", name)):
        cells = []
        for kind in KINDS:
            of = counted[folder, kind]
            share = f" ({100 * covered[folder, kind] / of:.1f} %)" if of else ""
            cells.append(f"{covered[folder, kind]:,} of {of:,}{share}")
        print(f"| `{folder}` | {' | '.join(cells)} |" if folder != "all" else f"| all | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
