/// Shapley values: a model laid out once, arrays in and out.
#include "bindings/boosting_trees.hpp"
#include "bindings/rooms.hpp"

#include "boosting/shap.hpp"
#include "common/aligned.hpp"

#include <string>

namespace fastnotes {
namespace {

using namespace pybind11::literals;

class Explainer {
  public:
    Explainer(const py::object& trees, const py::object& background) {
        const char* const where = "boosting.Explainer";
        const auto status = boosting::make_shap_forest(as_trees(trees, where), forest_);
        if (status == boosting::ShapStatus::path_too_long) {
            fail(where,
                 "paths of at most " + std::to_string(boosting::most_path_columns) +
                     " columns",
                 "a longer one");
        }
        if (background.is_none()) return;
        const auto given = py::cast<py::array>(background);
        dispatch_real(given, where, "background", [&](auto real) {
            const auto rows = table<decltype(real)>(given, where, "background");
            if (rows.rows == 0) fail(where, "a background of at least one row", "none");
            const auto n_slots = static_cast<index_t>(forest_.slots.size());
            n_background_ = rows.rows;
            background_ =
                AlignedBuffer<double>(std::max<index_t>(1, rows.rows * n_slots));
            boosting::fill_background(forest_, rows, background_view());
        });
    }

    /// Expected margins over the covers, without the base score.
    py::array_t<double> expectation() const {
        auto out = empty<double>(forest_.n_outputs);
        std::copy(forest_.expectation.begin(), forest_.expectation.end(),
                  out.mutable_data());
        return out;
    }

    py::object explain(const py::array& X, py::handle base, bool interactions,
                       int n_threads) const {
        const char* const where = "boosting.Explainer";
        check_threads(n_threads, where);
        const auto nobody = as_view<const double, 1>(base, where, "base");
        check_extent(nobody.size, forest_.n_outputs, where, "base of size n_outputs");
        return dispatch_real(X, where, "X", [&](auto real) -> py::object {
            const auto rows = table<decltype(real)>(X, where, "X");
            const index_t width = forest_.n_features + 1, n = forest_.n_outputs;
            auto sums = empty<double>(rows.rows, n, width);
            const View3<double> out{sums.mutable_data(), rows.rows, n, width};
            py::array_t<double> pairs;
            View3<double> pairs_out;
            if (interactions) {
                pairs = empty<double>(rows.rows, n, width, width);
                pairs_out = {pairs.mutable_data(), rows.rows * n, width, width};
            }
            const AlignedBuffer<double> scratch(
                boosting::shap_scratch(forest_, interactions, n_threads));
            {
                const py::gil_scoped_release nogil;
                boosting::explain(forest_, rows, background_view(), nobody, out,
                                  pairs_out, scratch.data(), n_threads);
            }
            return interactions ? py::object(pairs) : py::object(sums);
        });
    }

  private:
    template <class T>
    View2<const T> table(const py::array& X, const char* where,
                         const char* name) const {
        const auto rows = as_view<const T, 2>(X, where, name);
        check_extent(rows.columns, forest_.n_features, where,
                     (std::string("columns of ") + name).c_str());
        return rows;
    }

    View2<double> background_view() const noexcept {
        return {background_.data(), n_background_,
                static_cast<index_t>(forest_.slots.size())};
    }

    boosting::ShapForest forest_;
    AlignedBuffer<double> background_;
    index_t n_background_ = 0;
};

} // namespace

void register_boosting_shap(py::module_& room) {
    py::class_<Explainer>(room, "Explainer", py::is_final())
        .def(py::init<const py::object&, const py::object&>(), "trees"_a,
             "background"_a)
        .def("expectation", &Explainer::expectation)
        .def("explain", &Explainer::explain, "X"_a, "base"_a, "interactions"_a,
             "n_threads"_a);
}

} // namespace fastnotes
