#include "bindings/arrays.hpp"
#include "bindings/boosting_errors.hpp"
#include "bindings/boosting_sample.hpp"
#include "bindings/rooms.hpp"

#include "boosting/binning.hpp"
#include "boosting/histogram.hpp"
#include "boosting/splitting.hpp"
#include "boosting/thresholds.hpp"
#include "common/aligned.hpp"

#include <algorithm>

namespace fastnotes {
namespace {

using namespace pybind11::literals;
using std::int64_t;
using std::uint8_t;

template <class T>
py::tuple fit_thresholds_of(const py::array& X, View1<const double> weights,
                            int max_bin, index_t subsample, std::uint64_t seed,
                            int n_threads, const char* where) {
    const auto values = as_view<const T, 2>(X, where, "X");
    const bool weighted = weights.data != nullptr;
    if (weighted)
        check_extent(weights.size, values.rows, where, "sample_weight of size");
    auto thresholds = empty<T>(values.columns, max_bin - 1);
    auto counts = empty<int64_t>(values.columns);
    const SampleBuffers sample(values.rows, subsample, weighted);
    const AlignedBuffer<unsigned char> scratch(boosting::thresholds_scratch<T>(
        std::min(values.rows, subsample), values.columns, weighted, n_threads));
    const View2<T> cuts{thresholds.mutable_data(), values.columns, max_bin - 1};
    const View1<int64_t> sizes{counts.mutable_data(), values.columns};
    {
        const py::gil_scoped_release nogil;
        boosting::fit_thresholds<T>(values, weights, seed, cuts, sizes, sample.views(),
                                    scratch.data(), n_threads);
    }
    return py::make_tuple(thresholds, counts);
}

py::tuple fit_thresholds(const py::array& X, const py::object& sample_weight,
                         int max_bin, index_t subsample, std::uint64_t seed,
                         int n_threads) {
    const char* const where = "boosting.BinMapper.fit";
    check_threads(n_threads, where);
    check_sampling(max_bin, subsample, where);
    const auto weights = as_weights(sample_weight, where);
    return dispatch_real(X, where, "X", [&](auto real) {
        return fit_thresholds_of<decltype(real)>(X, weights, max_bin, subsample, seed,
                                                 n_threads, where);
    });
}

template <class T>
py::array_t<uint8_t> assign_bins_of(const py::array& X, const py::array& thresholds,
                                    index_t n_bins, int n_threads, const char* where) {
    const auto values = as_view<const T, 2>(X, where, "X");
    const auto cuts = as_view<const T, 2>(thresholds, where, "thresholds");
    check_extent(cuts.rows, values.columns, where, "rows of thresholds");
    if (cuts.columns > n_bins - 2) {
        fail(where, "at most n_bins - 2 thresholds", std::to_string(cuts.columns));
    }
    auto bins = empty<uint8_t>(values.rows, values.columns);
    const View2<uint8_t> codes{bins.mutable_data(), values.rows, values.columns};
    const AlignedBuffer<T> lookup(values.columns * boosting::lookup_size);
    {
        const py::gil_scoped_release nogil;
        boosting::assign_bins<T>(values, cuts, static_cast<uint8_t>(n_bins - 1), codes,
                                 lookup.data(), n_threads);
    }
    return bins;
}

py::array_t<uint8_t> assign_bins(const py::array& X, const py::array& thresholds,
                                 index_t n_bins, int n_threads) {
    const char* const where = "boosting.BinMapper.transform";
    check_threads(n_threads, where);
    check_bins(n_bins, where);
    return dispatch_real(X, where, "X", [&](auto real) {
        return assign_bins_of<decltype(real)>(X, thresholds, n_bins, n_threads, where);
    });
}

template <class T>
py::array_t<double> build_histogram_of(View2<const uint8_t> codes,
                                       const py::array& grad, const py::array& hess,
                                       View1<const int64_t> rows, index_t n_bins,
                                       int n_threads, const char* where) {
    const auto g = as_view<const T, 1>(grad, where, "grad");
    const auto h = as_view<const T, 1>(hess, where, "hess");
    check_extent(g.size, codes.rows, where, "grad of size n_rows");
    check_extent(h.size, codes.rows, where, "hess of size n_rows");
    const index_t n_listed = rows.data == nullptr ? -1 : rows.size;
    const auto plan =
        boosting::plan_histogram(codes.rows, n_listed, codes.columns, n_threads);
    const auto size =
        boosting::histogram_scratch(plan, codes.rows, codes.columns, n_bins);
    const AlignedBuffer<int64_t> packed(size.packed);
    const AlignedBuffer<double> partial(size.partial);
    const AlignedBuffer<T> gathered(size.gathered);
    const AlignedBuffer<std::uint64_t> seen(rows.data == nullptr ? 0 : size.seen);
    auto out = empty<double>(codes.columns, n_bins, 2);
    const View3<double> sums{out.mutable_data(), codes.columns, n_bins, 2};
    auto status = boosting::HistogramStatus::ok;
    {
        const py::gil_scoped_release nogil;
        status = boosting::build_histogram<T>(
            codes, g, h, rows, sums, plan,
            {packed.data(), partial.data(), gathered.data(), seen.data()});
    }
    if (status != boosting::HistogramStatus::ok) {
        const auto* const bad =
            std::find_if(rows.begin(), rows.end(),
                         [&](int64_t row) { return row < 0 || row >= codes.rows; });
        fail_histogram(status, where, codes.rows, bad == rows.end() ? 0 : *bad, n_bins);
    }
    return out;
}

py::array_t<double> build_histogram(const py::array& bins, const py::array& grad,
                                    const py::array& hess, const py::object& rows,
                                    index_t n_bins, int n_threads) {
    const char* const where = "boosting.build_histogram";
    check_threads(n_threads, where);
    check_bins(n_bins, where);
    const auto codes = as_view<const uint8_t, 2>(bins, where, "bins");
    View1<const int64_t> used;
    if (!rows.is_none()) {
        used = as_view<const int64_t, 1>(rows, where, "rows");
        static constexpr int64_t nothing = 0;
        if (used.data == nullptr) used.data = &nothing;
    }
    return dispatch_real(grad, where, "grad", [&](auto real) {
        return build_histogram_of<decltype(real)>(codes, grad, hess, used, n_bins,
                                                  n_threads, where);
    });
}

py::object find_best_split(const py::array& histogram, double reg_lambda, double gamma,
                           double min_child_weight, double reg_alpha, int n_threads) {
    const char* const where = "boosting.find_best_split";
    check_threads(n_threads, where);
    const auto sums = as_view<const double, 3>(histogram, where, "histogram");
    check_bins(sums.rows, where);
    check_extent(sums.columns, 2, where, "last extent of histogram");
    const AlignedBuffer<boosting::Split> of_column(sums.planes);
    boosting::Split best{};
    auto status = boosting::SplitStatus::ok;
    {
        const py::gil_scoped_release nogil;
        status = boosting::find_best_split(
            sums, {reg_lambda, reg_alpha, gamma, min_child_weight}, best,
            of_column.data(), n_threads);
    }
    if (status == boosting::SplitStatus::not_finite) {
        fail(where, "histogram finite", "NaN or infinity");
    }
    if (best.feature < 0) return py::none();
    return py::make_tuple(best.feature, best.bin, best.gain, best.default_left,
                          best.G_left, best.H_left, best.G_right, best.H_right);
}

} // namespace

void register_boosting(py::module_& m) {
    auto room = m.def_submodule("boosting", "Kernels of boosted trees.");
    room.def("fit_thresholds", &fit_thresholds, "X"_a, "sample_weight"_a, "max_bin"_a,
             "subsample"_a, "seed"_a, "n_threads"_a);
    room.def("assign_bins", &assign_bins, "X"_a, "thresholds"_a, "n_bins"_a,
             "n_threads"_a);
    room.def("build_histogram", &build_histogram, "bins"_a, "grad"_a, "hess"_a,
             "rows"_a, "n_bins"_a, "n_threads"_a);
    room.def("find_best_split", &find_best_split, "histogram"_a, "reg_lambda"_a,
             "gamma"_a, "min_child_weight"_a, "reg_alpha"_a, "n_threads"_a);
    register_boosting_growth(room);
    register_boosting_objectives(room);
    register_boosting_prediction(room);
    register_boosting_ranking(room);
    register_boosting_sampling(room);
    register_boosting_shap(room);
    register_boosting_sparse(room);
    register_boosting_sparse_growth(room);
}

} // namespace fastnotes
