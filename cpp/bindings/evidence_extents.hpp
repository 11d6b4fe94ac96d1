/// How evidence sees an array, on the CPU or on a CUDA device.
#pragma once

#include "bindings/arrays.hpp"

namespace fastnotes {

/// A C-contiguous array seen as (outer, K, inner), K the axes [first, last).
struct Extents {
    index_t outer = 1, count = 1, inner = 1;
    bool last_axis;

    /// `shape` has `ndim` elements.
    template <class Shape>
    Extents(const Shape& shape, index_t ndim, index_t first, index_t last,
            const char* where)
        : last_axis(last == ndim) {
        if (first < 0 || last < first || last > ndim) {
            fail(where, "0 <= first <= last <= ndim",
                 std::to_string(first) + ", " + std::to_string(last));
        }
        for (index_t i = 0; i < ndim; ++i) {
            (i < first ? outer : i < last ? count : inner) *= *(shape + i);
        }
    }
};

/// `flat`, all elements of an array, as (outer, K, inner).
template <class T>
View3<T> as_block(View1<T> flat, const Extents& e, const char* where,
                  const char* name) {
    check_extent(flat.size, e.outer * e.count * e.inner, where, name);
    return {flat.data, e.outer, e.count, e.inner};
}

/// `flat` as (outer, inner): an element for each sum.
template <class T>
View2<T> as_result(View1<T> flat, const Extents& e, const char* where,
                   const char* name) {
    check_extent(flat.size, e.outer * e.inner, where, name);
    return {flat.data, e.outer, e.inner};
}

} // namespace fastnotes
