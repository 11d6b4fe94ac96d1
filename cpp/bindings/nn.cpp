/// Room nn: matrix products.
#include "bindings/arrays.hpp"
#include "bindings/rooms.hpp"

#include "common/aligned.hpp"
#include "nn/gemm.hpp"

namespace fastnotes {
namespace {

using namespace pybind11::literals;

template <class T> nn::Matrix<T> as_matrix(View2<T> view) {
    return {view.data, view.rows, view.columns, view.columns};
}

nn::Transpose as_transpose(bool yes) {
    return yes ? nn::Transpose::yes : nn::Transpose::no;
}

std::string shape_text(index_t rows, index_t columns) {
    return "(" + std::to_string(rows) + ", " + std::to_string(columns) + ")";
}

/// The caller's output: of this shape and apart from the inputs.
template <class T, class... Input>
nn::Matrix<T> output(py::handle out, const char* where, index_t rows, index_t columns,
                     const Input&... inputs) {
    const auto view = as_view<T, 2>(out, where, "out");
    if (view.rows != rows || view.columns != columns) {
        fail(where, "out of shape " + shape_text(rows, columns),
             shape_text(view.rows, view.columns));
    }
    const auto overlaps = [&](View2<const T> input) {
        return view.data < input.data + input.size() &&
               input.data < view.data + view.size();
    };
    if ((overlaps(inputs) || ...)) {
        fail(where, "out apart from the inputs", "overlapping memory");
    }
    return as_matrix(view);
}

/// B in panels, owned.
template <class T> class PackedMatrix {
  public:
    PackedMatrix(py::handle b, bool transpose, int n_threads) {
        constexpr const char* where = "nn.PackedMatrix";
        const auto view = as_view<const T, 2>(b, where, "b");
        check_threads(n_threads, where);
        depth_ = transpose ? view.columns : view.rows;
        columns_ = transpose ? view.rows : view.columns;
        panels_ = AlignedBuffer<T>(nn::packed_size<T>(depth_, columns_));
        const py::gil_scoped_release released;
        nn::pack(as_matrix(view), as_transpose(transpose), panels_.data(), n_threads);
    }

    void matmul(py::handle a, py::handle out, bool accumulate, int n_threads) const {
        constexpr const char* where = "nn.PackedMatrix.matmul";
        const auto left = as_view<const T, 2>(a, where, "a");
        if (left.columns != depth_) {
            fail(where, "a of shape (rows, " + std::to_string(depth_) + ")",
                 shape_text(left.rows, left.columns));
        }
        const auto result = output<T>(out, where, left.rows, columns_, left);
        check_threads(n_threads, where);
        const py::gil_scoped_release released;
        nn::multiply_packed(as_matrix(left), panels_.data(), result, accumulate,
                            n_threads);
    }

  private:
    index_t depth_ = 0;
    index_t columns_ = 0;
    AlignedBuffer<T> panels_;
};

template <class T>
void matmul(py::handle a, py::handle b, bool transpose_a, bool transpose_b,
            py::handle out, bool accumulate, int n_threads) {
    constexpr const char* where = "nn.matmul";
    const auto left = as_view<const T, 2>(a, where, "a");
    const auto right = as_view<const T, 2>(b, where, "b");
    const nn::Product<T> product{as_matrix(left), as_transpose(transpose_a),
                                 as_matrix(right), as_transpose(transpose_b)};
    const index_t b_depth = transpose_b ? right.columns : right.rows;
    if (product.depth() != b_depth) {
        fail(where, "op(a) of shape (rows, " + std::to_string(b_depth) + ")",
             shape_text(product.rows(), product.depth()));
    }
    const auto result =
        output<T>(out, where, product.rows(), product.columns(), left, right);
    check_threads(n_threads, where);
    const AlignedBuffer<T> scratch(nn::multiply_scratch(product, n_threads));
    const py::gil_scoped_release released;
    nn::multiply(product, result, accumulate, scratch.data(), n_threads);
}

template <class T> void register_type(py::module_& nn, const char* name) {
    py::class_<PackedMatrix<T>>(nn, name)
        .def(py::init<py::handle, bool, int>(), "b"_a, "transpose"_a, "n_threads"_a)
        .def("matmul", &PackedMatrix<T>::matmul, "a"_a, "out"_a, "accumulate"_a,
             "n_threads"_a);
}

} // namespace

void register_nn(py::module_& m) {
    auto nn = m.def_submodule("nn", "Blocks that the other rooms share.");
    register_nn_elementwise(nn);
    register_nn_training(nn);
    register_type<float>(nn, "PackedMatrix32");
    register_type<double>(nn, "PackedMatrix64");
    nn.def(
        "matmul",
        [](const py::array& a, py::handle b, bool transpose_a, bool transpose_b,
           py::handle out, bool accumulate, int n_threads) {
            dispatch_real(a, "nn.matmul", "a", [&](auto zero) {
                matmul<decltype(zero)>(a, b, transpose_a, transpose_b, out, accumulate,
                                       n_threads);
            });
        },
        "a"_a, "b"_a, "transpose_a"_a, "transpose_b"_a, "out"_a, "accumulate"_a,
        "n_threads"_a);
}

} // namespace fastnotes
