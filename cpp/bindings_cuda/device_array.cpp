#include "bindings_cuda/device_array.hpp"

#include "bindings/arrays.hpp"
#include "bindings_cuda/dlpack.hpp"

#include <pybind11/stl.h>

#include <limits>

namespace fastnotes::cuda {
namespace {

constexpr const char* dlpack_name = "dltensor";
constexpr const char* used_dlpack_name = "used_dltensor";
constexpr const char* device_where = "cuda.DeviceArray";

std::string bits_text(const char* kind, int bits) {
    return kind + std::to_string(bits);
}

std::string name_of(dlpack::DataType type) {
    static constexpr const char* kinds[] = {"int",    "uint",    "float", "opaque",
                                            "bfloat", "complex", "bool"};
    if (type.code >= std::size(kinds) || type.lanes != 1) return "an unknown dtype";
    if (type.code == 6) return "bool";
    return bits_text(kinds[type.code], type.bits);
}

dlpack::DataType dlpack_type(const DeviceArray& array) {
    const auto code = array.dtype[0] == 'u'   ? dlpack::unsigned_int
                      : array.dtype[0] == 'i' ? dlpack::signed_int
                                              : dlpack::real;
    return {code, static_cast<std::uint8_t>(8 * array.item_size()), 1};
}

/// Strides in elements (or in units of `unit`), for what spans more than one element.
template <class Strides>
bool contiguous(const std::vector<index_t>& shape, const Strides& stride_of,
                index_t unit) {
    index_t expected = unit;
    for (index_t i = static_cast<index_t>(shape.size()); i-- > 0;) {
        const index_t extent = shape[static_cast<std::size_t>(i)];
        if (extent == 0) return true;
        if (extent != 1 && stride_of(i) != expected) return false;
        expected *= extent;
    }
    return true;
}

[[noreturn]] void fail_strided(const char* where, const char* name) {
    fail(where, std::string(name) + " C-contiguous", "a strided CUDA array");
}

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

DeviceArray import_dlpack(const py::object& object, Stream stream, const char* where,
                          const char* name) {
    // The protocol's name for the legacy default stream is 1.
    const auto number = reinterpret_cast<std::uintptr_t>(stream);
    const py::object capsule =
        object.attr("__dlpack__")(py::arg("stream") = number == 0 ? 1 : number);
    auto* const managed = static_cast<dlpack::ManagedTensor*>(
        PyCapsule_GetPointer(capsule.ptr(), dlpack_name));
    if (managed == nullptr) throw py::error_already_set();
    if (PyCapsule_SetName(capsule.ptr(), used_dlpack_name) != 0) {
        throw py::error_already_set();
    }
    DeviceArray array;
    array.owner = std::shared_ptr<void>(managed, [](void* tensor) {
        auto* const used = static_cast<dlpack::ManagedTensor*>(tensor);
        if (used->deleter == nullptr) return;
        const py::gil_scoped_acquire
            gil; // a producer's deleter may free a Python object
        used->deleter(used);
    });
    const dlpack::Tensor& tensor = managed->tensor;
    array.dtype = name_of(tensor.dtype);
    if (tensor.device.type != dlpack::cuda &&
        tensor.device.type != dlpack::cuda_managed) {
        fail_type(where, std::string(name) + " on a CUDA device",
                  "DLPack device type " + std::to_string(tensor.device.type));
    }
    array.device = tensor.device.index;
    array.shape.assign(tensor.shape, tensor.shape + tensor.ndim);
    check_extents(array.shape, where, name);
    if (tensor.strides != nullptr &&
        !contiguous(array.shape, [&](index_t i) { return tensor.strides[i]; }, 1)) {
        fail_strided(where, name);
    }
    array.data = static_cast<char*>(tensor.data) + tensor.byte_offset;
    return array;
}

/// Makes `stream` wait for what was queued on `other`.
void wait_for(Stream stream, Stream other, const char* where) {
    if (stream == other) return;
    cudaEvent_t event = nullptr;
    check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), where);
    const cudaError_t recorded = cudaEventRecord(event, other);
    const cudaError_t queued =
        recorded == cudaSuccess ? cudaStreamWaitEvent(stream, event, 0) : recorded;
    (void)cudaEventDestroy(event); // released once the wait is over
    check(queued, where);
}

DeviceArray import_interface(const py::object& object, Stream stream, const char* where,
                             const char* name) {
    const py::dict facts = object.attr("__cuda_array_interface__");
    const auto pointer = facts["data"].cast<std::pair<std::uintptr_t, bool>>();
    DeviceArray array;
    array.data = reinterpret_cast<void*>(pointer.first);
    array.read_only = pointer.second;
    array.shape = facts["shape"].cast<std::vector<index_t>>();
    const auto dtype = py::dtype::from_args(facts["typestr"]);
    array.dtype = py::str(dtype.attr("name"));
    check_extents(array.shape, where, name);
    if (facts.contains("strides") && !facts["strides"].is_none()) {
        const auto strides = facts["strides"].cast<std::vector<index_t>>();
        if (strides.size() != array.shape.size() ||
            !contiguous(
                array.shape,
                [&](index_t i) { return strides[static_cast<std::size_t>(i)]; },
                dtype.itemsize())) {
            fail_strided(where, name);
        }
    }
    if (array.size() > 0) {
        cudaPointerAttributes attributes{};
        check(cudaPointerGetAttributes(&attributes, array.data), where);
        if (attributes.type != cudaMemoryTypeDevice &&
            attributes.type != cudaMemoryTypeManaged) {
            fail_type(where, std::string(name) + " in device memory",
                      "another pointer");
        }
        array.device = attributes.device;
    }
    if (facts.contains("stream") && !facts["stream"].is_none()) {
        // 1 and 2 are cudaStreamLegacy and cudaStreamPerThread, as in the runtime.
        wait_for(stream,
                 reinterpret_cast<Stream>(facts["stream"].cast<std::uintptr_t>()),
                 where);
    }
    array.owner =
        std::shared_ptr<void>(py::object(object).release().ptr(), [](void* p) {
            const py::gil_scoped_acquire gil;
            Py_DECREF(static_cast<PyObject*>(p));
        });
    return array;
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
    PyObject* const capsule = PyCapsule_New(&managed, dlpack_name, [](PyObject* self) {
        if (!PyCapsule_IsValid(self, dlpack_name)) return; // consumed
        auto* const unused = static_cast<dlpack::ManagedTensor*>(
            PyCapsule_GetPointer(self, dlpack_name));
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

DeviceArray import_array(const py::object& object, Stream stream, const char* where,
                         const char* name) {
    if (py::isinstance<DeviceArray>(object)) return object.cast<DeviceArray>();
    if (py::hasattr(object, "__dlpack__")) {
        return import_dlpack(object, stream, where, name);
    }
    if (py::hasattr(object, "__cuda_array_interface__")) {
        return import_interface(object, stream, where, name);
    }
    fail_type(where, std::string(name) + " as a CUDA array",
              std::string(py::str(py::type::of(object).attr("__name__"))));
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
