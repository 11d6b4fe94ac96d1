/// From NumPy arrays to views: every check of memory, and its message, in one place.
///
/// Nothing here converts or copies: meaning was settled in Python, so an array of
/// another dtype or layout is a caller's mistake and is refused.
#pragma once

#include "common/view.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <array>
#include <functional>
#include <string>
#include <utility>

namespace py = pybind11;

namespace fastnotes {

/// "[where] expected <what>, got <what came>" as a ValueError.
[[noreturn]] inline void fail(const char* where, const std::string& expected,
                              const std::string& got) {
    throw py::value_error(std::string("[") + where + "] expected " + expected +
                          ", got " + got);
}

[[noreturn]] inline void fail_type(const char* where, const std::string& expected,
                                   const std::string& got) {
    throw py::type_error(std::string("[") + where + "] expected " + expected +
                         ", got " + got);
}

inline std::string shape_text(const py::array& array) {
    std::string text = "(";
    for (py::ssize_t i = 0; i < array.ndim(); ++i) {
        text += std::to_string(array.shape(i));
        if (i + 1 < array.ndim() || array.ndim() == 1) text += ",";
        if (i + 1 < array.ndim()) text += " ";
    }
    return text + ")";
}

inline std::string array_text(const py::array& array) {
    return std::string(py::str(array.dtype())) + " of shape " + shape_text(array);
}

/// Whether the elements are T in this machine's byte order: type numbers and a flag,
/// where comparing dtypes would ask Python.
template <class T> bool holds(const py::array& array) {
    const py::dtype dtype = array.dtype();
    const char order = dtype.byteorder();
    return dtype.normalized_num() == py::dtype::num_of<T>() &&
           (order == '=' || order == '|');
}

enum class Access { read, write };

namespace detail {

inline bool is_c_contiguous(const py::array& array) {
    return (array.flags() & py::array::c_style) != 0;
}

constexpr int any_ndim = -1;

inline std::string dimensions_text(int ndim) {
    return ndim == any_ndim ? "" : " and " + std::to_string(ndim) + " dimensions";
}

template <class T, int N>
py::array checked(py::handle object, const char* where, const char* name,
                  Access access) {
    if (!py::isinstance<py::array>(object)) {
        fail_type(where, std::string(name) + " as a NumPy array",
                  std::string(py::str(py::type::of(object).attr("__name__"))));
    }
    auto array = py::reinterpret_borrow<py::array>(object);
    if ((N != any_ndim && array.ndim() != N) || !holds<T>(array)) {
        fail(where,
             std::string(name) + " of dtype " +
                 std::string(py::str(py::dtype::of<T>())) + dimensions_text(N),
             array_text(array));
    }
    if (!is_c_contiguous(array)) {
        fail(where, std::string(name) + " C-contiguous", "a strided array");
    }
    constexpr int aligned_flag = py::detail::npy_api::NPY_ARRAY_ALIGNED_;
    if ((array.flags() & aligned_flag) == 0) {
        fail(where, std::string(name) + " aligned", "an unaligned array");
    }
    if (access == Access::write && !array.writeable()) {
        fail(where, std::string(name) + " writable", "a read-only array");
    }
    return array;
}

} // namespace detail

/// A checked view; T const for inputs, non-const for outputs (which must be writable).
/// The array must outlive the view: keep the py::object until the kernel returns.
template <class T, int N>
auto as_view(py::handle object, const char* where, const char* name) {
    using Value = std::remove_const_t<T>;
    constexpr Access access = std::is_const_v<T> ? Access::read : Access::write;
    const auto array = detail::checked<Value, N>(object, where, name, access);
    auto* const data = static_cast<T*>(const_cast<void*>(array.data()));
    if constexpr (N == 1) {
        return View1<T>{data, array.shape(0)};
    } else if constexpr (N == 2) {
        return View2<T>{data, array.shape(0), array.shape(1)};
    } else {
        static_assert(N == 3, "views have one to three dimensions");
        return View3<T>{data, array.shape(0), array.shape(1), array.shape(2)};
    }
}

/// All elements in order, whatever the number of dimensions.
template <class T>
View1<T> as_flat_view(py::handle object, const char* where, const char* name) {
    using Value = std::remove_const_t<T>;
    constexpr Access access = std::is_const_v<T> ? Access::read : Access::write;
    const auto array =
        detail::checked<Value, detail::any_ndim>(object, where, name, access);
    return {static_cast<T*>(const_cast<void*>(array.data())), array.size()};
}

/// Checks one extent against another array's.
inline void check_extent(index_t got, index_t expected, const char* where,
                         const char* what) {
    if (got != expected) {
        fail(where, std::string(what) + " = " + std::to_string(expected),
             std::to_string(got));
    }
}

/// Refuses an output that shares memory with another array of the call.
template <class Out, class Other>
void check_apart(const Out& out, const Other& other, const char* where,
                 const char* name) {
    const std::less<const void*> before;
    if (out.size() > 0 && other.size() > 0 &&
        before(out.data, other.data + other.size()) &&
        before(other.data, out.data + out.size())) {
        fail(where, std::string(name) + " apart from the inputs", "overlapping memory");
    }
}

inline void check_threads(int n_threads, const char* where) {
    if (n_threads < 1) fail(where, "n_threads >= 1", std::to_string(n_threads));
}

/// Calls f with a float{} or double{} according to the array's dtype.
template <class F>
decltype(auto) dispatch_real(const py::array& array, const char* where,
                             const char* name, F&& f) {
    if (holds<float>(array)) return f(float{});
    if (holds<double>(array)) return f(double{});
    fail_type(where, std::string(name) + " of dtype float32 or float64",
              array_text(array));
}

/// A new uninitialised C-contiguous array.
template <class T, class... Extent> py::array_t<T> empty(Extent... extents) {
    return py::array_t<T>(std::array<py::ssize_t, sizeof...(Extent)>{
        static_cast<py::ssize_t>(extents)...});
}

} // namespace fastnotes
