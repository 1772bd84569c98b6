"""Packages of others, by name: `from packages import numpy, torch`. One that is not installed is
None, and what needs it is skipped with `needs`."""

from support import optional_import

_MODULES = {"cython": "Cython", "dask": "dask.array", "Image": "PIL.Image"}


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return optional_import(_MODULES.get(name, name))
