/// Room boosting: learning to rank.
#include "bindings/arrays.hpp"
#include "bindings/rooms.hpp"
#include "bindings/workspace.hpp"

#include "boosting/ranking.hpp"

#include <algorithm>
#include <string>

namespace fastnotes {
namespace {

using namespace pybind11::literals;
using std::int64_t;

boosting::Lists as_lists(const py::array& gains, const py::array& offsets,
                         const char* where) {
    const auto g = as_view<const double, 1>(gains, where, "gains");
    const auto o = as_view<const int64_t, 1>(offsets, where, "offsets");
    if (o.size < 1 || o(0) != 0 || o(o.size - 1) != g.size) {
        fail(where, "offsets from 0 to n_rows = " + std::to_string(g.size), "others");
    }
    index_t longest = 0;
    for (index_t i = 0; i + 1 < o.size; ++i) {
        if (o(i + 1) < o(i)) fail(where, "offsets ascending", "others");
        longest = std::max<index_t>(longest, o(i + 1) - o(i));
    }
    return {g, o, longest};
}

View1<const double> as_discounts(const py::array& discounts,
                                 const boosting::Lists& lists, const char* where) {
    const auto d = as_view<const double, 1>(discounts, where, "discounts");
    if (d.size < lists.longest) {
        fail(where, "a discount for every rank", std::to_string(d.size) + " of them");
    }
    return d;
}

void check_truncation(index_t truncation, const char* where) {
    if (truncation < 1) fail(where, "truncation >= 1", std::to_string(truncation));
}

index_t lambdarank_gradients(const py::array& gains, const py::array& offsets,
                             const py::array& inverse_ideal, const py::array& discounts,
                             const py::object& weight, const py::array& margins,
                             const py::array& grad, const py::array& hess,
                             index_t truncation, bool ndcg, bool normalize_scores,
                             bool normalize_lists, int n_threads) {
    const char* const where = "boosting.Objective.gradients";
    check_threads(n_threads, where);
    check_truncation(truncation, where);
    const auto lists = as_lists(gains, offsets, where);
    const index_t n = lists.gains.size;
    const auto ideal = as_view<const double, 1>(inverse_ideal, where, "inverse_ideal");
    check_extent(ideal.size, lists.offsets.size - 1, where, "lists of inverse_ideal");
    const auto d = as_discounts(discounts, lists, where);
    View1<const float> w;
    if (!weight.is_none()) {
        w = as_view<const float, 1>(weight, where, "weight");
        check_extent(w.size, n, where, "weight of size n_rows");
    }
    const auto m = as_view<const double, 1>(margins, where, "margins");
    const auto g = as_view<float, 1>(grad, where, "grad");
    const auto h = as_view<float, 1>(hess, where, "hess");
    check_extent(m.size, n, where, "margins of size n_rows");
    check_extent(g.size, n, where, "grad of size n_rows");
    check_extent(h.size, n, where, "hess of size n_rows");
    const Workspace<double> scratch(
        boosting::ranking_scratch(lists.longest, n_threads));
    const py::gil_scoped_release nogil;
    return boosting::lambdarank_gradients(
        lists, {truncation, ndcg, normalize_scores, normalize_lists}, ideal, d, w, m, g,
        h, scratch.data(), n_threads);
}

py::array_t<double> discounted_gain(const py::array& gains, const py::array& offsets,
                                    const py::array& discounts, const py::array& scores,
                                    index_t truncation, int n_threads) {
    const char* const where = "boosting.Metric";
    check_threads(n_threads, where);
    check_truncation(truncation, where);
    const auto lists = as_lists(gains, offsets, where);
    const auto d = as_discounts(discounts, lists, where);
    const auto s = as_view<const double, 1>(scores, where, "scores");
    check_extent(s.size, lists.gains.size, where, "scores of size n_rows");
    auto out = empty<double>(lists.offsets.size - 1);
    const View1<double> sums{out.mutable_data(), lists.offsets.size - 1};
    const Workspace<double> scratch(
        boosting::ranking_scratch(lists.longest, n_threads));
    {
        const py::gil_scoped_release nogil;
        boosting::discounted_gain(lists, truncation, d, s, sums, scratch.data(),
                                  n_threads);
    }
    return out;
}

} // namespace

void register_boosting_ranking(py::module_& room) {
    room.def("lambdarank_gradients", &lambdarank_gradients, "gains"_a, "offsets"_a,
             "inverse_ideal"_a, "discounts"_a, "weight"_a, "margins"_a, "grad"_a,
             "hess"_a, "truncation"_a, "ndcg"_a, "normalize_scores"_a,
             "normalize_lists"_a, "n_threads"_a);
    room.def("discounted_gain", &discounted_gain, "gains"_a, "offsets"_a, "discounts"_a,
             "scores"_a, "truncation"_a, "n_threads"_a);
}

} // namespace fastnotes
