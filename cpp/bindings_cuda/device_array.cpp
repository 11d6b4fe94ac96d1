#include "bindings_cuda/device_array.hpp"

#include "bindings/arrays.hpp"
#include "bindings_cuda/dlpack.hpp"

#include <pybind11/stl.h>

#include <limits>

namespace fastnotes::cuda {
namespace {

constexpr const char* device_where = "cuda.DeviceArray";

dlpack::DataType dlpack_type(const DeviceArray& array) {
    const auto code = array.dtype[0] == 'u'   ? dlpack::unsigned_int
                      : array.dtype[0] == 'i' ? dlpack::signed_int
                                              : dlpack::real;
    return {code, static_cast<std::uint8_t>(8 * array.item_size()), 1};
}

/// Context of an exported tensor: the array, and its shape as DLPack wants it.
struct Exported {
    dlpack::ManagedTensor managed;
    std::vector<std::int64_t> shape;
    std::shared_ptr<void> owner;
};

py::capsule export_dlpack(const DeviceArray& array) {
    auto exported = std::make_unique<Exported>();
    exported->owner = array.owner;
    exported->shape.assign(array.shape.begin(), array.shape.end());
    auto& managed = exported->managed;
    managed.tensor = {array.data,
                      {dlpack::cuda, array.device},
                      static_cast<std::int32_t>(array.ndim()),
                      dlpack_type(array),
                      exported->shape.data(),
                      nullptr,
                      0};
    managed.context = exported.get();
    managed.deleter = [](dlpack::ManagedTensor* tensor) {
        delete static_cast<Exported*>(tensor->context);
    };
    PyObject* const capsule =
        PyCapsule_New(&managed, dlpack::capsule_name, [](PyObject* self) {
            if (!PyCapsule_IsValid(self, dlpack::capsule_name)) return; // consumed
            auto* const unused = static_cast<dlpack::ManagedTensor*>(
                PyCapsule_GetPointer(self, dlpack::capsule_name));
            unused->deleter(unused);
        });
    if (capsule == nullptr) throw py::error_already_set();
    (void)exported.release();
    return py::reinterpret_steal<py::capsule>(capsule);
}

py::tuple shape_tuple(const DeviceArray& array) {
    return py::tuple(py::cast(array.shape));
}

py::dict interface_of(const DeviceArray& array) {
    using namespace pybind11::literals;
    const auto typestr = py::dtype(array.dtype).attr("str");
    return py::dict("shape"_a = shape_tuple(array), "typestr"_a = typestr,
                    "data"_a = py::make_tuple(
                        reinterpret_cast<std::uintptr_t>(array.data), array.read_only),
                    "strides"_a = py::none(), "version"_a = 3, "stream"_a = py::none());
}

} // namespace

void check_extents(const std::vector<index_t>& shape, const char* where,
                   const char* name) {
    index_t most = std::numeric_limits<index_t>::max() / 16;
    for (const index_t extent : shape) {
        if (extent < 0 || extent > most) {
            fail(where, std::string(name) + " of a possible shape", "a hostile one");
        }
        if (extent > 1) most /= extent;
    }
}

index_t DeviceArray::size() const noexcept {
    index_t product = 1;
    for (const index_t extent : shape) product *= extent;
    return product;
}

index_t DeviceArray::item_size() const {
    return static_cast<index_t>(py::dtype(dtype).itemsize());
}

std::string DeviceArray::text() const {
    return dtype + " of shape " + std::string(py::str(shape_tuple(*this))) +
           " on cuda:" + std::to_string(device);
}

std::shared_ptr<DeviceArray> allocate(const std::vector<index_t>& shape,
                                      const std::string& dtype, int device) {
    check_extents(shape, device_where, "shape");
    auto array = std::make_shared<DeviceArray>();
    array->shape = shape;
    array->dtype = dtype;
    array->device = device;
    auto memory = std::make_shared<Allocation>(array->size() * array->item_size(),
                                               device, device_where);
    array->data = memory->data();
    array->owner = std::move(memory);
    return array;
}

std::shared_ptr<DeviceArray> copy_to_device(const py::array& array, int device) {
    if (!fastnotes::detail::is_c_contiguous(array)) {
        fail(device_where, "a C-contiguous array", "a strided array");
    }
    const std::vector<index_t> shape(array.shape(), array.shape() + array.ndim());
    auto copy = allocate(shape, py::str(array.dtype().attr("name")), device);
    const DeviceGuard guard(device, device_where);
    check(cudaMemcpy(copy->data, array.data(), static_cast<std::size_t>(array.nbytes()),
                     cudaMemcpyHostToDevice),
          device_where);
    // A small copy returns while it is still on its way, and streams of other
    // libraries do not wait for the default one.
    check(cudaStreamSynchronize(nullptr), device_where);
    return copy;
}

py::array copy_to_host(const DeviceArray& array) {
    py::array copy(py::dtype(array.dtype), array.shape);
    const DeviceGuard guard(array.device, device_where);
    check(cudaMemcpy(copy.mutable_data(), array.data,
                     static_cast<std::size_t>(copy.nbytes()), cudaMemcpyDeviceToHost),
          device_where);
    return copy;
}

void register_device_array(py::module_& m) {
    using namespace pybind11::literals;
    py::class_<DeviceArray, std::shared_ptr<DeviceArray>>(m, "DeviceArray")
        .def_property_readonly("shape", &shape_tuple)
        .def_property_readonly("ndim", &DeviceArray::ndim)
        .def_readonly("dtype", &DeviceArray::dtype)
        .def_readonly("device", &DeviceArray::device)
        .def("to_numpy", &copy_to_host)
        .def("__repr__",
             [](const DeviceArray& a) { return "DeviceArray, " + a.text(); })
        .def_property_readonly("__cuda_array_interface__", &interface_of)
        .def("__dlpack_device__",
             [](const DeviceArray& a) {
                 return py::make_tuple(static_cast<int>(dlpack::cuda), a.device);
             })
        // What is ours was waited for, so any stream may read it at once.
        .def("__dlpack__",
             [](const DeviceArray& a, const py::kwargs&) { return export_dlpack(a); });
    m.def("allocate", &allocate, "shape"_a, "dtype"_a, "device"_a);
    m.def("copy_to_device", &copy_to_device, "array"_a, "device"_a);
    m.def(
        "import_array",
        [](const py::object& object, std::uintptr_t stream, const std::string& where,
           const std::string& name) {
            return std::make_shared<DeviceArray>(import_array(
                object, reinterpret_cast<Stream>(stream), where.c_str(), name.c_str()));
        },
        "value"_a, "stream"_a, "where"_a, "name"_a);
}

} // namespace fastnotes::cuda
