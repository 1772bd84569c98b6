"""Builds the Python module through CMake, as `pip install .` asks for it.

In the environment: CMAKE_ARGS, more options for CMake; CUDACXX=none, without the CUDA backend;
CUDAARCHS=90, for GPUs of compute capability 9.0 alone, which takes a fraction of the time.
`pip install -v .` shows how far it is.
"""

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
    """One CMake build; what it installs of component `python` is the extension."""

    def build_extension(self, ext):
        # .../multibuffer/_core.*.so: CMake wants the folder that `multibuffer` is in.
        folder = Path(self.get_ext_fullpath(ext.name)).resolve().parent.parent
        build = Path(self.build_temp).resolve()
        options = [
            "-DCMAKE_BUILD_TYPE=Release",
            "-DMULTIBUFFER_PYTHON=ON",
            "-DMULTIBUFFER_COMMAND=OFF",
            "-DMULTIBUFFER_TESTS=OFF",
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
        for command in (
            ["cmake", "-S", str(ROOT), "-B", str(build), *options],
            ["cmake", "--build", str(build), "--target", "multibuffer_python", "--parallel", jobs],
            ["cmake", "--install", str(build), "--component", "python"],
        ):
            subprocess.run(command, check=True)


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
    zip_safe=False,
)
