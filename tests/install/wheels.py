"""`pip wheel .` for each CPython of this machine; each wheel is installed in a clean environment and tested.

usage: wheels.py [VERSION...]          3.9 to 3.15, or those that are named (3.14t is free-threaded)
       wheels.py --into ENVIRONMENT    in that virtual environment, and for its Python alone

A version's Python is one of the PATH or of pyenv, with the headers of C and venv. In a virtual environment
with the current NumPy of PyPI and nothing else, the command runs, and the tests of tests/python do, against
what was installed. The CUDA backend, which has no part in this and takes long to compile, is left out, unless
CUDACXX names a compiler.

Builds stay in build/wheels/VERSION, so that a second run compiles what changed. The wheels are in
build/wheels.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TESTS = ROOT / "tests" / "python"
WHEELS = ROOT / "build" / "wheels"
VERSIONS = [f"3.{minor}" for minor in range(9, 16)]

# Says who it is, if a module can be built for it; a shim of pyenv for a version that is not chosen fails.
PROBE = """
import ensurepip, os, sys, sysconfig, venv
os.stat(os.path.join(sysconfig.get_paths()["include"], "Python.h"))
assert sys.implementation.name == "cpython"
free_threaded = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
print("%d.%d%s" % (*sys.version_info[:2], free_threaded), sys.executable, sys.version.split()[0])
"""


class Failure(Exception):
    pass


def interpreter(version):
    """The path and the full version of a Python `version`, or None."""
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    candidates = [
        shutil.which(f"python{version}"),
        *sorted(glob.glob(f"{pyenv}/versions/{version.rstrip('t')}.*/bin/python3"), reverse=True),
        shutil.which("python3"),
        "/usr/bin/python3",
    ]
    for candidate in filter(None, candidates):
        said = subprocess.run([candidate, "-c", PROBE], capture_output=True, text=True).stdout.split()
        if said and said[0] == version:
            return said[1], said[2]
    return None


class Check:
    """One version's wheel. Each step's output is in the log, and is shown if the step fails."""

    def __init__(self, version, python, clean=None):
        self.python = python
        self.clean = clean  # the Python that the wheel is tested by; if None, one with NumPy alone
        self.folder = WHEELS / version
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / "log"
        self.log.write_text("")
        # A free-threaded Python has the GIL from its beginning: else it would say in each process that
        # it turns it on, among what the process prints.
        self.variables = os.environ | ({"PYTHON_GIL": "1"} if version.endswith("t") else {})

    def run(self, command, **options):
        """Runs a command; what it printed."""
        options.setdefault("env", self.variables)
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", **options)
        text = f"$ {' '.join(map(str, command))}\n{done.stdout}"
        with self.log.open("a") as log:
            log.write(text)
        if done.returncode:
            raise Failure(f"{text}exit status {done.returncode}")
        return done.stdout

    def environment(self, name, *packages, clear=False):
        """The Python of a virtual environment that has these packages."""
        folder = self.folder / name
        if clear or not (folder / "pyvenv.cfg").exists():
            self.run([self.python, "-m", "venv", "--clear", folder])
        python = folder / "bin" / "python"
        self.run([python, "-m", "pip", "install", *packages])
        return python

    def wheel(self):
        # pip would make a new environment for each build, whose headers are new files to the compiler.
        self.builder = self.environment("builder", "setuptools>=61", "wheel", "pybind11>=2.10")
        cuda = "AUTO" if "CUDACXX" in os.environ else "OFF"
        settings = self.folder / "setup.cfg"  # so that builds of others, with CUDA perhaps, stay apart
        settings.write_text(f"[build]\nbuild_base = {self.folder / 'build'}\n")
        new = self.folder / "new"
        shutil.rmtree(new, ignore_errors=True)
        self.run([self.builder, "-m", "pip", "wheel", "-v", "--no-build-isolation", "--no-deps",
                  "--wheel-dir", new, ROOT],
                 env={**self.variables, "DIST_EXTRA_CONFIG": str(settings),
                      "CMAKE_ARGS": f"-DMULTIBUFFER_CUDA={cuda} {os.environ.get('CMAKE_ARGS', '')}"})
        (wheel,) = new.glob("*.whl")
        return wheel.replace(WHEELS / wheel.name)

    def helpers(self):
        """The two extensions of the tests, which no wheel has."""
        folder = self.folder / "helpers"
        folder.mkdir(exist_ok=True)
        includes = self.run([self.builder, "-m", "pybind11", "--includes"]).split()
        suffix = self.run([self.builder, "-c",
                           "import sysconfig; print(sysconfig.get_config_var('EXT_SUFFIX'))"]).strip()
        for name in ("exporters", "exchange"):
            source, target = TESTS / f"{name}.cpp", folder / f"_{name}{suffix}"
            if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
                self.run(["c++", "-std=c++20", "-O1", "-shared", "-fPIC", "-fvisibility=hidden",
                          *includes, source, "-o", target])
        return folder

    def command(self, clean):
        """Runs the command in both of its ways, and on data."""
        script = clean.parent / "multibuffer"
        version = self.run([script, "--version"])
        if self.run([clean, "-m", "multibuffer", "--version"]) != version:
            raise Failure("`python -m multibuffer` is not the command")
        with tempfile.TemporaryDirectory() as scratch:
            shards = sorted((ROOT / "tests" / "data" / "shards").glob("*.npy"))
            self.run([script, "gather", *shards, "--take", "1,0,2", "--verify", "--device", "host",
                      "--out", f"{scratch}/out.npy"], cwd=scratch)
            self.run([clean, "-c", "import numpy; assert numpy.load('out.npy').shape[0] == 3"],
                     cwd=scratch)
            # Its reader has gone, as in `multibuffer --help | head -1`: it ends by SIGPIPE like others.
            reading, writing = os.pipe()
            os.close(reading)
            status = subprocess.run([script, "--help"], stdout=writing, env=self.variables).returncode
            os.close(writing)
            if status != -13:
                raise Failure(f"the command ended with {status} when nobody read what it wrote")

    def module(self, clean, helpers):
        """Runs the module's tests; the counts of files that passed, failed and were skipped."""
        said = subprocess.run(
            [sys.executable, ROOT / "tests" / "install" / "module_tests.py", clean, "--path", helpers,
             "--log", self.folder / "tests.log"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
        counts = re.search(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", said, re.MULTILINE)
        if not counts:
            raise Failure(said)
        *others, _ = said.splitlines()
        return [int(count) for count in counts.groups()], others

    def whole(self):
        """Its wheel's name, the version of NumPy, the counts, and what is to be said of the tests."""
        wheel = self.wheel()
        helpers = self.helpers()
        clean = self.clean or self.environment("clean", "--only-binary=:all:", "numpy", clear=True)
        self.run([clean, "-m", "pip", "install", "--force-reinstall", wheel])
        where, numpy = self.run([clean, "-c", "import multibuffer, numpy\n"
                                 "print(multibuffer.__file__, numpy.__version__)"], cwd="/").split()
        if not where.startswith(str(clean.parent.parent)):
            raise Failure(f"multibuffer is not the installed one, but {where}")
        self.command(clean)
        counts, others = self.module(clean, helpers)
        # The wheel that could be installed, and whose command runs, is one thing that passed.
        counts[0] += 1
        return wheel.name, numpy, counts, others


def checked(check):
    """Does all of it and prints what came of it; how many passed, failed and were skipped."""
    start = time.monotonic()
    try:
        wheel, numpy, counts, others = check.whole()
    except Failure as failure:
        print(f"FAILED:\n{failure}", flush=True)
        return [0, 1, 0]
    print(f"{wheel}, NumPy {numpy}: {counts[0]} passed, {counts[1]} failed, {counts[2]} skipped, "
          f"{time.monotonic() - start:.0f} s", flush=True)
    for line in others:
        print(f"  {line}", flush=True)
    return counts


def main():
    if sys.argv[1:2] == ["--into"]:
        clean = Path(os.path.abspath(sys.argv[2])) / "bin" / "python"
        said = subprocess.check_output([clean, "-c", PROBE + "print(sys._base_executable)"], text=True)
        version, _, full, base = said.split()
        print(f"Python {full}", end=": ", flush=True)
        totals = checked(Check(version, base, clean))
        print("\n" + "".join(line for line in (WHEELS / version / "tests.log").open()
                             if line.startswith(("SKIPPED", "|"))))
    else:
        totals = [0, 0, 0]
        for version in sys.argv[1:] or VERSIONS:
            if not re.fullmatch(r"3\.\d+t?", version):
                sys.exit(f"wheels.py: {version}? Versions are like 3.12 or 3.14t")
            found = interpreter(version)
            if found:
                python, full = found
                print(f"Python {full}", end=": ", flush=True)
                counts = checked(Check(version, python))
            else:
                print(f"Python {version}: skipped: there is none here that a module can be built for")
                counts = [0, 0, 1]
            totals = [total + count for total, count in zip(totals, counts)]
    print("\n{} passed, {} failed, {} skipped".format(*totals))
    return 1 if totals[1] or not totals[0] else 0


sys.exit(main())
