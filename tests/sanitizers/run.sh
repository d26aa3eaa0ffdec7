#!/usr/bin/env bash
# Runs the kernels, or the tests, under a sanitizer. README.md says what each mode needs.
#
#   tests/sanitizers/run.sh races-openmp|races-own|race|address [pytest's arguments]
set -euo pipefail
cd "$(dirname "$0")/../.."
mode=${1:?"give a mode: races-openmp, races-own, race or address"}
shift
out=build/sanitizers
mkdir -p "$out/objects" "$out/address"

# Compiles for ThreadSanitizer what has changed, two files at a time, and links kernels.cpp with a team: build openmp|own
build() {
  local sources team=(cpp/src/support/crew_std.cpp) flags=(-fsanitize=thread)
  if [ "$1" = openmp ]; then
    team=(cpp/src/support/crew_openmp.cpp cpp/src/support/room.cpp) flags+=(-fopenmp)
  fi
  mapfile -t sources < <(find cpp/src -name '*.cpp' ! -path '*/cuda/*' ! -name 'crew_*' ! -name room.cpp | sort)
  sources+=(cpp/src/cuda/no_cuda.cpp tests/sanitizers/kernels.cpp)
  printf '%s\n' "${sources[@]}" "${team[@]}" | xargs -P 2 -I '{}' bash -c '
    object=$0/$(echo "$1" | tr / _).o
    if [ ! -e "$object" ] || [ -n "$(find "$1" cpp -newer "$object" \( -name "*.hpp" -o -path "$1" \) -print -quit)" ]; then
      "${@:2}" -c "$1" -o "$object"
    fi' "$out/objects" '{}' "$clang" -std=c++17 -O1 -g1 -ffp-contract=off -Wno-psabi -Icpp/include -Icpp/src "${flags[@]}"
  local objects
  mapfile -t objects < <(printf '%s\n' "${sources[@]}" "${team[@]}" | tr / _ | sed "s|^|$out/objects/|; s|\$|.o|")
  "$clang" "${flags[@]}" "${objects[@]}" -o "$out/kernels-$1" -pthread
}

clang=${CLANG:-clang++-19}
case $mode in
races-openmp | race) # archer tells the sanitizer of OpenMP's barriers
  build openmp
  archer=${ARCHER:-$("$clang" -print-file-name=libarcher.so)}
  [ -f "$archer" ] || archer=$(dirname "$("$clang" -print-file-name=libomp.so)")/libarcher.so
  export OMP_TOOL_LIBRARIES=$archer ARCHER_OPTIONS="verbose=1" TSAN_OPTIONS="ignore_noninstrumented_modules=1"
  setarch -R "$out/kernels-openmp" "${mode/races-openmp/all}"
  ;;
races-own)
  build own
  setarch -R "$out/kernels-own" all
  ;;
address)
  python=${PYTHON:-python3}
  flags="-O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=undefined"
  "$python" -m pip install --quiet --no-deps --target "$out/address/site" --upgrade . -C build-dir="$out/address/build" \
    -C cmake.build-type=Debug -C cmake.define.CMAKE_CXX_FLAGS_DEBUG="$flags" -C cmake.define.FASTFUSE_ASSERTIONS=ON
  [ $# -gt 0 ] || set -- tests --ignore=tests/train --ignore=tests/golden
  # The interpreter is not built for it: the library comes first, and what Python keeps for ever is no leak.
  PYTHONPATH=$PWD/$out/address/site ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
    LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libstdc++.so)" \
    "$python" -m pytest -q -p no:cacheprovider --capture=sys "$@" # or a report ends where pytest keeps what fd 2 is told
  ;;
*)
  echo "no mode $mode" >&2
  exit 2
  ;;
esac
