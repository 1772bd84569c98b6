#!/usr/bin/env bash
# bench/gpu_report.sh says what it does not know before it builds or removes anything.
#
# usage: gpu_report_test.sh ROOT
set -euo pipefail
cd -- "$1"

folder=$(mktemp -d)
readonly folder
trap 'rm -r "$folder"' EXIT
echo "of an earlier run" >"$folder/summary.txt"

wrong=0
# refuses SENTENCE VARIABLE=VALUE...
refuses() {
  local said status=0
  said=$(env "${@:2}" bench/gpu_report.sh "$folder" 2>&1) || status=$?
  if ((status != 2)) || [[ $said != "gpu-report: $1" ]] || [[ ! -s $folder/summary.txt ]]; then
    printf '%s: exit status %d, and said: %s\n' "${*:2}" "$status" "$said"
    wrong=$((wrong + 1))
  fi
}

refuses "MULTIBUFFER_REPORT_DEVICE is cuda or host, not 'nonsense'" \
  MULTIBUFFER_REPORT_DEVICE=nonsense
refuses "MULTIBUFFER_REPORT_STEPS names 'nonsense'; the steps are tests python sanitizers peers benchmarks" \
  MULTIBUFFER_REPORT_DEVICE=host MULTIBUFFER_REPORT_STEPS="tests nonsense"
# A function of the script, but no step.
refuses "MULTIBUFFER_REPORT_STEPS names 'summary'; the steps are tests python sanitizers peers benchmarks" \
  MULTIBUFFER_REPORT_DEVICE=host MULTIBUFFER_REPORT_STEPS=summary

echo "$wrong refusals are not what they should be"
((wrong == 0))
