# The one Python that the module is built for and its tests run with.
#
# A machine can have several. Debian's packages (pybind11, NumPy, torch) serve Debian's own, whatever
# stands first on the PATH; any other is taken by naming it: -D Python_EXECUTABLE=$(command -v python3)
if(NOT DEFINED Python_EXECUTABLE AND EXISTS /usr/bin/python3)
  set(Python_EXECUTABLE /usr/bin/python3)
endif()
find_package(Python 3.9 COMPONENTS Interpreter OPTIONAL_COMPONENTS Development.Module)
if(NOT Python_Interpreter_FOUND)
  message(FATAL_ERROR "The Python module is built for Python 3.9 or later, and there is none: "
    "-D Python_EXECUTABLE=... names one.")
endif()
if(NOT Python_Development.Module_FOUND)
  execute_process(COMMAND ${Python_EXECUTABLE} -c
    "import sysconfig; print(sysconfig.get_paths()['include'])"
    OUTPUT_VARIABLE python_include OUTPUT_STRIP_TRAILING_WHITESPACE)
  message(FATAL_ERROR "The headers of ${Python_EXECUTABLE} (Python ${Python_VERSION}) are not there: "
    "Python.h was looked for in ${python_include}. On Debian: apt-get install python3-dev.")
endif()

# pybind11: this Python's own, if pip installed it, else Debian's.
if(NOT pybind11_DIR)
  execute_process(COMMAND ${Python_EXECUTABLE} -m pybind11 --cmakedir
    OUTPUT_VARIABLE pybind11_folder OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(pybind11_folder)
    set(pybind11_DIR ${pybind11_folder})
  endif()
endif()
find_package(pybind11 2.10 CONFIG QUIET)
if(NOT pybind11_FOUND)
  message(FATAL_ERROR "The Python module is built with pybind11 2.10 or later, which is not there. "
    "On Debian: apt-get install pybind11-dev; elsewhere: pip install pybind11.")
endif()
