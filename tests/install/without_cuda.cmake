# Configures ROOT in SCRATCH with CUDA and then, in the same folder, with CUDACXX=none, which leaves it out.
function(configure expected)
  execute_process(
    COMMAND ${CMAKE_COMMAND} -E env ${ARGN} ${CMAKE_COMMAND} -S ${ROOT} -B ${SCRATCH} -G ${GENERATOR}
      -D CMAKE_CXX_COMPILER=${COMPILER} -D MULTIBUFFER_TESTS=OFF
    COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
  file(STRINGS ${SCRATCH}/multibuffer-config.cmake has REGEX "^set\\(multibuffer_HAS_CUDA")
  if(NOT has MATCHES "HAS_CUDA ${expected}\\)")
    message(FATAL_ERROR "${has} where ${expected} is expected")
  endif()
endfunction()

file(REMOVE_RECURSE ${SCRATCH})
configure("(ON|TRUE|1)" CUDACXX=${NVCC})
configure("(OFF|FALSE|0)?" CUDACXX=none)
