# Targets `lint` and, for the Python module, `lint_python`: clang-tidy over every source, again only
# where it, a header or the list of checks has changed. Sources that are compiled together are read
# together. For builds without cuda/: clang 14 cannot read the headers of CUDA 13.
find_program(MULTIBUFFER_CLANG_TIDY clang-tidy-14)
if(MULTIBUFFER_HAS_CUDA OR NOT MULTIBUFFER_COMMAND OR NOT MULTIBUFFER_CLANG_TIDY)
  return()
endif()

file(GLOB_RECURSE headers CONFIGURE_DEPENDS include/*.hpp host/*.hpp cuda/*.hpp)

# What reads `given`, which some file may be that stands for several: it needs `sources`.
function(multibuffer_lint_one given sources stamp)
  cmake_path(GET stamp PARENT_PATH folder)
  file(MAKE_DIRECTORY ${folder})
  cmake_path(RELATIVE_PATH given BASE_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE shown)
  add_custom_command(OUTPUT ${stamp}
    COMMAND ${MULTIBUFFER_CLANG_TIDY} -p ${PROJECT_BINARY_DIR} --quiet
      --checks=-bugprone-suspicious-include ${given}
    COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
    DEPENDS ${sources} ${headers} ${PROJECT_SOURCE_DIR}/.clang-tidy
    COMMENT "clang-tidy ${shown}" VERBATIM)
endfunction()

# Target `name`: the sources of these targets.
function(multibuffer_lint name)
  set(stamps)
  foreach(target IN LISTS ARGN)
    get_target_property(folder ${target} SOURCE_DIR)
    get_target_property(binary_folder ${target} BINARY_DIR)
    get_target_property(sources ${target} SOURCES)
    set(groups)
    foreach(source IN LISTS sources)
      cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${folder} NORMALIZE)
      get_source_file_property(group ${source} DIRECTORY ${folder} UNITY_GROUP)
      if(group)
        list(APPEND groups ${group})
        list(APPEND sources_of_${group} ${source})
        continue()
      endif()
      cmake_path(RELATIVE_PATH source BASE_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE path)
      set(stamp ${PROJECT_BINARY_DIR}/lint/${path}.clean)
      multibuffer_lint_one(${source} ${source} ${stamp})
      list(APPEND stamps ${stamp})
    endforeach()
    list(REMOVE_DUPLICATES groups)
    foreach(group IN LISTS groups)
      set(stamp ${PROJECT_BINARY_DIR}/lint/${target}/${group}.clean)
      multibuffer_lint_one(
        ${binary_folder}/CMakeFiles/${target}.dir/Unity/unity_${group}_cxx.cxx
        "${sources_of_${group}}" ${stamp})
      list(APPEND stamps ${stamp})
      unset(sources_of_${group})
    endforeach()
  endforeach()
  add_custom_target(${name} DEPENDS ${stamps})
endfunction()

multibuffer_lint(lint
  multibuffer multibuffer_cuda_plain multibuffer_dataset multibuffer_cli multibuffer_command)
if(MULTIBUFFER_PYTHON)
  multibuffer_lint(lint_python multibuffer_python)
endif()
