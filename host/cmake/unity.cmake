# Most of what a compiler does for a source here is to read headers. So the sources of a folder are
# compiled together, which takes a fifth of the time. Presets that show what a source by itself lacks
# set MULTIBUFFER_UNITY to OFF for the library; those for tools that want every source alone define
# CMake's own CMAKE_UNITY_BUILD.
option(MULTIBUFFER_UNITY "Compile the library's sources by folder" ON)

# Compiles those of the target's sources together that `part_of` gives one part; an empty part stands
# alone. `part_of` is the name of a function of a source's path and the name of the result.
function(multibuffer_compile_in_parts target part_of)
  if(DEFINED CMAKE_UNITY_BUILD)
    return()
  endif()
  get_target_property(sources ${target} SOURCES)
  foreach(source IN LISTS sources)
    cmake_language(CALL ${part_of} ${source} part)
    if(part)
      set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${part})
    endif()
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  # GCC warns of types in anonymous namespaces in what it takes for a header.
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-subobject-linkage>)
endfunction()
