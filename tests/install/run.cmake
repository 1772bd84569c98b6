# Installs the build tree BUILD under SCRATCH, then configures, builds and runs the consumer against
# nothing but what was installed.
function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE ${SCRATCH})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${SCRATCH}/prefix)
run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${SCRATCH}/build -G ${GENERATOR}
  -D CMAKE_PREFIX_PATH=${SCRATCH}/prefix
  -D CMAKE_CXX_COMPILER=${COMPILER}
  -D CMAKE_TOOLCHAIN_FILE=${TOOLCHAIN}
  -D CMAKE_CXX_FLAGS=${FLAGS}
  -D CMAKE_BUILD_TYPE=${BUILD_TYPE})
run(${CMAKE_COMMAND} --build ${SCRATCH}/build)

execute_process(COMMAND ${SCRATCH}/build/consumer
  OUTPUT_VARIABLE printed ECHO_OUTPUT_VARIABLE COMMAND_ERROR_IS_FATAL ANY)
if(NOT printed STREQUAL "23 22 21 20\n3 2 1 0\n")
  message(FATAL_ERROR "the consumer printed something else than expected")
endif()

set(shard ${CMAKE_CURRENT_LIST_DIR}/../data/shards/rows_0.npy)
execute_process(COMMAND ${SCRATCH}/build/dataset_consumer ${shard}
  OUTPUT_VARIABLE printed ECHO_OUTPUT_VARIABLE COMMAND_ERROR_IS_FATAL ANY)
if(NOT printed MATCHES "^1536 233226\n")
  message(FATAL_ERROR "the consumer of a dataset printed something else than expected")
endif()

if(COMMAND)
  run(${SCRATCH}/prefix/bin/multibuffer --version)
endif()
