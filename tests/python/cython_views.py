"""Typed memoryviews of Cython, compiled for the tests."""

import importlib.machinery
import importlib.util
import os
import subprocess
import sysconfig
import tempfile
import warnings

SOURCE = """
# cython: language_level=3
from cython cimport view

def make(int rows, int columns):
    '''Each row in memory of its own, behind a pointer.'''
    cdef view.array table = view.array((rows, columns), itemsize=sizeof(int), format='i')
    cdef int[:, ::1] values = table
    for i in range(rows):
        for j in range(columns):
            values[i, j] = 100 * i + j
    return table

def total(const int[::view.indirect, :] values):
    '''What Cython reads through the pointers.'''
    return sum(elements(values))

def elements(const int[::view.indirect, :] values):
    '''The same, one by one.'''
    return [values[i, j] for i in range(values.shape[0]) for j in range(values.shape[1])]

def indirect(const int[::view.indirect, :] values):
    '''An indirect view of Cython's own making.'''
    return values

def sliced(const int[::view.indirect, :] values):
    '''The same, sliced by Cython.'''
    return values[::-1, 1:]
"""


def load(test_case):
    """The compiled module; its files go with the test case."""
    folder = tempfile.TemporaryDirectory()
    test_case.addClassCleanup(folder.cleanup)
    source = os.path.join(folder.name, "views.pyx")
    with open(source, "w") as file:
        file.write(SOURCE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its own future
        from Cython.Compiler.Main import compile as cythonize

    cythonize(source)
    library = os.path.join(folder.name, "views.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-O0", "-w", "-I" + sysconfig.get_paths()["include"],
                    "-o", library, os.path.join(folder.name, "views.c")], check=True)
    loader = importlib.machinery.ExtensionFileLoader("views", library)
    views = importlib.util.module_from_spec(importlib.util.spec_from_loader("views", loader))
    loader.exec_module(views)
    return views
