#!/usr/bin/env bash
# Takes the place of each program that bench/gpu_report.py runs: of which one, the name says that it
# is called by. `gpu-report --dry-run` has it stand in for what needs a GPU, gpu_report_test.py for
# everything.
#
# In the environment:
#   STAND_IN_CALLS    a file that takes a line a call, with LD_LIBRARY_PATH after a tab
#   STAND_IN_HANGS    calls that begin so write their process id to STAND_IN_CALLS.pid, and do not
#                     end. With STAND_IN_STUBBORN they do not end by SIGTERM, either
#   STAND_IN_FAILS    calls that begin so fail
#   STAND_IN_CRASHES  calls that begin so die of SIGSEGV
#   STAND_IN_IS_WRONG calls that begin so end well, and have left that something is wrong
#   STAND_IN_LACKS    what CMake does not find: words of GTest benchmark Python
name=$(basename -- "$0")
call="$name $*"

matches() { [[ $1 && $call == "$1"* ]]; }

# As CMake says it, more or less.
refuse_what_is_lacking() {
  local word error
  for word in ${STAND_IN_LACKS:-}; do
    case $word in
      GTest) [[ $call == *DISABLE_FIND_PACKAGE_GTest=ON* ]] && continue ;;
      benchmark) [[ $call == *DISABLE_FIND_PACKAGE_benchmark=ON* ]] && continue ;;
      Python) [[ $call == *MULTIBUFFER_PYTHON=OFF* ]] && continue ;;
    esac
    echo "-- Found Threads: TRUE"
    case $word in
      GTest) error="Could NOT find GTest (missing: GTEST_LIBRARY GTEST_INCLUDE_DIR)" ;;
      benchmark) error='By not providing "Findbenchmark.cmake" in CMAKE_MODULE_PATH this project' ;;
      Python) error="The Python module is built with pybind11 2.10 or later, which is not there." ;;
    esac
    printf 'CMake Error at a/file:1 (command):\n  %s\n\n' "$error"
    echo "-- Configuring incomplete, errors occurred!"
    exit 1
  done
}

# Leaves more stand-ins where the real one would leave programs.
build() { # FOLDER
  local folder=$1 program
  mkdir -p "$folder/tests" "$folder/bench"
  for program in $call; do
    case $program in
      *device_hazards | *_test) ln -sf "$0" "$folder/tests/$program" ;;
      *_bench) ln -sf "$0" "$folder/bench/$program" ;;
    esac
  done
}

measure_peers() { # FOLDER
  mkdir -p "$1"
  local side='{"name": "multibuffer", "seconds": 1e-3, "goal": null, "of_limit": 0.5}'
  local record='{"group": "pixels", "case": "a stand-in", "payload": 1e9, "sides": ['$side']}'
  echo "{\"records\": [$record]}" >"$1/peers.json"
}

# The word after OPTION, or after its equals sign.
value_of() { # OPTION
  sed -n "s/.* $1[= ]\([^ ]*\).*/\1/p" <<<"$call "
}

if [[ ${STAND_IN_CALLS:-} ]]; then
  printf '%s\t%s\n' "$call" "${LD_LIBRARY_PATH:-}" >>"$STAND_IN_CALLS"
fi
if matches "${STAND_IN_HANGS:-}"; then
  if [[ ${STAND_IN_STUBBORN:-} ]]; then trap '' TERM; fi
  echo $$ >"$STAND_IN_CALLS.pid"
  echo "the last words of $name"
  for ((i = 0; i < 600; i++)); do sleep 0.2; done
fi
if matches "${STAND_IN_CRASHES:-}"; then kill -SEGV $$; fi
if matches "${STAND_IN_FAILS:-}"; then
  echo "$name fails"
  exit 1
fi

case $name in
  nvidia-smi) echo a stand-in, 1.0, 9.0 ;;
  cmake)
    if [[ $1 == --build ]]; then build "$2"; else refuse_what_is_lacking; fi
    ;;
  ctest)
    echo "100% tests passed, 0 tests failed out of 3"
    message="fine"
    if matches "${STAND_IN_IS_WRONG:-}"; then message="no CUDA device: a reason"; fi
    echo "<testsuite><skipped message=\"$message\"/></testsuite>" >"$(value_of --output-junit)"
    ;;
  python3)
    case $call in
      *sys.executable*) echo "$0" ;;
      *peers/run.py*) measure_peers "$(value_of --out)" ;;
    esac
    ;;
  cuda-gdb) echo "#0  0x0000 in the_function_that_crashes ()" ;;
  compute-sanitizer) echo "========= ERROR SUMMARY: 0 errors" ;;
  *hazards)
    echo "PASS A stand-in: 1 of 1"
    echo "hazards: 1 passed, 0 failed, 0 skipped"
    ;;
  peers) measure_peers "$(value_of --out)" ;;
  *_bench)
    if [[ $call == *--benchmark_list_tests* ]]; then
      printf '%s\n' one/rows/any/4/manual_time one/rows/all/64/manual_time two/8
    else
      result='"name": "one/rows/64", "run_name": "one/rows/64", "payload": 1e9, "of_limit": 0.5'
      if matches "${STAND_IN_IS_WRONG:-}"; then result+=', "error_occurred": true'; fi
      echo "{\"benchmarks\": [{$result}]}" >"$(value_of --benchmark_out)"
    fi
    ;;
esac
