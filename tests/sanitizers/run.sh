#!/usr/bin/env bash
# Runs the kernels, or the tests, under a sanitizer. README.md says what each mode needs.
#
#   tests/sanitizers/run.sh races-openmp|races-own|race|address [pytest's arguments]
set -euo pipefail
cd "$(dirname "$0")/../.."
mode=${1:?"give a mode: races-openmp, races-own, race or address"}
shift
out=build/sanitizers/$mode
mkdir -p "$out"

# Compiles the algorithms and kernels.cpp, two files at a time: build TEAM COMPILER FLAGS...
build() {
  local team=$1 compiler=$2
  shift 2
  local without='cuda/(characteristic|columns|device|passes_on_device|patterns|on_cpu)\.cpp|crew_|room\.cpp'
  local sources
  mapfile -t sources < <(find cpp/src -name '*.cpp' | grep -vE "$without" | sort)
  sources+=(tests/sanitizers/kernels.cpp)
  [ "$team" = openmp ] && sources+=(cpp/src/support/crew_openmp.cpp cpp/src/support/room.cpp)
  [ "$team" = own ] && sources+=(cpp/src/support/crew_std.cpp)
  printf '%s\n' "${sources[@]}" | xargs -P 2 -I '{}' bash -c '
    "${@:2}" -c "$1" -o "$0/$(echo "$1" | tr / _).o"
  ' "$out" '{}' "$compiler" -std=c++17 -O1 -g1 -ffp-contract=off -Wno-psabi -Icpp/include -Icpp/src "$@"
  "$compiler" "$@" "$out"/*.o -o "$out/kernels" -pthread
}

clang=${CLANG:-clang++-19}
case $mode in
races-openmp | race) # archer tells the sanitizer of OpenMP's barriers
  build openmp "$clang" -fsanitize=thread -fopenmp
  archer=${ARCHER:-$("$clang" -print-file-name=libarcher.so)}
  [ -f "$archer" ] || archer=$(dirname "$("$clang" -print-file-name=libomp.so)")/libarcher.so
  export OMP_TOOL_LIBRARIES=$archer ARCHER_OPTIONS="verbose=1" TSAN_OPTIONS="ignore_noninstrumented_modules=1"
  setarch -R "$out/kernels" "${mode/races-openmp/all}"
  ;;
races-own)
  build own "$clang" -fsanitize=thread
  setarch -R "$out/kernels" all
  ;;
address)
  python=${PYTHON:-python3}
  flags="-O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=undefined"
  "$python" -m pip install --quiet --no-deps --target "$out/site" --upgrade . -C build-dir="$out/build" \
    -C cmake.build-type=Debug -C cmake.define.CMAKE_CXX_FLAGS_DEBUG="$flags" -C cmake.define.FASTFUSE_ASSERTIONS=ON
  [ $# -gt 0 ] || set -- tests --ignore=tests/train --ignore=tests/golden
  # The interpreter is not built for it: the library comes first, and what Python keeps for ever is no leak.
  PYTHONPATH=$out/site ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
    LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libstdc++.so)" \
    "$python" -m pytest -q -p no:cacheprovider "$@"
  ;;
*)
  echo "no mode $mode" >&2
  exit 2
  ;;
esac
