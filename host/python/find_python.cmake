# The one Python that the module is built for and its tests run with.
#
# A machine can have several. Debian's packages (pybind11, NumPy, torch) serve Debian's own, whatever
# stands first on the PATH; any other is taken by naming it: -D Python_EXECUTABLE=...
if(NOT DEFINED Python_EXECUTABLE AND EXISTS /usr/bin/python3)
  set(Python_EXECUTABLE /usr/bin/python3)
endif()
find_package(Python 3.9 REQUIRED COMPONENTS Interpreter Development.Module)
find_package(pybind11 2.10 CONFIG)
if(NOT pybind11_FOUND)
  message(FATAL_ERROR "The Python module is built with pybind11 2.10 or later, which is not there. "
    "On Debian: apt-get install pybind11-dev; elsewhere: pip install pybind11.")
endif()
