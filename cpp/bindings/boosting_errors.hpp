/// What the bindings of boosting refuse, on the CPU and on CUDA devices.
#pragma once

#include "bindings/arrays.hpp"
#include "boosting/histogram.hpp"

#include <string>

namespace fastnotes {

inline void check_bins(index_t n_bins, const char* where) {
    if (n_bins < 2 || n_bins > boosting::code_slots) {
        fail(where, "n_bins from 2 to 256", std::to_string(n_bins));
    }
}

/// Says what is wrong; called with a status that is not ok.
[[noreturn]] inline void fail_histogram(boosting::HistogramStatus status,
                                        const char* where, index_t n_rows,
                                        std::int64_t bad_row, index_t n_bins) {
    using boosting::HistogramStatus;
    if (status == HistogramStatus::gradient_not_finite) {
        fail(where, "grad finite", "NaN or infinity");
    }
    if (status == HistogramStatus::hessian_not_finite) {
        fail(where, "hess finite", "NaN or infinity");
    }
    if (status == HistogramStatus::row_out_of_range) {
        fail(where, "rows from 0 to n_rows - 1, n_rows = " + std::to_string(n_rows),
             std::to_string(bad_row));
    }
    if (status == HistogramStatus::row_repeated) {
        fail(where, "distinct rows", "a row that occurs twice");
    }
    fail(where, "bin codes below n_bins = " + std::to_string(n_bins), "a larger code");
}

} // namespace fastnotes
