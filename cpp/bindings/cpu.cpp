/// Baseline module: which levels were built, and what this CPU lacks for each.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace py = pybind11;

namespace {

struct Level {
    const char* name;
    const char* macros; // predefined macros of the level's flags, separated by blanks
};

constexpr Level built_levels[] = {
#include "built_levels.inc"
};

#if defined(__x86_64__)

enum Register { eax, ebx, ecx, edx };

/// A feature: the macro a compiler defines for it, and its CPUID bit.
struct Feature {
    const char* macro;
    unsigned leaf, subleaf;
    Register reg;
    int bit;
    unsigned os_state; // XCR0 bits that the operating system must have enabled
};

constexpr unsigned ymm_state = 0x6, zmm_state = 0xe6, tile_state = 0x60000;
constexpr unsigned extended = 0x80000001;

constexpr Feature features[] = {
    {"__SSE3__", 1, 0, ecx, 0, 0},
    {"__SSSE3__", 1, 0, ecx, 9, 0},
    {"__SSE4_1__", 1, 0, ecx, 19, 0},
    {"__SSE4_2__", 1, 0, ecx, 20, 0},
    {"__POPCNT__", 1, 0, ecx, 23, 0},
    {"__PCLMUL__", 1, 0, ecx, 1, 0},
    {"__AES__", 1, 0, ecx, 25, 0},
    {"__MOVBE__", 1, 0, ecx, 22, 0},
    {"__RDRND__", 1, 0, ecx, 30, 0},
    {"__FMA__", 1, 0, ecx, 12, ymm_state},
    {"__F16C__", 1, 0, ecx, 29, ymm_state},
    {"__AVX__", 1, 0, ecx, 28, ymm_state},
    {"__AVX2__", 7, 0, ebx, 5, ymm_state},
    {"__BMI__", 7, 0, ebx, 3, 0},
    {"__BMI2__", 7, 0, ebx, 8, 0},
    {"__ADX__", 7, 0, ebx, 19, 0},
    {"__SHA__", 7, 0, ebx, 29, 0},
    {"__RDSEED__", 7, 0, ebx, 18, 0},
    {"__GFNI__", 7, 0, ecx, 8, 0},
    {"__VAES__", 7, 0, ecx, 9, ymm_state},
    {"__VPCLMULQDQ__", 7, 0, ecx, 10, ymm_state},
    {"__AVX512F__", 7, 0, ebx, 16, zmm_state},
    {"__AVX512DQ__", 7, 0, ebx, 17, zmm_state},
    {"__AVX512IFMA__", 7, 0, ebx, 21, zmm_state},
    {"__AVX512CD__", 7, 0, ebx, 28, zmm_state},
    {"__AVX512BW__", 7, 0, ebx, 30, zmm_state},
    {"__AVX512VL__", 7, 0, ebx, 31, zmm_state},
    {"__AVX512VBMI__", 7, 0, ecx, 1, zmm_state},
    {"__AVX512VBMI2__", 7, 0, ecx, 6, zmm_state},
    {"__AVX512VNNI__", 7, 0, ecx, 11, zmm_state},
    {"__AVX512BITALG__", 7, 0, ecx, 12, zmm_state},
    {"__AVX512VPOPCNTDQ__", 7, 0, ecx, 14, zmm_state},
    {"__AVX512FP16__", 7, 0, edx, 23, zmm_state},
    {"__AVX512VP2INTERSECT__", 7, 0, edx, 8, zmm_state},
    {"__AVX512BF16__", 7, 1, eax, 5, zmm_state},
    {"__AVXVNNI__", 7, 1, eax, 4, ymm_state},
    {"__AMX_TILE__", 7, 0, edx, 24, tile_state},
    {"__AMX_INT8__", 7, 0, edx, 25, tile_state},
    {"__AMX_BF16__", 7, 0, edx, 22, tile_state},
    {"__LZCNT__", extended, 0, ecx, 5, 0},
    {"__SSE4A__", extended, 0, ecx, 6, 0},
    {"__PRFCHW__", extended, 0, ecx, 8, 0},
};

unsigned os_enabled_state() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    constexpr unsigned osxsave = 1u << 27;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & osxsave)) return 0;
    unsigned low = 0, high = 0;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

bool has(const Feature& feature) {
    unsigned regs[4] = {0, 0, 0, 0};
    if (!__get_cpuid_count(feature.leaf, feature.subleaf, &regs[0], &regs[1], &regs[2],
                           &regs[3])) {
        return false;
    }
    const bool in_cpu = (regs[feature.reg] >> feature.bit) & 1u;
    return in_cpu && (os_enabled_state() & feature.os_state) == feature.os_state;
}

std::vector<std::string> missing_features(const char* macros) {
    std::vector<std::string> missing;
    std::istringstream words(macros);
    for (std::string word; words >> word;) {
        for (const auto& feature : features) {
            if (word == feature.macro && !has(feature)) {
                missing.push_back(word.substr(2, word.size() - 4));
            }
        }
    }
    return missing;
}

#else

std::vector<std::string> missing_features(const char*) { return {}; }

#endif

} // namespace

PYBIND11_MODULE(_cpu, m, py::mod_gil_not_used()) {
    m.doc() = "Built levels and what the running CPU lacks for each.";
    m.def("built_levels", [] {
        py::dict levels;
        for (const auto& level : built_levels) {
            levels[level.name] = missing_features(level.macros);
        }
        return levels;
    });
}
