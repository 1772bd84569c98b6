#!/usr/bin/env bash
# Which folder may include which, read off every #include; that a public header's source has its
# name; that nothing follows the program's locale; and that no prefetch can be dropped.
#
# usage: layering_test.sh ROOT
set -euo pipefail
cd -- "$1"

# A folder, and those that its files may include besides the folder itself. The library's arrows go
# one way: down the pipeline, then to the backends' contract, then to what stands on the ground.
# `public` is every header of include/multibuffer/ but stages/, which is internal.
readonly folders='
host/support
host/bytes              host/support
host/format              host/support
host/view                host/format host/support
host/files               host/view host/format host/support
host/dataset             host/files host/interop host/gather host/upload host/backend host/format host/view host/support
host/resolve             host/view host/bytes host/support
host/place               host/resolve host/view host/support
host/backend             host/format host/place host/bytes host/support
host/upload              host/backend host/place host/view host/support
host/elements            host/ragged host/upload host/backend host/format host/place host/view host/support
host/cpu                 host/backend host/bytes host/support
host/gather              host/bytes host/upload host/backend host/place host/resolve host/format host/view host/support
host/explain             host/ragged host/gather host/upload host/backend host/place host/resolve host/format host/view host/support
host/ragged              host/gather host/upload host/backend host/place host/resolve host/format host/view host/support
host/reference           host/view host/support
host/verify              host/gather host/upload host/backend host/format host/support
host/interop             host/gather host/upload host/backend host/format host/view host/support
host/cli                 public host/files host/interop host/place host/support
host/python/support      public host/upload host/support
host/python/elements     public host/python/support host/interop host/format host/support
host/python/inputs       public host/python/elements host/python/support host/interop host/backend host/upload host/support
host/python/indexing     public host/python/inputs host/python/elements host/python/support host/upload host/support
host/python/ragged       public host/python host/python/indexing host/python/inputs host/python/elements host/python/support host/upload host/support
host/python              public host/python/inputs host/python/indexing host/python/elements host/python/support host/ragged host/gather host/interop host/backend host/upload host/support
cuda/plan                host/backend host/support
cuda/memory              host/backend host/support
cuda/kernels             cuda/plan cuda/memory host/backend host/support
cuda/upload              cuda/memory host/backend host/place host/support
cuda                     cuda/upload cuda/kernels cuda/plan cuda/memory host/backend host/support
bench                    public
bench/peers              public
tests/install            public
'
# A public header belongs to the folder of the source of its name; these have none.
readonly header_only='
watch          host/support
stream         host/backend
placement_options host/place
gather_modes   host/support
scalar_kind    host/format
sequence       host/resolve
segments       host/resolve
host_device    host/support
divisor        host/support
random_access  host/elements
row_view       host/elements
element_view   host/elements
element_iterator host/elements
multibuffer    public
'
# What is not ours, by the folders that may have it.
readonly standard='<[a-z_]+>'
readonly system='<(arm_neon|cpuid|dlfcn|fcntl|glob|immintrin|pthread|sched|signal|unistd|sys/[a-z]+|unwind|structmember)\.h>'
readonly toolkit='<(cuda[a-z_]*\.h|(cuda|cub|thrust|nvtx3)/.*)>'
libraries_of() {
  case "$1" in
    include/multibuffer | include/multibuffer/stages | host/reference | tests/install) echo "$standard" ;;
    include/multibuffer/cuda | cuda | cuda/*) echo "$standard|$system|$toolkit" ;;
    host/files) echo "$standard|$system|<(hdf5|png)\.h>|<nlohmann/json\.hpp>" ;;
    host/cli) echo "$standard|$system|<CLI/.*>" ;;
    host/python | host/python/*) echo "$standard|$system|<pybind11/(numpy|pybind11)\.h>" ;;
    bench | bench/*) echo "$standard|$system|$toolkit|<(benchmark|pybind11)/.*>" ;;
    *) echo "$standard|$system" ;;
  esac
}

broken=0
report() {
  echo "$*"
  broken=$((broken + 1))
}

# ---- Public headers and their sources

declare -A folder_of_header
while read -r stem folder; do
  if [[ $stem ]]; then folder_of_header[$stem]=$folder; fi
done <<<"$header_only"
for header in include/multibuffer/*.hpp include/multibuffer/stages/*.hpp; do
  stem=$(basename "$header" .hpp)
  mapfile -t sources < <(find host -name "$stem.cpp" -not -path 'host/cli/*' -not -path 'host/python/*')
  if [[ ${folder_of_header[$stem]:-} ]]; then
    ((${#sources[@]} == 0)) || report "$header is listed as without a source, and has ${sources[*]}"
  elif ((${#sources[@]} == 1)); then
    folder_of_header[$stem]=$(dirname "${sources[0]}")
  else
    report "$header has ${#sources[@]} sources of its name"
  fi
done

# ---- Folders

declare -A may
while read -r folder others; do
  if [[ $folder ]]; then may[$folder]=" $folder $others "; fi
done <<<"$folders"

# Whether a file of `folder` may include `<header>` of include/ or `"path"`.
allowed() { # FOLDER INCLUDED
  local folder=$1 included=$2 of
  case "$included" in
    '<multibuffer/cuda/'*) [[ $folder =~ ^(include/multibuffer/cuda|cuda|bench|host/python)(/|$) ]] ;;
    '<multibuffer/'*)
      of=$(basename "$included" .hpp\>)
      of=${folder_of_header[$of]:-none}
      [[ $folder == include/* ]] || [[ ${may[$folder]} == *" $of "* ]] ||
        [[ ${may[$folder]} == *' public '* && $included != */stages/* ]]
      ;;
    '"'*)
      of=$(dirname "${included//\"/}")
      [[ ${may[$folder]:-} == *" $of "* ]]
      ;;
    *) [[ $included =~ ^($(libraries_of "$folder"))$ ]] ;;
  esac
}

while IFS= read -r file; do
  folder=$(dirname "$file")
  if [[ $folder != include/* && ! ${may[$folder]:-} ]]; then
    report "$file: the table has no folder $folder"
    continue
  fi
  while IFS= read -r included; do
    allowed "$folder" "$included" || report "$file must not include $included"
  done < <(sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*([<"][^>"]+[>"]).*/\1/p' "$file")
done < <(find include host cuda bench tests/install -name '*.[ch]pp' -o -name '*.cu' -o -name '*.cuh')

echo "$broken includes or names break the rule"

# ---- Locales

# What writes or reads numbers, or sorts characters, by the locale that the program has set: formats,
# files and messages must be the same everywhere (host/support/text.hpp, <charconv>).
readonly by_locale='<(sstream|iomanip|locale|clocale|cctype|regex)>|[^_a-z](sto(i|l|ll|ul|ull|f|d|ld)|strto[a-z]+|ato[fil]+|s?scanf|is(alnum|alpha|digit|lower|print|space|upper|xdigit)|to(lower|upper))\('
if grep -rnE "$by_locale" include host cuda --include='*.[ch]pp' --include='*.cu' --include='*.cuh'; then
  report "these follow the program's locale"
fi

# ---- Prefetches

# GCC drops calls of functions that do nothing else (host/support/prefetch.hpp). The result stays the
# same, at half the speed.
if grep -rn '__builtin_prefetch\|_mm_prefetch' include host cuda --include='*.[ch]pp' |
  grep -v '^host/support/prefetch\.hpp:'; then
  report "these are not by the functions of host/support/prefetch.hpp"
fi
((broken == 0))
