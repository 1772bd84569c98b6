# Targets `lint` and, for the Python module, `lint_python`: clang-tidy over every source, again only
# where it, a header or the list of checks has changed. For builds without cuda/: clang 14 cannot
# read the headers of CUDA 13.
find_program(MULTIBUFFER_CLANG_TIDY clang-tidy-14)
if(MULTIBUFFER_HAS_CUDA OR NOT MULTIBUFFER_COMMAND OR NOT MULTIBUFFER_CLANG_TIDY)
  return()
endif()

file(GLOB_RECURSE headers CONFIGURE_DEPENDS include/*.hpp host/*.hpp cuda/*.hpp)

# Target `name`: the sources of these targets.
function(multibuffer_lint name)
  set(stamps)
  foreach(target IN LISTS ARGN)
    get_target_property(folder ${target} SOURCE_DIR)
    get_target_property(sources ${target} SOURCES)
    foreach(source IN LISTS sources)
      cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${folder} NORMALIZE)
      cmake_path(RELATIVE_PATH source BASE_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE path)
      set(stamp ${PROJECT_BINARY_DIR}/lint/${path}.clean)
      cmake_path(GET stamp PARENT_PATH stamp_folder)
      file(MAKE_DIRECTORY ${stamp_folder})
      add_custom_command(OUTPUT ${stamp}
        COMMAND ${MULTIBUFFER_CLANG_TIDY} -p ${PROJECT_BINARY_DIR} --quiet ${source}
        COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
        DEPENDS ${source} ${headers} ${PROJECT_SOURCE_DIR}/.clang-tidy
        COMMENT "clang-tidy ${path}" VERBATIM)
      list(APPEND stamps ${stamp})
    endforeach()
  endforeach()
  add_custom_target(${name} DEPENDS ${stamps})
endfunction()

multibuffer_lint(lint
  multibuffer multibuffer_cuda_plain multibuffer_dataset multibuffer_cli multibuffer_command)
if(MULTIBUFFER_PYTHON)
  multibuffer_lint(lint_python multibuffer_python)
endif()
