# Finds the serial C library of HDF5, which is loaded when a file asks for it (files/hdf5_functions.hpp):
# multibuffer_hdf5_FOUND, multibuffer_hdf5_INCLUDE_DIR, multibuffer_hdf5_PATH, and the name that the loader
# knows it by, multibuffer_hdf5_SONAME. The target multibuffer_hdf5 is for tests, which write files and are linked with it.
#
# CMake's own FindHDF5 runs a compiler of C, which this project does without.
option(MULTIBUFFER_HDF5 "Read HDF5, where libhdf5 is" ON)
set(multibuffer_hdf5_FOUND OFF)
if(NOT MULTIBUFFER_HDF5)
  set_source_files_properties(files/without_hdf5.cpp PROPERTIES
    COMPILE_DEFINITIONS "MULTIBUFFER_HDF5_REMEDY=\"build it where libhdf5-dev is installed, with -D MULTIBUFFER_HDF5=ON\"")
  return()
endif()

find_path(multibuffer_hdf5_INCLUDE_DIR hdf5.h PATH_SUFFIXES hdf5/serial)
find_library(multibuffer_hdf5_LIBRARY NAMES hdf5_serial hdf5 PATH_SUFFIXES hdf5/serial)
mark_as_advanced(multibuffer_hdf5_INCLUDE_DIR multibuffer_hdf5_LIBRARY)
if(NOT multibuffer_hdf5_INCLUDE_DIR OR NOT multibuffer_hdf5_LIBRARY)
  return()
endif()

# The SONAME identifies the ABI, so that a library of another one than these headers' is never loaded.
set(dynamic)
if(CMAKE_READELF)
  execute_process(COMMAND ${CMAKE_READELF} --dynamic ${multibuffer_hdf5_LIBRARY}
    OUTPUT_VARIABLE dynamic ERROR_QUIET)
endif()
if(NOT dynamic MATCHES "\\(SONAME\\)[^\n]*\\[([^]\n]+)\\]")
  message(STATUS "HDF5 is not read: readelf finds no SONAME in ${multibuffer_hdf5_LIBRARY}, by which it could be loaded")
  return()
endif()
set(multibuffer_hdf5_SONAME ${CMAKE_MATCH_1})
# Where the loader does not look by itself, its path is tried next.
file(REAL_PATH ${multibuffer_hdf5_LIBRARY} multibuffer_hdf5_PATH)
cmake_path(GET multibuffer_hdf5_PATH PARENT_PATH folder)
if(folder IN_LIST CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES)
  set(multibuffer_hdf5_PATH ${multibuffer_hdf5_SONAME})
endif()

# H5Ovisit2 and H5Dread_chunk are of 1.10.3; a parallel HDF5 needs MPI.
include(CheckCXXSourceCompiles)
set(CMAKE_REQUIRED_INCLUDES ${multibuffer_hdf5_INCLUDE_DIR})
set(CMAKE_REQUIRED_LIBRARIES ${multibuffer_hdf5_LIBRARY})
check_cxx_source_compiles("
#include <hdf5.h>
#if !H5_VERSION_GE(1, 10, 3) || defined(H5_HAVE_PARALLEL)
#error
#endif
int main() { return H5open(); }
" multibuffer_hdf5_WORKS)
unset(CMAKE_REQUIRED_INCLUDES)
unset(CMAKE_REQUIRED_LIBRARIES)
if(multibuffer_hdf5_WORKS)
  set(multibuffer_hdf5_FOUND ON)
  add_library(multibuffer_hdf5 INTERFACE)
  target_include_directories(multibuffer_hdf5 SYSTEM INTERFACE ${multibuffer_hdf5_INCLUDE_DIR})
  target_link_libraries(multibuffer_hdf5 INTERFACE ${multibuffer_hdf5_LIBRARY})
endif()
