/// From device arrays to views: the checks of memory, as cpp/bindings/arrays.hpp has
/// them for NumPy arrays.
#pragma once

#include "bindings/arrays.hpp"
#include "bindings_cuda/device_array.hpp"

namespace fastnotes::cuda {

template <class T> const char* dtype_name() noexcept {
    using Value = std::remove_const_t<T>;
    if constexpr (std::is_same_v<Value, float>) return "float32";
    if constexpr (std::is_same_v<Value, double>) return "float64";
    if constexpr (std::is_same_v<Value, std::uint8_t>) return "uint8";
    if constexpr (std::is_same_v<Value, std::int32_t>) return "int32";
    if constexpr (std::is_same_v<Value, std::int64_t>) return "int64";
}

namespace detail {

template <class T>
T* checked_data(const DeviceArray& array, index_t ndim, const char* where,
                const char* name) {
    if ((ndim >= 0 && array.ndim() != ndim) || array.dtype != dtype_name<T>()) {
        fail(where,
             std::string(name) + " of dtype " + dtype_name<T>() +
                 fastnotes::detail::dimensions_text(static_cast<int>(ndim)),
             array.text());
    }
    int current = 0;
    check(cudaGetDevice(&current), where);
    if (array.device != current && array.size() > 0) {
        fail(where, std::string(name) + " on cuda:" + std::to_string(current),
             "cuda:" + std::to_string(array.device));
    }
    if (!std::is_const_v<T> && array.read_only) {
        fail(where, std::string(name) + " writable", "a read-only array");
    }
    if (reinterpret_cast<std::uintptr_t>(array.data) % sizeof(T) != 0) {
        fail(where, std::string(name) + " aligned", "an unaligned array");
    }
    return static_cast<T*>(array.data);
}

} // namespace detail

/// A checked view of device memory; call it under the DeviceGuard of the kernel.
template <class T, int N>
auto as_view(const DeviceArray& array, const char* where, const char* name) {
    T* const data = detail::checked_data<T>(array, N, where, name);
    if constexpr (N == 1) {
        return View1<T>{data, array.shape[0]};
    } else if constexpr (N == 2) {
        return View2<T>{data, array.shape[0], array.shape[1]};
    } else {
        static_assert(N == 3, "views have one to three dimensions");
        return View3<T>{data, array.shape[0], array.shape[1], array.shape[2]};
    }
}

/// All elements in order, whatever the number of dimensions.
template <class T>
View1<T> as_flat_view(const DeviceArray& array, const char* where, const char* name) {
    return {detail::checked_data<T>(array, -1, where, name), array.size()};
}

/// Calls f with a float{} or double{} according to the array's dtype.
template <class F>
decltype(auto) dispatch_real(const DeviceArray& array, const char* where,
                             const char* name, F&& f) {
    if (array.dtype == "float32") return f(float{});
    if (array.dtype == "float64") return f(double{});
    fail_type(where, std::string(name) + " of dtype float32 or float64", array.text());
}

/// Calls a launcher without the GIL, and raises what its Status says.
template <class Launch> void run_kernel(const char* where, Launch&& launch) {
    Status status;
    {
        const py::gil_scoped_release nogil;
        status = launch();
    }
    check(status, where);
}

/// A stream as Python hands it over: the number that torch and CuPy give.
inline Stream as_stream(std::uintptr_t number) noexcept {
    return reinterpret_cast<Stream>(number);
}

} // namespace fastnotes::cuda
