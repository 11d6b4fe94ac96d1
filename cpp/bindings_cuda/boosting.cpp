#include "bindings/boosting_errors.hpp"
#include "bindings_cuda/arrays.hpp"
#include "bindings_cuda/rooms.hpp"

#include "boosting/histogram.hpp"
#include "boosting/splitting.hpp"

namespace fastnotes::cuda {
namespace {

using namespace pybind11::literals;
using std::int64_t;
using std::uint8_t;

template <class T, class Row>
void build_histogram_of(const DeviceArray& bins, const DeviceArray& grad,
                        const DeviceArray& hess, const DeviceArray* rows,
                        const DeviceArray& out, Stream stream, const char* where) {
    const auto codes = as_view<const uint8_t, 2>(bins, where, "bins");
    const auto g = as_view<const T, 1>(grad, where, "grad");
    const auto h = as_view<const T, 1>(hess, where, "hess");
    const auto sums = as_view<double, 3>(out, where, "out");
    check_extent(g.size, codes.rows, where, "grad of size n_rows");
    check_extent(h.size, codes.rows, where, "hess of size n_rows");
    check_extent(sums.planes, codes.columns, where, "out with n_columns");
    check_bins(sums.rows, where);
    check_extent(sums.columns, 2, where, "last extent of out");
    View1<const Row> used;
    if (rows != nullptr) {
        used = as_view<const Row, 1>(*rows, where, "rows");
        static constexpr Row nothing = 0;
        if (used.size == 0) used.data = &nothing; // null data would be every row
    }
    const Scratch scratch(boosting::cuda::histogram_scratch(codes.rows, codes.columns,
                                                            sums.rows, rows != nullptr),
                          stream, where);
    boosting::cuda::HistogramOutcome outcome{};
    run_kernel(where, [&] {
        return boosting::cuda::build_histogram<T, Row>(
            codes, g, h, used, sums, scratch.data<void>(), outcome, stream);
    });
    if (outcome.status != boosting::HistogramStatus::ok) {
        fail_histogram(outcome.status, where, codes.rows, outcome.bad_row, sums.rows);
    }
}

void build_histogram(const DeviceArray& bins, const DeviceArray& grad,
                     const DeviceArray& hess, const DeviceArray* rows,
                     const DeviceArray& out, std::uintptr_t stream) {
    const char* const where = "boosting.build_histogram";
    const DeviceGuard guard(out.device, where);
    dispatch_real(grad, where, "grad", [&](auto real) {
        using T = decltype(real);
        const bool narrow = rows != nullptr && rows->dtype == "int32";
        const auto run = narrow ? &build_histogram_of<T, std::int32_t>
                                : &build_histogram_of<T, int64_t>;
        run(bins, grad, hess, rows, out, as_stream(stream), where);
    });
}

template <class T>
py::object find_best_split_of(const DeviceArray& histogram,
                              const boosting::SplitRules& rules, Stream stream,
                              const char* where) {
    const auto sums = as_view<const T, 3>(histogram, where, "histogram");
    check_bins(sums.rows, where);
    check_extent(sums.columns, 2, where, "last extent of histogram");
    const Scratch scratch(boosting::cuda::split_scratch(sums.planes), stream, where);
    const Answer answer(where);
    boosting::Split best{};
    auto found = boosting::SplitStatus::ok;
    run_kernel(where, [&] {
        return boosting::cuda::find_best_split<T>(sums, rules, scratch.data<void>(),
                                                  answer.data<boosting::Split>(), best,
                                                  found, stream);
    });
    if (found == boosting::SplitStatus::not_finite) {
        fail(where, "histogram finite", "NaN or infinity");
    }
    if (best.feature < 0) return py::none();
    return py::make_tuple(best.feature, best.bin, best.gain, best.default_left,
                          best.G_left, best.H_left, best.G_right, best.H_right);
}

py::object find_best_split(const DeviceArray& histogram, double reg_lambda,
                           double gamma, double min_child_weight, double reg_alpha,
                           std::uintptr_t stream) {
    const char* const where = "boosting.find_best_split";
    const DeviceGuard guard(histogram.device, where);
    const boosting::SplitRules rules{reg_lambda, reg_alpha, gamma, min_child_weight};
    return dispatch_real(histogram, where, "histogram", [&](auto real) {
        return find_best_split_of<decltype(real)>(histogram, rules, as_stream(stream),
                                                  where);
    });
}

} // namespace

void register_boosting(py::module_& m) {
    auto room = m.def_submodule("boosting", "Kernels of boosted trees.");
    room.def("build_histogram", &build_histogram, "bins"_a, "grad"_a, "hess"_a,
             "rows"_a.none(true), "out"_a, "stream"_a);
    room.def("find_best_split", &find_best_split, "histogram"_a, "reg_lambda"_a,
             "gamma"_a, "min_child_weight"_a, "reg_alpha"_a, "stream"_a);
}

} // namespace fastnotes::cuda
