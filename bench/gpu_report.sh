#!/usr/bin/env bash
# Everything that needs a GPU, on a machine that may have no network: builds for the card alone, runs
# the tests on it, compute-sanitizer over some of them, what others do beside what we do, and the
# benchmarks. A step that fails is shown, and the others still run. The summary comes last, and tells
# in the exit status.
#
#   bench/gpu_report.sh [FOLDER]
#
# FOLDER (default: results/gpu) takes one JSON file a group of benchmarks, the peers' files, the logs,
# and summary.txt. What an earlier run wrote there is removed first.
#
# The Python module is built for the python3 that stands first on the PATH, where it has its headers
# and pybind11; its tests and the peers (torch, CuPy, JAX) use what that Python has.
#
# What is not installed is taken from the folder that MULTIBUFFER_DEPS names: an install prefix, as
# Debian's packages unpack to one. On a machine with a network:
#
#   apt-get download libgtest-dev libbenchmark-dev libbenchmark1debian ninja-build
#   for package in *.deb; do dpkg-deb --extract "$package" deps; done
#
# and there: MULTIBUFFER_DEPS=$PWD/deps/usr ./dev gpu-report
#
# In the environment:
#   MULTIBUFFER_REPORT_STEPS          what to run after the build (default: all), of
#                                     tests python sanitizers peers benchmarks
#   MULTIBUFFER_REPORT_SECONDS        how long that may take (570); what is late is cut short
#   MULTIBUFFER_REPORT_PEERS_SECONDS  after how many of these the peers begin no new case (120)
#   MULTIBUFFER_REPORT_DEVICE=host    runs what needs no GPU, for testing this script
set -uo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 2

readonly device=${MULTIBUFFER_REPORT_DEVICE:-cuda}
readonly folder=${1:-results/gpu}
readonly build=build/gpu-report
readonly deps=${MULTIBUFFER_DEPS:-}
readonly seconds_for_all=${MULTIBUFFER_REPORT_SECONDS:-570} # ten minutes, less the summary
readonly seconds_for_peers=${MULTIBUFFER_REPORT_PEERS_SECONDS:-120}
readonly all_steps="tests python sanitizers peers benchmarks"
readonly steps=${MULTIBUFFER_REPORT_STEPS:-$all_steps}
python=$(command -v python3)
readonly python

benches=(gather_bench)
if [[ $device == cuda ]]; then
  benches+=(device_gather_bench device_phases_bench device_pieces_bench device_upload_bench)
fi
readonly benches

module=yes # whether there is a Python module; empty where it cannot be built
deadline=  # in SECONDS, once all is built
rows=() # of the summary: NAME<tab>RESULT<tab>SECONDS<tab>REMARK
failed=0

main() {
  if [[ $device != cuda && $device != host ]]; then
    echo "gpu-report: MULTIBUFFER_REPORT_DEVICE is cuda or host, not '$device'" >&2
    exit 2
  fi
  local each
  for each in $steps; do
    case $each in
      tests | python | sanitizers | peers | benchmarks) ;;
      *)
        echo "gpu-report: MULTIBUFFER_REPORT_STEPS names '$each'; the steps are $all_steps" >&2
        exit 2
        ;;
    esac
  done
  local architecture=
  if [[ $device == cuda ]]; then
    architecture=$(architecture_of_the_card) || exit 2
  fi
  mkdir -p "$folder" || exit 2
  remove_earlier
  if [[ $deps ]]; then
    export CMAKE_PREFIX_PATH=$deps${CMAKE_PREFIX_PATH:+:$CMAKE_PREFIX_PATH}
    export PATH=$deps/bin:$PATH
    local libraries=$deps/lib/
    libraries+=$(uname -m)-linux-gnu:$deps/lib
    export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  fi

  local without
  if without=$(why_no_module); then
    note "Python module" missing 0 "$without"
    module=
  fi
  if step configure configure "$architecture" && step build build_all; then
    deadline=$((SECONDS + seconds_for_all))
    for each in $steps; do "$each"; done
  fi
  summary | tee "$folder/summary.txt"
  ((failed == 0))
}

# ---- The steps

# "90" for compute capability 9.0; says at once if there is no card to ask.
architecture_of_the_card() {
  local capability
  if ! command -v nvidia-smi >/dev/null; then
    echo "gpu-report: no GPU on this machine (there is no nvidia-smi)" >&2
    return 1
  fi
  if ! capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null) ||
    [[ ! $capability =~ ^([0-9]+)\.([0-9]+) ]]; then
    echo "gpu-report: no GPU on this machine (nvidia-smi shows none)" >&2
    return 1
  fi
  echo "${BASH_REMATCH[1]}${BASH_REMATCH[2]}"
}

# All that is written below, and nothing else that somebody keeps there: a figure of an earlier run
# would pass for one of this.
remove_earlier() {
  rm -f "$folder"/{configure,build,tests,python-tests,peers}.log "$folder"/{sanitizer,bench}-*.log \
    "$folder"/{tests,python-tests}.xml "$folder"/*_bench*.json "$folder"/{peers,summary}.txt \
    "$folder"/peers/{peers.json,peers.md,*.svg}
}

# Says why the Python module cannot be built here; fails where it can.
why_no_module() {
  if [[ ! $python ]]; then
    echo "there is no python3"
  elif ! "$python" -c 'import os, sysconfig, sys
sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))'; then
    echo "$python has no headers (python3-dev)"
  elif ! "$python" -m pybind11 --cmakedir >/dev/null 2>&1 && ! has_debians_pybind11; then
    echo "$python has no pybind11"
  else
    return 1
  fi
}

has_debians_pybind11() {
  local prefix
  for prefix in /usr ${deps:+"$deps"}; do
    compgen -G "$prefix/lib/cmake/pybind11/*" && return
  done >/dev/null
  return 1
}

configure() { # ARCHITECTURE
  local cuda=ON generator=() python_options=(-DMULTIBUFFER_PYTHON=OFF)
  if command -v ninja >/dev/null; then generator=(-G Ninja); fi
  [[ $device == cuda ]] || cuda=OFF
  [[ $module ]] && python_options=(-DMULTIBUFFER_PYTHON=ON -DPython_EXECUTABLE="$python")
  cmake -S . -B "$build" "${generator[@]}" -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DMULTIBUFFER_CUDA="$cuda" ${1:+-DCMAKE_CUDA_ARCHITECTURES="$1-real"} "${python_options[@]}" \
    -DMULTIBUFFER_COMMAND=OFF -DMULTIBUFFER_TESTS=ON -DMULTIBUFFER_BENCH=ON
}

# Nothing but what is run here, so that nothing else has to be installed.
build_all() {
  local targets=(backend_test conversion_test plan_test streamed_test update_test verify_test)
  targets+=("${benches[@]}")
  [[ $device == cuda ]] && targets+=(cuda_device_test cuda_kernels_test cuda_upload_test)
  [[ $module ]] &&
    targets+=(multibuffer_python multibuffer_exporters multibuffer_exchange
      multibuffer_plain_copies)
  [[ $module && $device == cuda ]] && targets+=(multibuffer_cuda_peers)
  cmake --build "$build" --parallel "$(nproc)" --target "${targets[@]}"
}

# What runs on the card, and what runs its kernels' bodies on the processor. Tests of the card one
# at a time, since some look at how much of its memory is free.
tests() {
  step tests run_tests tests \
    '^(backend|conversion|cuda_device|cuda_kernels|cuda_upload|plan|streamed|update|verify)\.'
}

# The Python module's, on the card. Each takes some seconds to begin.
python() {
  [[ $module ]] &&
    step "python tests" run_tests python-tests "^python\\..*\\.$device\$" --parallel 4
}

run_tests() { # NAME REGEX [OPTION...]
  local found="$folder/$1.xml"
  ctest --test-dir "$build" --output-on-failure --timeout 120 --no-tests=error \
    -R "$2" --output-junit "$(realpath "$folder")/$1.xml" "${@:3}" || return
  # Skipped tests count as passed there; here a device that no test could open is a failure.
  [[ $device == host ]] || ! grep -qE 'no (CUDA|cuda) device' "$found"
}

sanitizers() {
  [[ $device == cuda ]] || return 0
  if ! command -v compute-sanitizer >/dev/null; then
    note compute-sanitizer missing 0 "it comes with the CUDA Toolkit"
    return
  fi
  # Some thousand times slower than without: a few tests, of each way to gather and to convert.
  local gathers='*UploadsAndCopiesBack/cuda:*TakesAlongAnyAxis/cuda:*CoordinatesPick*/cuda'
  gathers+=':*DeviceIndicesAreChecked*/cuda:*ElementsOfAnySize/cuda:*VerifyFinds*/cuda'
  gathers+=':*ViewsOfAnUploadedArray*/cuda:*FortranOrder*/cuda'
  local conversions='*IsPartOfAnyGather/cuda:*TheFormatSaysTheByteOrder/cuda:*ComplexNumbers*/cuda'
  local tool
  for tool in memcheck racecheck initcheck synccheck; do
    sanitize "$tool" backend "$gathers"
    sanitize "$tool" conversion "$conversions"
  done
}

sanitize() { # TOOL TESTS FILTER
  step "sanitizer $1 $2" timeout "$(at_most 60)" compute-sanitizer --tool "$1" --error-exitcode 1 \
    "$build/tests/$2_test" --gtest_filter="$3"
}

# torch, CuPy and JAX beside the module; on the host, one group as a test of the harness.
peers() {
  [[ $module ]] || return 0
  local seconds words
  seconds=$(at_most "$seconds_for_peers")
  words=(--device cuda --seconds 0.05 --at-most "$seconds")
  [[ $device == cuda ]] || words=(small --seconds 0 --threads 1)
  step peers timeout $((seconds + 60)) env \
    PYTHONPATH="$build/host/python:$build/bench/peers" PYTHONDONTWRITEBYTECODE=1 \
    "$python" bench/peers/run.py "${words[@]}" --out "$folder/peers"
  # What somebody reads first is what it says last.
  sed -n '/multibuffer is so many times/,$p' "$folder/peers.log" >"$folder/peers.txt"
}

# Every program in parts, each with its share of the time that is left: a slow one ends early, with
# what it has measured until then, and the others still run.
benchmarks() {
  local parts=() part program pattern name seconds
  for program in "${benches[@]/#/$build/bench/}"; do
    while read -r name pattern; do
      parts+=("$program $name $pattern")
    done < <(parts_of "$program")
  done
  local left=${#parts[@]}
  for part in "${parts[@]}"; do
    read -r program name pattern <<<"$part"
    seconds=$(($(at_most "$seconds_for_all") / left))
    # For `timeout`, none would be no limit.
    step "bench $name" benchmark "$program" "$pattern" "$folder/$name.json" \
      $((seconds > 0 ? seconds : 1))
    left=$((left - 1))
  done
}

# NAME PATTERN of each: the benchmarks whose names begin alike, by two words where they have three.
parts_of() { # PROGRAM
  local program=${1##*/}
  if [[ $device == host ]]; then
    echo "$program host/gather_rows_in_place"
  elif [[ $program == gather_bench ]]; then
    echo "$program cuda:0" # it has the host's cases as well
  else
    "$1" --benchmark_list_tests | awk -F/ -v program="$program" '
      NF > 1 {
        words = NF
        while (words > 1 && $words ~ /^([0-9]+|(manual|real)_time|iterations:.*)$/) words--
        part = words > 2 ? $1 "/" $2 : $1
        if (seen[part]++) next
        name = part
        sub("/", "-", name)
        print program "-" name, "^" part "/"
      }'
  fi
}

# A benchmark whose result had wrong bits, or that found no device, is one that failed; one that is
# out of time is not, if it has something to tell.
benchmark() { # PROGRAM PATTERN JSON SECONDS
  local status=0
  timeout "$4" "$1" --benchmark_min_time=0.05 --benchmark_filter="$2" \
    --benchmark_out="$3" --benchmark_out_format=json || status=$?
  if ! grep -q '"run_name"' "$3"; then
    echo "no benchmark ran"
    return $((status ? status : 1))
  fi
  if grep -q '"error_occurred": true' "$3"; then return 1; fi
  ((status != 124)) || echo "cut short after $4 s"
  ((status == 0 || status == 124))
}

# ---- Running and telling

# So many seconds, or those that are left until the report should be there, if they are fewer; one
# at least.
at_most() { # SECONDS
  local left=$((deadline - SECONDS))
  ((left < $1)) || left=$1
  echo $((left > 1 ? left : 1))
}

note() { # NAME RESULT SECONDS REMARK
  rows+=("$1"$'\t'"$2"$'\t'"$3"$'\t'"$4")
}

# Runs a command with its output in a log, shows the log's end if it fails, and notes either.
step() { # NAME COMMAND...
  local name=$1 log=$folder/${1// /-}.log start=$SECONDS status=0
  shift
  printf '%s ... ' "$name"
  "$@" >"$log" 2>&1 </dev/null || status=$?
  local seconds=$((SECONDS - start))
  if ((status == 0)); then
    printf '%d s\n' "$seconds"
    note "$name" ok "$seconds" "$(remark "$log")"
    return 0
  fi
  failed=$((failed + 1))
  printf '%d s, FAILED (%d):\n' "$seconds" "$status"
  tail -n 40 "$log"
  local result=FAILED
  ((status == 124)) && result="timed out"
  note "$name" "$result" "$seconds" "$log"
  return 1
}

# What of a log is worth a place in the summary: ctest's totals, or that bits were wrong.
remark() { # LOG
  grep -m 1 -E 'tests passed|ERROR SUMMARY|goals met|cut short' "$1" | sed 's/^=* *//'
}

summary() {
  local row name result seconds remark
  printf '\n%-28s %-10s %6s  %s\n' step result s remark
  for row in "${rows[@]}"; do
    IFS=$'\t' read -r name result seconds remark <<<"$row"
    printf '%-28s %-10s %6s  %s\n' "$name" "$result" "$seconds" "$remark"
  done
  best_rows
  printf '\n%d failed, %d s in all. Everything is in %s\n' "$failed" "$SECONDS" "$folder"
}

# The benchmarks' own figures: payload and, where it is known, the fraction of the limit.
best_rows() {
  if [[ $python ]]; then "$python" bench/device_table.py "$folder"/*_bench*.json; fi
  if [[ -s $folder/peers.txt ]]; then
    echo
    cat "$folder/peers.txt"
  fi
}

main
