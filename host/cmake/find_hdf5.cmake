# Finds the serial C library of HDF5: multibuffer_hdf5_FOUND, and the target multibuffer_hdf5. CMake's own
# FindHDF5 runs a compiler of C, which this project does without.
#
# A wheel goes to machines that may not have the library, and its static archive needs OpenSSL, curl and
# what those need. So a wheel reads HDF5 only where it is asked for, on the machine that it is built for.
set(multibuffer_hdf5_default ON)
if(MULTIBUFFER_WHEEL)
  set(multibuffer_hdf5_default OFF)
endif()
option(MULTIBUFFER_HDF5 "Read HDF5, where libhdf5 is" ${multibuffer_hdf5_default})
set(multibuffer_hdf5_FOUND OFF)
if(NOT MULTIBUFFER_HDF5)
  if(MULTIBUFFER_WHEEL)
    set(remedy "a wheel is made for machines without libhdf5. Where libhdf5-dev is installed, build one with it: \
CMAKE_ARGS=-DMULTIBUFFER_HDF5=ON pip install --force-reinstall --no-deps . (in the folder of the sources)")
  else()
    set(remedy "build it where libhdf5-dev is installed, with -D MULTIBUFFER_HDF5=ON")
  endif()
  set_source_files_properties(files/without_hdf5.cpp PROPERTIES
    COMPILE_DEFINITIONS MULTIBUFFER_HDF5_REMEDY="${remedy}")
  return()
endif()

find_path(multibuffer_hdf5_INCLUDE_DIR hdf5.h PATH_SUFFIXES hdf5/serial)
find_library(multibuffer_hdf5_LIBRARY NAMES hdf5_serial hdf5 PATH_SUFFIXES hdf5/serial)
mark_as_advanced(multibuffer_hdf5_INCLUDE_DIR multibuffer_hdf5_LIBRARY)
if(NOT multibuffer_hdf5_INCLUDE_DIR OR NOT multibuffer_hdf5_LIBRARY)
  return()
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
