#!/usr/bin/env bash
# Makes a free-threaded CPython in build/free-threaded, of the source that Debian unstable has: 3.14, or 3.13 where no
# source of 3.14 can be downloaded, since mirrors may list sources that they do not have.
#
# usage: tests/install/free_threaded.sh fetch     download the source
#        tests/install/free_threaded.sh build     configure, compile and install it
#
# Debian has no package of such a Python. apt downloads the source from the mirror that this Debian's packages
# come from and checks it by Debian's keys, with lists of its own: what the machine installs stays as it is. The
# source is CPython's own, without Debian's patches, by which venv would need other packages.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."

readonly folder=$PWD/build/free-threaded

fetch() {
  local mirror
  # shellcheck disable=SC2016 # apt itself expands it
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'ORIGIN: Debian' 'LABEL: Debian' |
    sort -u | sed -n 1p)
  if [[ ! $mirror ]]; then
    echo "free_threaded.sh: apt knows no mirror of Debian" >&2
    exit 1
  fi
  mkdir -p "$folder"/apt/{lists,cache}
  echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror unstable main" \
    >"$folder/apt/sources.list"
  local apt=(apt-get -o "Dir::Etc::SourceList=$folder/apt/sources.list" -o Dir::Etc::SourceParts=-
    -o "Dir::State::Lists=$folder/apt/lists" -o "Dir::Cache=$folder/apt/cache")
  "${apt[@]}" update
  cd "$folder"
  local package version
  for package in python3.14 python3.13; do
    for version in $("${apt[@]/apt-get/apt-cache}" showsrc "$package" | sed -n 's/^Version: //p' | sort -rVu); do
      rm -f python3.1[0-9]_* # older ones, and parts of those that cannot be had
      if "${apt[@]}" source --download-only "$package=$version"; then return; fi
    done
  done
  echo "free_threaded.sh: none of these sources can be downloaded" >&2
  exit 1
}

# Neither PGO nor LTO, which take many times as long.
build() {
  cd "$folder"
  rm -rf source
  mkdir source
  tar --extract --file python3.1[0-9]_*.orig.tar.xz --directory source --strip-components=1
  cd source
  ./configure --prefix="$folder" --disable-gil --with-ensurepip=no
  make --jobs="$(nproc)"
  make altinstall
}

case "${1:-}" in
  fetch | build) "$1" ;;
  *)
    sed -n 's/^# usage: /usage: /p; s/^#        tests/       tests/p' "$0" >&2
    exit 2
    ;;
esac
