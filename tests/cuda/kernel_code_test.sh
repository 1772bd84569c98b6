#!/usr/bin/env bash
# What the compiler makes of the kernels' memory accesses, read off PTX: that vectors stay whole,
# that loads are non-coherent, that all of a batch are there, and that nothing lies in local memory.
# Spills are for ptxas to refuse; see cuda/CMakeLists.txt.
#
# usage: kernel_code_test.sh FILE.ptx
set -euo pipefail

# The instructions of kernel $1 in the PTX on standard input, without predicates and operands.
instructions_of() {
  awk -v kernel="$1(" '
    /\.entry/ { inside = $NF == kernel }
    inside { sub(/^[ \t]*(@!?%p[0-9]+[ \t]+)?/, ""); sub(/[ \t;].*/, ""); print }'
}

wrong=0
# expect KERNEL COUNT INSTRUCTION
expect() {
  local found
  found=$(instructions_of "$1" <"$ptx" | grep -cFx -- "$3" || true)
  if ((found != $2)); then
    echo "$1: $found times $3, not $2 times"
    wrong=$((wrong + 1))
  fi
}

ptx=$1
readonly ptx

# A batch is two. Rows that are aligned: each vector is read once.
expect elements 2 ld.global.nc.v2.u64
expect elements 2 st.global.wb.v2.u64
# Two aligned words around each that is written; a neighbour reads one of them again.
for kernel in shifted words; do
  expect $kernel 4 ld.global.nc.v2.u64
  expect $kernel 2 st.global.wb.v2.u64
done
# Four items to a word, and two entries of a narrow table.
expect strided 10 ld.global.nc.u32
# The windows of all shapes lie in 47 words. No byte of them is loaded by itself.
expect pixels 94 ld.global.nc.v2.u64
expect pixels 2 st.global.wb.v2.u64
expect pixels 0 ld.global.nc.u8
expect pixels 0 ld.global.nc.u16
# Numbers that are read aligned, and those that are not, which lie in two words each.
expect converted 6 ld.global.nc.v2.u64
expect converted 2 st.global.wb.v2.u64
# Past the registers.
expect tiles 4 cp.async.ca.shared.global
# Indices and entries of tables.
for kernel in elements strided pixels shifted words tiles converted; do
  expect $kernel 2 ld.global.nc.s32
  expect $kernel 4 ld.global.nc.s64
  expect $kernel 0 ld.global.u32
  expect $kernel 0 ld.global.u64
  expect $kernel 0 .local
  expect $kernel 0 ld.local.u32
  expect $kernel 0 ld.local.u64
done

echo "$wrong expectations about the kernels' code are not met"
((wrong == 0))
