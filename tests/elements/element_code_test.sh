#!/usr/bin/env bash
# What the compiler makes of reads through views, read off PTX: that rows are read from global memory
# and not from wherever a pointer may lead, that a table is read once for a row even where the loop
# stores, and that nothing lies in local memory. Spills on each architecture are for ptxas to refuse.
#
# usage: element_code_test.sh FILE.ptx
set -euo pipefail

# The instructions of kernel $1 in the PTX on standard input, without predicates and operands.
instructions_of() {
  awk -v kernel="$1(" '
    /\.entry/ { inside = $NF == kernel }
    inside { sub(/^[ \t]*(@!?%p[0-9]+[ \t]+)?/, ""); sub(/[ \t;].*/, ""); print }'
}

ptx=$1
readonly ptx
wrong=0
# expect KERNEL COMPARISON COUNT PATTERN...: how many instructions match one of the patterns.
expect() {
  local kernel=$1 comparison=$2 count=$3 found
  shift 3
  found=$(instructions_of "$kernel" <"$ptx" | grep -cxE -- "$(IFS='|' && echo "$*")" || true)
  if ! ((found $comparison count)); then
    echo "$kernel: $found times $*, not $comparison $count"
    wrong=$((wrong + 1))
  fi
}

for kernel in sum_row copy_row one_element deep_element dense_element ragged_row by_iterator \
  mdspan_row mdspan_element; do
  expect "$kernel" '>=' 1 'ld\.global(\.nc)?\.[bfu](32|64)'
  # Without a state space, an address may be anything.
  expect "$kernel" '==' 0 'ld\.[bfsu](8|16|32|64)' 'st\.[bfsu](8|16|32|64)'
  expect "$kernel" '==' 0 '.*\.local.*'
done

# An entry is read as one of 32 or as one of 64 bits, by a branch: both are there, once each. The
# elements are the other reads of 32 bits.
for kernel in copy_row mdspan_row; do
  expect "$kernel" '==' 1 'ld\.global(\.nc)?\.[su]64' 'ld\.global(\.nc)?\.b64'
done
for kernel in sum_row one_element mdspan_element by_iterator; do
  expect "$kernel" '<=' 1 'ld\.global(\.nc)?\.[bsu]64'
done
expect dense_element '==' 1 'ld\.global(\.nc)?\.[bfsu](32|64)'

echo "$wrong expectations about the code of views are not met"
((wrong == 0))
