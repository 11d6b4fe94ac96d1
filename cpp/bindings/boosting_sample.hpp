/// Arguments and scratch of the kernels that fit thresholds.
#pragma once

#include "bindings/arrays.hpp"
#include "boosting/thresholds.hpp"
#include "common/aligned.hpp"

#include <algorithm>
#include <string>

namespace fastnotes {

inline void check_sampling(int max_bin, index_t subsample, const char* where) {
    if (max_bin < 2 || max_bin > boosting::most_bins) {
        fail(where, "max_bin from 2 to 255", std::to_string(max_bin));
    }
    if (subsample < 1) fail(where, "subsample >= 1", std::to_string(subsample));
}

/// Weights as float64; None gives null data.
inline View1<const double> as_weights(const py::object& sample_weight,
                                      const char* where) {
    if (sample_weight.is_none()) return {};
    return as_view<const double, 1>(sample_weight, where, "sample_weight");
}

/// The rows that thresholds are fitted on.
class SampleBuffers {
  public:
    SampleBuffers(index_t n_rows, index_t subsample, bool weighted)
        : rows_(weighted || n_rows > subsample ? std::min(n_rows, subsample) : 0),
          masses_(weighted ? rows_.size() : 0), subsample_(subsample) {}

    boosting::RowsScratch views() const {
        return {
            {rows_.data(), rows_.size()}, {masses_.data(), masses_.size()}, subsample_};
    }

  private:
    AlignedBuffer<std::int64_t> rows_;
    AlignedBuffer<std::int64_t> masses_;
    index_t subsample_;
};

} // namespace fastnotes
