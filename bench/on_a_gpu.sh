#!/usr/bin/env bash
# Build fastfuse with CUDA for the card that is here, test and measure it, and write one file of results.
# shellcheck disable=SC2317  # steps are called by their names
set -uo pipefail
# A shell that was started in the background ignores interrupts, and so would all that it starts.
if [ -z "${ON_A_GPU_HEEDS-}" ] && env --default-signal=INT true 2>/dev/null; then
    ON_A_GPU_HEEDS=yes exec env --default-signal=INT bash "$0" "$@"
fi

usage() {
    cat <<'END'
usage: bench/on_a_gpu.sh [options]

Builds fastfuse with CUDA for the card that is here alone, into build/gpu and without a network; tests it, looks for
errors of memory and races, measures it, and writes DIR/results.txt. Ends within 450 s, whatever happens; each step has
a limit of its own. A step that fails or runs out of time is recorded, and the next goes on.

  --only STEP[,STEP]    these steps alone; earlier records of the others stay
  --resume              skip the steps that passed before
  --out DIR             folder of the results (build/gpu/results)
  --wheels DIR          wheels to install first, where the machine's packages are missing or too old
  --architecture ARCH   for CMAKE_CUDA_ARCHITECTURES, in place of the card's own, e.g. 90-real
  --profile PROBLEM     what ncu looks at (see bench/gpu/problems.py), e.g. "dense 7, paper"; may be repeated
  --within SECONDS      for all steps together (450)
  --python PYTHON       (python3)
  --rehearse            without a GPU: kernels run by the CPU, small problems, into build/gpu/rehearsal
  --jobs N              number of files to compile at once (all processors)
  --limit STEP=SECONDS  another limit for a step; may be repeated

Steps: build tests checks bench cost table memcheck racecheck ncu many, and, only if it is named, experiment: the paper's
training, some hundred steps of it (7 minutes at most). All but build need what build made.

Exit status: 0 if every step passed or was skipped for want of a tool, 1 if one failed or ran out of time, 2 for wrong
words or if there is no GPU.

Needs nvcc, CMake, ninja, scikit-build-core, pybind11 3, pytest, pytest-benchmark, PyTorch, scipy, nibabel, typer. CuPy, JAX,
compute-sanitizer and ncu are used where they are. Fetch wheels on a machine with a network, for the GPU's Python:

  pip download --no-deps --only-binary=:all: --python-version 3.12 -d wheels nibabel 'pybind11>=3' 'scikit-build-core>=0.11'
END
}

steps_by_default="build tests checks bench cost table memcheck racecheck ncu many"
declare -A limit=([build]=180 [tests]=75 [checks]=100 [bench]=100 [cost]=45 [table]=90 [memcheck]=60 [racecheck]=60
    [ncu]=75 [many]=90 [experiment]=420)
only="" resume=no out="" wheels="" architecture="" within="" python=python3 rehearse=no profile=()
jobs=$(nproc 2>/dev/null || echo 4)

refuse() {
    echo "on_a_gpu.sh: $1" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
        --only | --out | --wheels | --architecture | --profile | --within | --python | --jobs | --limit)
            [ $# -ge 2 ] || refuse "$1 needs a value; see --help" ;;&
        --only) only=${2//,/ } && shift ;;
        --out) out=$2 && shift ;;
        --wheels) wheels=$2 && shift ;;
        --architecture) architecture=$2 && shift ;;
        --profile) profile+=("$2") && shift ;;
        --within) within=$2 && shift ;;
        --python) python=$2 && shift ;;
        --jobs) jobs=$2 && shift ;;
        --limit)
            [[ $2 =~ ^[a-z]+=[0-9]+$ && -n ${limit[${2%%=*}]-} ]] || refuse "--limit is '$2': give STEP=SECONDS"
            limit[${2%%=*}]=${2#*=} && shift ;;
        --resume) resume=yes ;;
        --rehearse) rehearse=yes ;;
        -h | --help) usage && exit 0 ;;
        *) refuse "what is '$1'? See --help" ;;
    esac
    shift
done
for step in $only; do
    [ -n "${limit[$step]-}" ] || refuse "there is no step '$step': there are $steps_by_default experiment"
done
within=${within:-450}
[[ $within =~ ^[0-9]+$ ]] || refuse "--within is '$within': give seconds"
command -v "$python" >/dev/null || refuse "there is no $python"
[ -z "$wheels" ] || wheels=$(cd "$wheels" 2>/dev/null && pwd) || refuse "there is no such folder of wheels"

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
root=$PWD/build/gpu
[ "$rehearse" = no ] || root=$root/rehearsal
out=${out:-$root/results}
records=$root/steps # a log, and an outcome, of each step
mkdir -p "$out" "$records" || refuse "$out cannot be written"
out=$(cd "$out" && pwd)
[ -n "$only" ] || [ $resume = yes ] || rm -f "$records"/*
mapfile -t test_files < <(find tests -name 'test_cuda*.py' ! -name test_cuda_build.py | sort)
[ -d /usr/local/cuda/bin ] && PATH=$PATH:/usr/local/cuda/bin

# --- the card ---------------------------------------------------------------------------------------------------

card="none: a rehearsal, kernels run by the CPU"
if [ "$rehearse" = no ]; then
    command -v nvidia-smi >/dev/null ||
        refuse "there is no nvidia-smi, so no NVIDIA driver; --rehearse runs all this without a GPU"
    card=$(nvidia-smi --query-gpu=name,memory.total,driver_version,compute_cap --format=csv,noheader 2>&1) ||
        refuse "nvidia-smi finds no GPU ($(head -1 <<<"$card"))"
    [ -n "$architecture" ] ||
        architecture=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | tr -d '. ' | sort -u | sed 's/$/-real/' | paste -sd ';')
    [[ $architecture =~ ^[0-9] ]] || refuse "nvidia-smi names no compute capability ('$architecture'): give --architecture"
fi

# --- what every step sees ---------------------------------------------------------------------------------------

export PYTHONPATH=$root/site:$root/needs:$PWD/bench PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
export XLA_PYTHON_CLIENT_PREALLOCATE=false FASTFUSE_GPU_CASE=$root/case TQDM_DISABLE=1 NO_COLOR=1
[ "$rehearse" = no ] || export FASTFUSE_BENCH_SMALL=1
pytest=("$python" -m pytest -q -p no:cacheprovider -W default)

# Tests that between them launch every kernel, on a thousand voxels.
every_kernel=("test_masks[5-options0-True]" "test_masks[11-options0-True]" "test_masks_of_many[True-20]" "test_masks_of_many[True-23]" "test_three_values[4-paper-soft_staple]"
    "test_three_values_in_too_many_patterns[14-em-soft_staple]" "test_dense_masses[1]" "test_dense_masses[5]"
    "test_dense_masses[9]" "test_dense_masses[13]" "test_dense_products[em-5]" "test_products_of_many[em]"
    "test_characteristic_function[11-em-near and far]" "test_characteristic_function[17-paper-dense]"
    "test_bad_votes[nan-nan .*finite-dense]" "test_ends_of_volumes[1025-dense-3]")
# Those whose blocks share memory; racecheck is slow.
that_share=("test_masks[5-options0-True]" "test_three_values[4-paper-soft_staple]" "test_dense_masses[5]"
    "test_dense_masses[9]" "test_dense_masses[13]" "test_characteristic_function[11-em-near and far]")

skip() { # a sentence; the step's outcome is "skipped"
    echo "skipped: $1"
    exit 77
}

passed_some() { # all skipped is no success, unless this is a rehearsal
    "$@" 2>&1 | tee -i "$records/.pytest"
    local status=${PIPESTATUS[0]}
    [ "$status" -eq 0 ] || return "$status"
    [ "$rehearse" = yes ] || grep -Eq '[0-9]+ passed' "$records/.pytest" || {
        echo "nothing was run"
        return 1
    }
}

# --- the steps; each runs in a process of its own ---------------------------------------------------------------

step_build() {
    rm -rf "$root/site" "$root/needs"
    if [ -n "$wheels" ]; then
        "$python" -m pip install --quiet --no-index --no-deps --target "$root/needs" "$wheels"/*.whl || return 1
    fi
    # Votes are painted by Python alone: beside the compiler.
    PYTHONPATH=$PWD/python:$root/needs:$PWD/bench "$python" -W ignore -m gpu.case &
    local painter=$!
    local defined=(-C cmake.define.FASTFUSE_CUDA_ON_CPU=ON)
    if [ "$rehearse" = no ]; then
        command -v nvcc || { echo "there is no nvcc: install CUDA's toolkit"; return 1; }
        nvcc --version | tail -2
        defined=(-C cmake.define.FASTFUSE_CUDA=ON -C "cmake.define.CMAKE_CUDA_ARCHITECTURES=$architecture")
    fi
    "$python" -m pip install --no-index --no-deps --no-build-isolation --quiet --target "$root/site" \
        -C "build-dir=$root/cmake" -C "build.tool-args=-j$jobs" "${defined[@]}" . || return 1
    wait "$painter" || echo "no votes were painted: what needs them does so"
    (cd / && "$python" -c 'import sys, fastfuse; print(fastfuse.__file__); sys.exit(fastfuse.cuda.why_not() or 0)') &&
        touch "$root/site/works"
}

step_tests() { passed_some "${pytest[@]}" -rs "${test_files[@]}"; }

step_checks() { passed_some "${pytest[@]}" -rs bench/gpu/checks.py; }

run_bench() {
    passed_some "${pytest[@]}" -p gpu.case bench/bench_cuda.py --benchmark-columns=median,rounds --benchmark-json="$out/$1.json" -k "$2"
    local status=$?
    [ ! -s "$out/$1.json" ] || "$python" bench/tables.py "$out/$1.json"
    return "$status"
}

step_bench() { run_bench bench "not many_raters"; }

step_many() { run_bench many "many_raters and not 64"; }

step_cost() { "$python" -W ignore -m gpu.cost; }

step_table() { "$python" -W ignore -m gpu.table; }

sanitize() {
    local tool=$1 nodes=()
    shift
    command -v compute-sanitizer >/dev/null || skip "there is no compute-sanitizer; it comes with CUDA's toolkit"
    for name in "$@"; do nodes+=("$(grep -l "^def ${name%%[[]*}(" "${test_files[@]}")::$name"); done
    passed_some compute-sanitizer --tool "$tool" --error-exitcode 9 --print-limit 20 "${pytest[@]}" "${nodes[@]}"
    local status=$?
    ! grep -q 'Device not supported' "$records/.pytest" || skip "compute-sanitizer does not support this device"
    return "$status"
}

step_memcheck() { sanitize memcheck "${every_kernel[@]}"; }

step_racecheck() { sanitize racecheck "${that_share[@]}"; }

step_ncu() {
    command -v ncu >/dev/null || skip "there is no ncu; it comes with Nsight Compute"
    local sections=(SpeedOfLight MemoryWorkloadAnalysis ComputeWorkloadAnalysis Occupancy LaunchStats SchedulerStats WarpStateStats)
    ncu --profile-from-start off --clock-control none --kernel-name 'regex:find_|mix_|expect_|look_|inspect_' \
        --launch-count 40 "${sections[@]/#/--section=}" "$python" -W ignore -m gpu.kernels "${profile[@]}" 2>&1 |
        tee -i "$records/.ncu"
    local status=${PIPESTATUS[0]}
    ! grep -Eq 'ERR_NVGPUCTRPERM|LibraryNotLoaded' "$records/.ncu" || skip "ncu may not read this GPU's counters"
    return "$status"
}

step_experiment() {
    local small=()
    [ "$rehearse" = no ] || small=(--small)
    "$python" -m gpu.experiment "$root/experiment" "${small[@]}"
}

# --- results ----------------------------------------------------------------------------------------------------

heading() {
    echo "fastfuse on a GPU, $(date -u '+%Y-%m-%d %H:%M') UTC"
    echo "card: $card"
    [ "$rehearse" = yes ] || echo "built for: $architecture"
    command -v nvcc >/dev/null && echo "nvcc: $(nvcc --version | tail -1)"
    echo "host: $(nproc) processors, $(uname -srm); commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
    "$python" -W ignore - <<'END'
import importlib.metadata as metadata, sys
found = [f"Python {sys.version.split()[0]}"]
for name in ("torch", "cupy-cuda13x", "cupy-cuda12x", "jax", "numpy", "scipy", "nibabel", "pybind11", "scikit-build-core"):
    try:
        found.append(f"{name} {metadata.version(name)}")
    except metadata.PackageNotFoundError:
        pass
print("with:", ", ".join(found))
END
}

write_results() {
    {
        cat "$records/.heading"
        echo
        for step in $steps_by_default experiment; do
            [ ! -f "$records/$step.outcome" ] || printf '%-11s %s\n' "$step" "$(cat "$records/$step.outcome")"
        done
        for step in $steps_by_default experiment; do
            [ -f "$records/$step.outcome" ] || continue
            printf '\n===== %s: %s\n\n' "$step" "$(cat "$records/$step.outcome")"
            [ ! -f "$records/$step.log" ] || tail -n 1500 "$records/$step.log"
        done
    } >"$out/results.new" && mv "$out/results.new" "$out/results.txt"
}

running="" watch=""
stop() {
    trap '' INT TERM
    [ -z "$watch" ] || kill -KILL -- "-$watch" 2>/dev/null
    [ -z "$running" ] || end_of "$running"
    write_results
    exit 130
}
trap stop INT TERM

end_of() { # interrupts a group of processes, and kills it if that does not help
    kill -INT -- "-$1" 2>/dev/null
    for _ in {1..80}; do
        kill -0 -- "-$1" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL -- "-$1" 2>/dev/null
}

run_step() { # name, limit in seconds; sets outcome
    local step=$1 seconds=$2 begun=$SECONDS status
    rm -f "$records/.late"
    set -m # a process group for each, to stop all of it
    ("step_$step") >"$records/$step.log" 2>&1 </dev/null &
    running=$!
    (sleep "$seconds" && touch "$records/.late" && end_of "$running") >/dev/null 2>&1 </dev/null &
    watch=$!
    set +m
    wait "$running" 2>/dev/null
    status=$?
    kill -KILL -- "-$watch" "-$running" 2>/dev/null # what it may have left running, too
    wait "$watch" 2>/dev/null
    running="" watch=""
    outcome="FAILED with exit status $status"
    [ $status -ne 0 ] || outcome=passed
    [ $status -ne 77 ] || outcome=$(grep '^skipped: ' "$records/$step.log" | tail -1)
    [ ! -f "$records/.late" ] || outcome="out of time"
    outcome="$outcome, $((SECONDS - begun)) s"
}

main() {
    local failed=no left
    heading >"$records/.heading" 2>&1
    cat "$records/.heading"
    for step in ${only:-$steps_by_default}; do
        if [ $resume = yes ] && grep -qs '^passed' "$records/$step.outcome"; then
            echo "$step: passed before"
            continue
        fi
        left=$((within - SECONDS - 10)) # what stopping may take
        if [ "$step" != build ] && [ ! -f "$root/site/works" ]; then
            outcome="not begun: there is no fastfuse that finds the device"
        elif [ $left -lt 5 ]; then
            outcome="not begun: the $within s are over"
        else
            echo "$step ..."
            run_step "$step" $((left < limit[$step] ? left : limit[$step]))
        fi
        echo "$outcome" >"$records/$step.outcome"
        echo "$step: $outcome"
        [[ $outcome =~ ^(passed|skipped) ]] || failed=yes
        write_results
    done
    write_results
    echo "results: $out/results.txt, after $SECONDS s"
    [ $failed = no ]
}

# On one line, to be read before anything is begun: the file may change meanwhile.
main && exit 0 || exit 1
