#!/usr/bin/env bash
# Everything that needs a GPU, on a machine that may have no package index: builds the
# extensions with what is there, runs the benchmarks against the libraries that are
# installed, tests/cuda, and compute-sanitizer on them; prints one table last.
#
#   benchmarks/cuda/run.sh [STAGE ...]    some of: build bench tests sanitize
#
# Needs: CMake, nvcc, a C++17 compiler, and for `python3` (or $PYTHON) pybind11, NumPy,
# SciPy, scikit-learn, pytest, hypothesis; torch for the benchmarks. The Eigen headers
# are those in cpp/third_party/eigen (cpp/third_party/vendor.py fills it).
# $OUT receives logs and the table (default: build/cuda-run/out). $QUICK=1: fewer sizes.
# $EXTRA_SITE: a folder of further Python packages.
set -uo pipefail
cd "$(dirname "$0")/../.."

python=${PYTHON:-python3}
build=$PWD/build/cuda-run
out=${OUT:-$build/out}
stages=" ${*:-build bench tests sanitize} "
mkdir -p "$build" "$out"
export PYTHONPATH=$build/site${EXTRA_SITE:+:$EXTRA_SITE} PYTHONUNBUFFERED=1
rm -f "$out"/*.failed
started=$SECONDS

say() { printf '== %s (%d s)\n' "$*" "$((SECONDS - started))"; }

# Runs a command into a log; if it fails, says so with the end of the log.
logged() { # name command...
    local name=$1
    shift
    "$@" >"$out/$name.log" 2>&1 && return
    touch "$out/$name.failed"
    printf -- '-- %s failed, the end of its log:\n' "$name"
    tail -n 60 "$out/$name.log"
    return 1
}

build_all() {
    local capability
    capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n1)
    cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$build/site" \
        -DPython_EXECUTABLE="$(command -v "$python")" -DFASTNOTES_CUDA=ON \
        -DFASTNOTES_CUDA_ARCHITECTURES="${capability/./}" &&
        cmake --build "$build" -j "$(nproc)" && cmake --install "$build"
}

stage_build() {
    say "build"
    logged build build_all || exit 1
    cuobjdump --dump-resource-usage "$build"/_core_cuda*.so 2>/dev/null | c++filt |
        sed -n 's/^ *Function *//p; s/^ *\(REG.*\)$/\1/p' | paste - - >"$out/resources.txt"
    "$python" -m fastnotes info
}

stage_bench() {
    say "benchmarks"
    local options=(--output "$out/cuda.json" --table "$out/table.md")
    logged bench timeout 150 "$python" benchmarks/cuda/run.py ${QUICK:+--quick} "${options[@]}"
}

pytest_cuda() { # log pytest-arguments...
    local name=$1
    shift
    logged "$name" timeout 200 "$python" -m pytest -q --tb=short -p no:cacheprovider "$@"
    printf '%s: %s\n' "$name" "$(tail -n 1 "$out/$name.log")"
}

# What fills the memory of the device runs alone.
stage_tests() {
    local jobs=()
    "$python" -c 'import xdist' 2>/dev/null && jobs=(-n 12 -p no:benchmark)
    pytest_cuda memory -k memory tests/cuda
    pytest_cuda tests "${jobs[@]}" -k "not memory" tests/cuda tests/core/test_device.py
}

# Host arrays alone, so that the tool watches our kernels and not a framework's.
stage_sanitize() { # tool
    export FASTNOTES_HYPOTHESIS=quick
    logged "$1" timeout 200 compute-sanitizer --tool "$1" --error-exitcode 9 \
        --target-processes all --kernel-regex kns=fastnotes "$python" -m pytest -q -x \
        -p no:cacheprovider tests/cuda -k "numpy and not memory and not flush and not many"
    printf '%s: %s %s\n' "$1" "$(grep -E ' passed' "$out/$1.log" | tail -n 1)" \
        "$(grep -E 'SUMMARY' "$out/$1.log" | tail -n 1)"
}

has() { [[ $stages == *" $1 "* ]]; }

has build && stage_build
has bench && stage_bench
if has tests || has sanitize; then
    say "tests and sanitizers"
    has tests && stage_tests
    if has sanitize; then
        stage_sanitize memcheck &
        stage_sanitize racecheck
        wait
    fi
fi
has bench && cat "$out/table.md"
say "done"
! ls "$out"/*.failed 2>/dev/null
