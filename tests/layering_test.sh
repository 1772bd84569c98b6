#!/usr/bin/env bash
# The one-way rule, read off every #include:
#
#   include <- host <- cuda (the backend contract alone)
#      ^------- host/files <- host/cli; host/python, tests, bench
#
# usage: layering_test.sh ROOT
set -euo pipefail
cd -- "$1"

readonly standard='<[a-z_]+>'
readonly public='<multibuffer/[a-z_]+\.hpp>'
readonly public_cuda='<multibuffer/cuda/[a-z_]+\.hpp>'
readonly system='<(arm_neon|fcntl|immintrin|pthread|sched|signal|unistd|sys/[a-z]+|unwind|structmember)\.h>'
readonly toolkit='<(cuda[a-z_]*\.h|(cuda|cub|thrust|nvtx3)/.*)>'
# What host and cuda both read: a backend's duties, the plan it is given, its host threads, how to
# say an error, and arithmetic of sizes.
readonly contract='host/(backend|gather_plan|number|convert_number|pack|parallel|text|checked|rounding)\.hpp'

# The rule for a file: the first whose name matches. What a file includes must match all of the rest.
rule_for() {
  case "$1" in
    include/multibuffer/cuda/*) echo "$standard|$public|$public_cuda|$toolkit" ;;
    include/*) echo "$standard|$public" ;;
    # It shares nothing with what it checks.
    host/reference.cpp | host/reference_convert.cpp) echo "$standard|<multibuffer/(array_view|error|gather_modes|layout|reference)\.hpp>|host/text\.hpp" ;;
    host/files/*) echo "$standard|$public|$system|<png\.h>|host/text\.hpp|host/files/.*" ;;
    host/python/*) echo "$standard|$public|$public_cuda|$system|<pybind11/(numpy|pybind11)\.h>|host/(dtype_name|legacy_stream|parallel|storage|text)\.hpp|host/python/.*" ;;
    host/cli/*) echo "$standard|$public|$system|<CLI/.*>|host/(dtype_name|text)\.hpp|host/(files|cli)/.*" ;;
    host/*) echo "$standard|$public|$system|host/[a-z_]+\.hpp" ;;
    cuda/*) echo "$standard|$public|$public_cuda|$system|$toolkit|$contract|cuda/.*" ;;
    bench/*) echo "$standard|$public|$public_cuda|$system|$toolkit|<benchmark/.*>|<pybind11/.*>|bench/.*" ;;
    tests/install/*) echo "$standard|$public" ;;
    # A unit test may open a private header.
    tests/*) echo '.*' ;;
  esac
}

# What a file includes, one a line; "x.hpp" beside it is spelt from the root, like the others.
includes_of() {
  sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*([<"][^>"]+[>"]).*/\1/p' "$1" |
    sed -E "s|^\"([^/]+)\"$|$(dirname "$1")/\1|; s|\"||g"
}

broken=0
while IFS= read -r file; do
  while IFS= read -r included; do
    if ! [[ $included =~ ^($(rule_for "$file"))$ ]]; then
      echo "$file must not include $included"
      broken=$((broken + 1))
    fi
  done < <(includes_of "$file")
done < <(find include host cuda tests bench -name '*.[ch]pp' -o -name '*.cu' -o -name '*.cuh')

echo "$broken includes break the one-way rule"

# What writes or reads numbers, or sorts characters, by the locale that the program has set: formats,
# files and messages must be the same everywhere (host/text.hpp, <charconv>).
readonly by_locale='<(sstream|iomanip|locale|clocale|cctype|regex)>|[^_a-z](sto(i|l|ll|ul|ull|f|d|ld)|strto[a-z]+|ato[fil]+|s?scanf|is(alnum|alpha|digit|lower|print|space|upper|xdigit)|to(lower|upper))\('
if grep -rnE "$by_locale" include host cuda --include='*.[ch]pp' --include='*.cu' --include='*.cuh'; then
  echo "these follow the program's locale"
  broken=$((broken + 1))
fi
((broken == 0))
