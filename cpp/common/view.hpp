/// Views: a pointer and extents, contiguous in C order, owning nothing.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastnotes {

using index_t = std::ptrdiff_t;

template <class T> struct View1 {
    T* data = nullptr;
    index_t size = 0;

    T& operator()(index_t i) const noexcept { return data[i]; }
    T* begin() const noexcept { return data; }
    T* end() const noexcept { return data + size; }
    operator View1<const T>() const noexcept { return {data, size}; }
};

template <class T> struct View2 {
    T* data = nullptr;
    index_t rows = 0;
    index_t columns = 0;

    T& operator()(index_t i, index_t j) const noexcept { return row(i)[j]; }
    T* row(index_t i) const noexcept { return data + i * columns; }
    index_t size() const noexcept { return rows * columns; }
    operator View2<const T>() const noexcept { return {data, rows, columns}; }
};

template <class T> struct View3 {
    T* data = nullptr;
    index_t planes = 0;
    index_t rows = 0;
    index_t columns = 0;

    T& operator()(index_t i, index_t j, index_t k) const noexcept {
        return data[(i * rows + j) * columns + k];
    }
    View2<T> plane(index_t i) const noexcept {
        return {data + i * rows * columns, rows, columns};
    }
    index_t size() const noexcept { return planes * rows * columns; }
    operator View3<const T>() const noexcept { return {data, planes, rows, columns}; }
};

/// Blocks of `step` needed to cover `n`.
constexpr index_t ceil_div(index_t n, index_t step) noexcept {
    return (n + step - 1) / step;
}

/// `n` rounded up to a multiple of `step`.
constexpr index_t round_up(index_t n, index_t step) noexcept {
    return ceil_div(n, step) * step;
}

} // namespace fastnotes
