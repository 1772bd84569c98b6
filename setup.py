"""Builds the Python module and the command through CMake, as `pip install .` asks for it.

In the environment: CMAKE_ARGS, more options for CMake; CUDACXX=none, without the CUDA backend;
CUDAARCHS=90, for GPUs of compute capability 9.0 alone, which takes a fraction of the time.

pip hides what a build prints, unless it is called with -v. On a terminal, the build therefore writes how
far it is behind pip's own line; MULTIBUFFER_PROGRESS=0 turns that off.
"""

import contextlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent


class CMakeBuild(build_ext):
    """Makes one CMake build, whose component `python` is the extension and the command."""

    def build_extension(self, ext):
        # .../multibuffer/_core.*.so: CMake wants the folder that `multibuffer` is in.
        folder = Path(self.get_ext_fullpath(ext.name)).resolve().parent.parent
        # An earlier build may have left a command there that this one does not make.
        shutil.rmtree(folder / "multibuffer" / "_bin", ignore_errors=True)
        build = Path(self.build_temp).resolve()
        options = [
            "-DCMAKE_BUILD_TYPE=Release",
            "-DBUILD_SHARED_LIBS=OFF",
            "-DMULTIBUFFER_PYTHON=ON",
            "-DMULTIBUFFER_COMMAND=AUTO",
            "-DMULTIBUFFER_TESTS=OFF",
            "-DMULTIBUFFER_WHEEL=ON",
            f"-DMULTIBUFFER_PYTHON_INSTALL_DIR={folder}",
            f"-DPython_EXECUTABLE={sys.executable}",
        ]
        # CMake itself takes make, or stops where there is none. A -G of the caller's comes first.
        if not shutil.which("make"):
            os.environ.setdefault("CMAKE_GENERATOR", "Ninja")
        options += shlex.split(os.environ.get("CMAKE_ARGS", ""))
        # pip's own pybind11, where pip has fetched it; else the one that CMake finds.
        if importlib.util.find_spec("pybind11"):
            import pybind11

            options.append(f"-Dpybind11_DIR={pybind11.get_cmake_dir()}")
        jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", str(os.cpu_count() or 1))
        subprocess.run(["cmake", "-S", str(ROOT), "-B", str(build), *options], check=True)
        run_with_progress(["cmake", "--build", str(build), "--parallel", jobs])
        subprocess.run(["cmake", "--install", str(build), "--component", "python"], check=True)


def run_with_progress(command):
    """Runs a build, passes on what it prints, and shows the steps that it counts on the terminal."""
    step = re.compile(r"\[ *(\d+/\d+|\d+%)\]")  # of ninja, of make
    with terminal() as show, subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, errors="replace", bufsize=1) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            counted = step.match(line)
            if counted:
                show(f"compiled {counted[1].replace('/', ' of ')}")
        show("")
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


@contextlib.contextmanager
def terminal():
    """Gives a function that shows a few words on the terminal, if pip hides our output from one.

    They are written behind the cursor, which stays where it is, so that pip's line goes on unharmed.
    """
    tty = None
    try:
        if not sys.stdout.isatty() and os.environ.get("MULTIBUFFER_PROGRESS") != "0":
            if os.environ.get("TERM", "dumb") != "dumb":
                tty = os.open("/dev/tty", os.O_WRONLY | os.O_NOCTTY)
                # A build in the background has no say on the screen.
                if os.tcgetpgrp(tty) != os.getpgrp():
                    os.close(tty)
                    tty = None
    except OSError:
        pass

    def show(words):
        if tty is not None:
            save, erase_to_end_of_line, restore = "\0337", "\033[K", "\0338"
            with contextlib.suppress(OSError):
                os.write(tty, f"{save} {words}{erase_to_end_of_line}{restore}".encode())

    try:
        yield show
    finally:
        show("")
        if tty is not None:
            os.close(tty)


def cmake_to_fetch():
    """What pip is to fetch for the build: nothing where CMake is, in the version that we ask for."""
    try:
        said = subprocess.run(["cmake", "--version"], capture_output=True, text=True, check=True).stdout
        version = tuple(int(number) for number in re.search(r"(\d+)\.(\d+)", said).groups())
        return [] if version >= (3, 24) else ["cmake>=3.24"]
    except (OSError, subprocess.CalledProcessError, AttributeError):
        return ["cmake>=3.24"]


def build_tool_to_fetch():
    return [] if shutil.which("make") or shutil.which("ninja") else ["ninja"]


# What setuptools leaves behind belongs where all of that is.
(ROOT / "build").mkdir(exist_ok=True)
setup(
    version=re.search(r"VERSION (\d+\.\d+\.\d+)", (ROOT / "CMakeLists.txt").read_text()).group(1),
    packages=["multibuffer"],
    package_dir={"multibuffer": "host/python/multibuffer"},
    package_data={"multibuffer": ["*.pyi", "py.typed"]},
    ext_modules=[Extension("multibuffer._core", sources=[])],
    cmdclass={"build_ext": CMakeBuild},
    options={"egg_info": {"egg_base": "build"}},
    setup_requires=cmake_to_fetch() + build_tool_to_fetch(),
    zip_safe=False,
)
