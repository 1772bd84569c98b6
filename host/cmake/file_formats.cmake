# Which formats of files this build reads: each has a source that needs its library, and one that says
# that the library is not there.
function(multibuffer_file_format name found)
  if(${found})
    target_sources(multibuffer_dataset PRIVATE files/${name}_reader.cpp)
    target_link_libraries(multibuffer_dataset PRIVATE ${ARGN})
  else()
    message(STATUS "Files of the format ${name} are not read: their library is not here, or is left out")
    target_sources(multibuffer_dataset PRIVATE files/without_${name}.cpp)
  endif()
endfunction()

# A wheel takes libpng's archive, which is not made for shared objects: only its command has it then.
set(multibuffer_png ${PNG_FOUND})
if(MULTIBUFFER_WHEEL)
  set(multibuffer_png OFF)
  set(remedy "pip's module is without libpng. multibuffer.rows() takes a picture that Pillow has read, \
and the command reads one itself")
  set_source_files_properties(files/without_png.cpp PROPERTIES
    COMPILE_DEFINITIONS MULTIBUFFER_PNG_REMEDY="${remedy}")
endif()
if(multibuffer_png)
  target_sources(multibuffer_dataset PRIVATE files/png.cpp)
endif()
include(cmake/find_hdf5.cmake)
if(multibuffer_hdf5_FOUND)
  target_sources(multibuffer_dataset PRIVATE files/hdf5_chunks.cpp files/hdf5_functions.cpp
    files/hdf5_library.cpp files/hdf5_type.cpp)
  target_include_directories(multibuffer_dataset SYSTEM PRIVATE ${multibuffer_hdf5_INCLUDE_DIR})
  target_compile_definitions(multibuffer_dataset PRIVATE
    MULTIBUFFER_HDF5_LIBRARY="${multibuffer_hdf5_SONAME}" MULTIBUFFER_HDF5_PATH="${multibuffer_hdf5_PATH}")
endif()
multibuffer_file_format(png multibuffer_png PNG::PNG)
multibuffer_file_format(hdf5 multibuffer_hdf5_FOUND ${CMAKE_DL_LIBS})
find_package(nlohmann_json QUIET)
multibuffer_file_format(safetensors nlohmann_json_FOUND
  $<BUILD_INTERFACE:nlohmann_json::nlohmann_json>)
