#!/usr/bin/env bash
# Everything that needs a GPU, on a machine that may have no package index: builds the
# extensions with what is there, runs tests/cuda, compute-sanitizer on them, and the
# benchmarks against the libraries that are installed; prints one table last.
#
#   benchmarks/cuda/run.sh [STAGE ...]    some of: build tests sanitize bench
#
# Needs: CMake, nvcc, a C++17 compiler, and for `python3` (or $PYTHON) pybind11, NumPy,
# SciPy, scikit-learn, pytest, hypothesis; torch for the benchmarks. The Eigen headers
# are those in cpp/third_party/eigen (cpp/third_party/vendor.py fills it).
# $OUT receives logs and the table (default: build/cuda-run/out). $QUICK=1: fewer sizes.
set -uo pipefail
cd "$(dirname "$0")/../.."

python=${PYTHON:-python3}
build=$PWD/build/cuda-run
out=${OUT:-$build/out}
stages=${*:-build tests sanitize bench}
mkdir -p "$build" "$out"
export PYTHONPATH=$build/site PYTHONUNBUFFERED=1
started=$SECONDS
failed=""

say() { printf '== %s (%d s)\n' "$*" "$((SECONDS - started))"; }

finish() { # name status log: the end of a log if it failed
    if [ "$2" -ne 0 ]; then
        failed="$failed $1"
        printf -- '-- %s failed, the end of its log:\n' "$1"
        tail -n 60 "$3"
    fi
}

stage_build() {
    say "build"
    local capability
    capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n1)
    {
        cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$build/site" \
            -DPython_EXECUTABLE="$(command -v "$python")" -DFASTNOTES_CUDA=ON \
            -DFASTNOTES_CUDA_ARCHITECTURES="${capability/./}" &&
            cmake --build "$build" -j "$(nproc)" && cmake --install "$build"
    } >"$out/build.log" 2>&1
    local status=$?
    finish build $status "$out/build.log"
    [ $status -eq 0 ] || exit 1
    for object in $(find "$build" -name '_core_cuda*.so' -not -path '*/site/*'); do
        cuobjdump --dump-resource-usage "$object" 2>/dev/null | c++filt |
            sed -n 's/^ *Function *//p; s/^ *\(REG.*\)$/\1/p' | paste - - >"$out/resources.txt"
    done
    "$python" -m fastnotes info
}

stage_tests() {
    local jobs=()
    "$python" -c 'import xdist' 2>/dev/null && jobs=(-n 6 -p no:benchmark)
    timeout 150 "$python" -m pytest -q --tb=short -p no:cacheprovider "${jobs[@]}" tests/cuda tests/core/test_device.py \
        >"$out/tests.log" 2>&1
    local status=$?
    tail -n 1 "$out/tests.log"
    finish tests $status "$out/tests.log"
}

# Host arrays alone, so that the tool watches our kernels and not a framework's.
sanitize() { # tool log
    FASTNOTES_HYPOTHESIS=quick timeout 170 compute-sanitizer --tool "$1" --error-exitcode 9 \
        --target-processes all --kernel-regex kns=fastnotes \
        "$python" -m pytest -q -x -p no:cacheprovider tests/cuda -k "numpy and not memory" \
        >"$2" 2>&1
}

stage_sanitize() {
    local tool
    for tool in memcheck racecheck; do
        sanitize $tool "$out/$tool.log"
        local status=$?
        printf '%s: ' $tool
        grep -E 'ERROR SUMMARY|RACECHECK SUMMARY' "$out/$tool.log" | tail -n 1
        grep -E '[0-9]+ passed' "$out/$tool.log" | tail -n 1
        finish $tool $status "$out/$tool.log"
    done
}

stage_bench() {
    say "benchmarks"
    timeout 150 "$python" benchmarks/cuda/run.py ${QUICK:+--quick} --output "$out/cuda.json" \
        2>"$out/bench.log" | tee "$out/table.md"
    finish bench "${PIPESTATUS[0]}" "$out/bench.log"
}

case " $stages " in *" build "*) stage_build ;; esac
say "tests and sanitizers, side by side"
case " $stages " in *" sanitize "*) stage_sanitize >"$out/sanitize.txt" & ;; esac
case " $stages " in *" tests "*) stage_tests ;; esac
wait
[ -f "$out/sanitize.txt" ] && cat "$out/sanitize.txt"
case " $stages " in *" bench "*) stage_bench ;; esac
say "done${failed:+, FAILED:$failed}"
[ -z "$failed" ] && ! grep -q ' failed, the end' "$out/sanitize.txt" 2>/dev/null
