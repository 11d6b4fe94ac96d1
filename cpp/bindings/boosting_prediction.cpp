/// Prediction: a model laid out once, arrays in and out.
#include "bindings/boosting_trees.hpp"
#include "bindings/rooms.hpp"

#include "boosting/prediction.hpp"
#include "common/aligned.hpp"

#include <algorithm>
#include <string>

namespace fastnotes {
namespace {

using namespace pybind11::literals;
using boosting::TreeRange;
using std::int32_t;

class Predictor {
  public:
    explicit Predictor(const py::object& trees)
        : model_(make_model(as_trees(trees, "boosting.Predictor"))) {}

    void add_margins(const py::array& X, py::handle margins, index_t first,
                     index_t last, int n_threads) const {
        const char* const where = "boosting.Predictor.margins";
        check_threads(n_threads, where);
        const TreeRange trees = range(first, last, where);
        const auto out = as_view<double, 2>(margins, where, "out");
        dispatch_real(X, where, "X", [&](auto real) {
            using T = decltype(real);
            const auto rows = table<T>(X, where);
            check_extent(out.rows, rows.rows, where, "rows of out");
            check_extent(out.columns, forest().n_outputs(), where, "columns of out");
            check_apart(out, rows, where, "out");
            const Scratch scratch(model_, n_threads);
            const py::gil_scoped_release nogil;
            boosting::add_margins<T>(model_, trees, rows, out, scratch.view(),
                                     n_threads);
        });
    }

    py::array_t<int32_t> leaf_ids(const py::array& X, index_t first, index_t last,
                                  int n_threads) const {
        const char* const where = "boosting.Predictor.leaf_ids";
        check_threads(n_threads, where);
        const TreeRange trees = range(first, last, where);
        return dispatch_real(X, where, "X", [&](auto real) {
            using T = decltype(real);
            const auto rows = table<T>(X, where);
            auto out = empty<int32_t>(rows.rows, last - first);
            const View2<int32_t> leaves{out.mutable_data(), rows.rows, last - first};
            const Scratch scratch(model_, n_threads);
            {
                const py::gil_scoped_release nogil;
                boosting::find_leaves<T>(model_, trees, rows, leaves, scratch.view(),
                                         n_threads);
            }
            return out;
        });
    }

    /// One row, (n_features,) or (1, n_features). The GIL is kept: giving it up and
    /// taking it back costs as much as the walk.
    py::array_t<double> margins_row(const py::array& x) const {
        const char* const where = "boosting.Predictor.margins_row";
        return dispatch_real(x, where, "x", [&](auto real) {
            using T = decltype(real);
            const auto row = as_flat_view<const T>(x, where, "x");
            if (row.size != forest().n_features || x.ndim() > 2 ||
                x.shape(0) != (x.ndim() == 2 ? 1 : row.size)) {
                fail(where,
                     "one row of " + std::to_string(forest().n_features) + " columns",
                     array_text(x));
            }
            auto out = empty<double>(forest().n_outputs());
            double* const margins = out.mutable_data();
            std::copy(forest().base_score.begin(), forest().base_score.end(), margins);
            const TreeRange trees{0, forest().n_trees()};
            double near[most_slots_on_stack];
            const bool fits = forest().n_slots() <= most_slots_on_stack;
            const AlignedBuffer<double> far(fits ? 0 : forest().n_slots());
            boosting::add_margins_of_row<T>(forest(), trees, row.data, margins,
                                            fits ? near : far.data());
            return out;
        });
    }

  private:
    struct Scratch {
        Scratch(const boosting::Model& model, int n_threads)
            : size(boosting::batch_scratch(model, n_threads)), bytes(size.bytes),
              values(size.values) {}
        boosting::BatchScratch view() const noexcept {
            return {bytes.data(), values.data()};
        }
        boosting::BatchSize size;
        AlignedBuffer<std::int8_t> bytes;
        AlignedBuffer<double> values;
    };

    static boosting::Model make_model(const boosting::Trees& trees) {
        return {boosting::make_forest(trees), boosting::make_byte_forest(trees)};
    }
    const boosting::Forest& forest() const noexcept { return model_.forest; }

    static constexpr index_t most_slots_on_stack = 512;

    TreeRange range(index_t first, index_t last, const char* where) const {
        if (first < 0 || first > last || last > forest().n_trees()) {
            fail(where, "trees within 0 to " + std::to_string(forest().n_trees()),
                 std::to_string(first) + " to " + std::to_string(last));
        }
        return {first, last};
    }

    template <class T>
    View2<const T> table(const py::array& X, const char* where) const {
        const auto rows = as_view<const T, 2>(X, where, "X");
        check_extent(rows.columns, forest().n_features, where, "columns of X");
        return rows;
    }

    boosting::Model model_;
};

} // namespace

void register_boosting_prediction(py::module_& room) {
    py::class_<Predictor>(room, "Predictor", py::is_final())
        .def(py::init<const py::object&>(), "trees"_a)
        .def("add_margins", &Predictor::add_margins, "X"_a, "margins"_a, "first"_a,
             "last"_a, "n_threads"_a)
        .def("leaf_ids", &Predictor::leaf_ids, "X"_a, "first"_a, "last"_a,
             "n_threads"_a)
        .def("margins_row", &Predictor::margins_row, "x"_a);
}

} // namespace fastnotes
