/// Arrays on a CUDA device, whoever owns them.
#pragma once

#include "bindings_cuda/memory.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <memory>
#include <string>
#include <vector>

namespace py = pybind11;

namespace fastnotes::cuda {

/// A C-contiguous array in device memory. It keeps its owner alive and copies nothing.
struct DeviceArray {
    void* data = nullptr;
    std::vector<index_t> shape;
    std::string dtype; ///< NumPy's name: "float32", "uint8", "bfloat16", ...
    int device = 0;
    bool read_only = false;
    std::shared_ptr<void> owner;

    index_t ndim() const noexcept { return static_cast<index_t>(shape.size()); }
    index_t size() const noexcept;
    index_t item_size() const;
    std::string text() const; ///< "float32 of shape (2, 3) on cuda:0"
};

/// Refuses extents that are negative, or whose product does not fit an index.
void check_extents(const std::vector<index_t>& shape, const char* where,
                   const char* name);

/// Takes in any object with __dlpack__ or __cuda_array_interface__ on a CUDA device.
/// Work queued on `stream` from now on sees everything that was written to it.
DeviceArray import_array(const py::object& object, Stream stream, const char* where,
                         const char* name);

/// A new uninitialised array, and copies to and from the host; all of them wait.
std::shared_ptr<DeviceArray> allocate(const std::vector<index_t>& shape,
                                      const std::string& dtype, int device);
std::shared_ptr<DeviceArray> copy_to_device(const py::array& array, int device);
py::array copy_to_host(const DeviceArray& array);

void register_device_array(py::module_& m);

} // namespace fastnotes::cuda
