#include "bindings/arrays.hpp"
#include "bindings/boosting_errors.hpp"
#include "bindings/boosting_sample.hpp"
#include "bindings/rooms.hpp"

#include "boosting/sparse_binning.hpp"
#include "common/aligned.hpp"

#include <algorithm>

namespace fastnotes {
namespace {

using namespace pybind11::literals;
using std::int32_t;
using std::int64_t;
using std::uint8_t;

index_t most_entries(View1<const int64_t> offsets) {
    index_t most = 0;
    for (index_t c = 0; c + 1 < offsets.size; ++c) {
        most = std::max<index_t>(most, offsets(c + 1) - offsets(c));
    }
    return most;
}

template <class T>
boosting::SparseColumns<T> as_columns(index_t n_rows, const py::array& offsets,
                                      const py::array& rows, const py::array& values,
                                      int n_threads, const char* where) {
    const boosting::SparseColumns<T> X{
        n_rows, as_view<const int64_t, 1>(offsets, where, "offsets"),
        as_view<const int32_t, 1>(rows, where, "rows"),
        as_view<const T, 1>(values, where, "values")};
    check_extent(X.values.size, X.rows.size, where, "values of size");
    if (X.offsets.size < 1 || !boosting::is_valid(X, n_threads)) {
        fail(where, "columns of ascending offsets and ascending rows below n_rows",
             "others");
    }
    return X;
}

template <class T>
py::tuple fit_sparse_of(index_t n_rows, const py::array& offsets, const py::array& rows,
                        const py::array& values, bool absent_is_zero,
                        View1<const double> weights, int max_bin, index_t subsample,
                        std::uint64_t seed, int n_threads, const char* where) {
    const auto X = as_columns<T>(n_rows, offsets, rows, values, n_threads, where);
    const bool weighted = weights.data != nullptr;
    if (weighted) check_extent(weights.size, n_rows, where, "sample_weight of size");
    auto capacity = empty<int64_t>(X.offsets.size);
    const View1<int64_t> places{capacity.mutable_data(), X.offsets.size};
    boosting::sparse_threshold_capacity(X.offsets, max_bin, places);
    auto thresholds = empty<T>(places(X.n_columns()));
    auto counts = empty<int64_t>(X.n_columns());
    const SampleBuffers sample(n_rows, subsample, weighted);
    const bool sampled = sample.views().rows.data != nullptr;
    const AlignedBuffer<int64_t> mass(sampled ? n_rows : 0);
    const AlignedBuffer<unsigned char> scratch(
        boosting::sparse_thresholds_scratch<T>(most_entries(X.offsets), n_threads));
    T* const cuts = thresholds.mutable_data();
    const View1<int64_t> sizes{counts.mutable_data(), X.n_columns()};
    {
        const py::gil_scoped_release nogil;
        boosting::fit_sparse_thresholds<T>(
            X, absent_is_zero, max_bin, weights, seed, places, cuts, sizes,
            sample.views(), {mass.data(), mass.size()}, scratch.data(), n_threads);
    }
    return py::make_tuple(thresholds, capacity, counts);
}

py::tuple fit_sparse_thresholds(index_t n_rows, const py::array& offsets,
                                const py::array& rows, const py::array& values,
                                bool absent_is_zero, const py::object& sample_weight,
                                int max_bin, index_t subsample, std::uint64_t seed,
                                int n_threads) {
    const char* const where = "boosting.bin_sparse";
    check_threads(n_threads, where);
    check_sampling(max_bin, subsample, where);
    const auto weights = as_weights(sample_weight, where);
    return dispatch_real(values, where, "values", [&](auto real) {
        return fit_sparse_of<decltype(real)>(n_rows, offsets, rows, values,
                                             absent_is_zero, weights, max_bin,
                                             subsample, seed, n_threads, where);
    });
}

/// Offsets that ascend from 0 to `total` by at most `most` a step.
View1<const int64_t> as_offsets(const py::array& array, index_t total, index_t most,
                                const char* where, const char* name) {
    const auto offsets = as_view<const int64_t, 1>(array, where, name);
    bool good =
        offsets.size >= 1 && offsets(0) == 0 && offsets(offsets.size - 1) == total;
    for (index_t c = 0; good && c + 1 < offsets.size; ++c) {
        const index_t step = offsets(c + 1) - offsets(c);
        good = step >= 0 && step <= most && offsets(c + 1) <= total;
    }
    if (!good) {
        fail(where, std::string(name) + " ascending from 0 to " + std::to_string(total),
             "others");
    }
    return offsets;
}

template <class T>
py::tuple assign_sparse_of(const py::array& offsets, const py::array& values,
                           const py::array& thresholds, const py::array& cut_offsets,
                           index_t n_bins, int n_threads, const char* where) {
    const auto entries = as_view<const T, 1>(values, where, "values");
    const auto cuts = as_view<const T, 1>(thresholds, where, "thresholds");
    const auto columns =
        as_offsets(offsets, entries.size, entries.size, where, "offsets");
    const auto places =
        as_offsets(cut_offsets, cuts.size, n_bins - 2, where, "cut_offsets");
    check_extent(places.size, columns.size, where, "cut_offsets of size");
    auto bins = empty<uint8_t>(entries.size);
    auto zero_bins = empty<uint8_t>(columns.size - 1);
    uint8_t* const codes = bins.mutable_data();
    uint8_t* const zeros = zero_bins.mutable_data();
    {
        const py::gil_scoped_release nogil;
        boosting::assign_sparse_bins<T>(entries, columns, cuts.data, places,
                                        static_cast<uint8_t>(n_bins - 1), codes, zeros,
                                        n_threads);
    }
    return py::make_tuple(bins, zero_bins);
}

py::tuple assign_sparse_bins(const py::array& offsets, const py::array& values,
                             const py::array& thresholds, const py::array& cut_offsets,
                             index_t n_bins, int n_threads) {
    const char* const where = "boosting.bin_sparse";
    check_threads(n_threads, where);
    check_bins(n_bins, where);
    return dispatch_real(values, where, "values", [&](auto real) {
        return assign_sparse_of<decltype(real)>(offsets, values, thresholds,
                                                cut_offsets, n_bins, n_threads, where);
    });
}

} // namespace

void register_boosting_sparse(py::module_& room) {
    room.def("fit_sparse_thresholds", &fit_sparse_thresholds, "n_rows"_a, "offsets"_a,
             "rows"_a, "values"_a, "absent_is_zero"_a, "sample_weight"_a, "max_bin"_a,
             "subsample"_a, "seed"_a, "n_threads"_a);
    room.def("assign_sparse_bins", &assign_sparse_bins, "offsets"_a, "values"_a,
             "thresholds"_a, "cut_offsets"_a, "n_bins"_a, "n_threads"_a);
}

} // namespace fastnotes
