#!/usr/bin/env bash
# Installs the packages of `./dev packages` on a bare Debian 12 and uses what they bring.
#
# usage: tests/install/debs.sh [FOLDER]     as root; needs debootstrap and Debian's packages
#
# FOLDER (build/bookworm) becomes that Debian the first time. A copy of it is what the packages are
# installed in, and is removed at the end.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."

bare=${1:-build/bookworm}
passed=0 failed=0

main() {
  if ((EUID != 0)) || [[ ! -x $(PATH=$PATH:/usr/sbin command -v debootstrap) ]]; then
    echo "debs.sh: this needs root and debootstrap (apt-get install debootstrap)" >&2
    exit 2
  fi
  compgen -G 'build/packages/*.deb' >/dev/null || {
    echo "debs.sh: there are no packages: ./dev packages builds them" >&2
    exit 2
  }
  [[ -e $bare/made ]] || make_bare_debian
  root=$(mktemp --directory "$PWD/build/debian-XXXXXX")
  trap 'rm -rf --one-file-system "$root"' EXIT
  cp --archive "$bare/." "$root"
  chmod 755 "$root"
  mkdir "$root/packages" "$root/consumer"
  cp build/packages/*.deb "$root/packages"
  cp tests/install/CMakeLists.txt tests/install/*.cpp "$root/consumer"
  cp -r tests/data "$root/data"
  cp tests/fuzz/corpus/hdf5/contiguous "$root/data/it.h5"

  check "nothing of ours is there" absent
  check "apt-get installs them" inside sh -c \
    'apt-get install --yes --no-install-recommends /packages/*.deb'
  check "multibuffer devices" prints "host " multibuffer devices
  check "multibuffer gather" inside multibuffer gather data/astronaut.png --index '::-1, 40:220' \
    --out result.png --verify
  check "python3 -c 'import multibuffer'" prints '^\[6, 5, 4, 2, 1, 0\]$' python3 -c "
import multibuffer
rows = [bytes([0, 1, 2]), bytes([4, 5, 6])]
print(list(multibuffer.upload(rows)[::-1, ::-1].tobytes()))"
  check "python3 -m multibuffer" prints "multibuffer [0-9]" python3 -m multibuffer --version
  check "HDF5 without libhdf5" without_libhdf5
  check "libhdf5, which is recommended" install_what_is_recommended
  check "HDF5" prints "shape (2, 3)" multibuffer inspect data/it.h5
  check "the compiler for a consumer" inside apt-get install --yes --no-install-recommends g++ cmake make
  check "the consumer is built" inside sh -c 'cmake -S consumer -B built && cmake --build built'
  check "the consumer runs" prints "^23 22 21 20$" built/consumer
  check "the consumer of a dataset runs" prints "^1536 233226$" built/dataset_consumer data/shards/rows_0.npy
  check "the library knows HDF5" prints "^HDF5$" built/dataset_consumer data/shards/rows_0.npy
  check "the module without the command" without_the_command
  check "apt-get removes them" inside apt-get purge --yes '?name(multibuffer)'
  check "nothing of ours is left" absent
  printf '\n%d passed, %d failed\n' $passed $failed
  ((failed == 0))
}

make_bare_debian() {
  # The packages come from where this machine's do.
  local source
  source=$(apt-cache policy | sed -nE 's@^ +[0-9]+ +(http[^ ]+) bookworm/main .*@\1@p' | head -1)
  echo "a bare Debian 12 in $bare"
  PATH=$PATH:/usr/sbin debootstrap --variant=minbase bookworm "$bare" ${source:+"$source"} >"$bare.log"
  rm -rf "$bare/etc/apt"
  cp --archive /etc/apt "$bare/etc/apt"
  cp --dereference /etc/resolv.conf "$bare/etc/resolv.conf"
  if [[ -d /etc/ssl/certs ]]; then # a source may be reached by TLS, with certificates of this machine's
    mkdir -p "$bare/etc/ssl"
    cp --recursive --dereference /etc/ssl/certs "$bare/etc/ssl/" 2>/dev/null || true
  fi
  chroot "$bare" apt-get update
  touch "$bare/made"
}

# Without the environment of this machine, but for how it reaches packages.
inside() {
  local proxies
  mapfile -t proxies < <(env | grep -iE '^(https?|no)_proxy=' || true)
  chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive "${proxies[@]}" "$@"
}

prints() { # PATTERN COMMAND...
  local said
  said=$(inside "${@:2}") || return 1
  printf '%s\n' "$said"
  grep --quiet -e "$1" <<<"$said"
}

absent() { ! find "$root/usr" "$root/etc" "$root/var/lib/dpkg/info" -name '*multibuffer*' | grep .; }

# A module that is there alone says which package has the command.
without_the_command() {
  inside apt-get remove --yes multibuffer || return 1
  local said
  if said=$(inside python3 -m multibuffer 2>&1); then return 1; fi
  grep 'apt-get install multibuffer' <<<"$said"
}

without_libhdf5() {
  local said
  if said=$(inside multibuffer inspect data/it.h5 2>&1); then return 1; fi
  grep 'it.h5: this build reads HDF5 by libhdf5.*, which cannot be loaded' <<<"$said"
}

install_what_is_recommended() {
  local packages
  packages=$(inside dpkg-query --show --showformat '${Recommends}' 'libmultibuffer0*') || return 1
  [[ -n $packages ]] && inside apt-get install --yes --no-install-recommends "$packages"
}

check() { # NAME COMMAND...
  local log
  printf '%-34s' "$1"
  if log=$("${@:2}" 2>&1); then
    echo passed
    passed=$((passed + 1))
  else
    printf 'FAILED:\n%s\n' "$log"
    failed=$((failed + 1))
  fi
}

main
