/// Arrays of other libraries, through DLPack or the CUDA array interface.
#include "bindings_cuda/device_array.hpp"

#include "bindings/arrays.hpp"
#include "bindings_cuda/dlpack.hpp"

#include <pybind11/stl.h>

#include <algorithm>

namespace fastnotes::cuda {
namespace {

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

/// Strides in elements (or in units of `unit`), for what spans more than one element.
template <class Strides>
bool contiguous(const std::vector<index_t>& shape, const Strides& stride_of,
                index_t unit) {
    if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return true;
    index_t expected = unit;
    for (index_t i = static_cast<index_t>(shape.size()); i-- > 0;) {
        const index_t extent = shape[static_cast<std::size_t>(i)];
        if (extent != 1 && stride_of(i) != expected) return false;
        expected *= extent;
    }
    return true;
}

[[noreturn]] void fail_strided(const char* where, const char* name) {
    fail(where, std::string(name) + " C-contiguous", "a strided CUDA array");
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

/// Keeps a Python object alive; may be released on any thread.
std::shared_ptr<void> keep(py::object object) {
    return {object.release().ptr(), [](void* kept) {
                const py::gil_scoped_acquire gil;
                Py_DECREF(static_cast<PyObject*>(kept));
            }};
}

/// Fills in all but the owner.
void describe(const dlpack::Tensor& tensor, DeviceArray& array, const char* where,
              const char* name) {
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
}

DeviceArray import_dlpack(const py::object& object, Stream stream, const char* where,
                          const char* name) {
    // The protocol's name for the legacy default stream is 1.
    const auto number = reinterpret_cast<std::uintptr_t>(stream);
    const py::object capsule =
        object.attr("__dlpack__")(py::arg("stream") = number == 0 ? 1 : number);
    auto* const managed = static_cast<dlpack::ManagedTensor*>(
        PyCapsule_GetPointer(capsule.ptr(), dlpack::capsule_name));
    if (managed == nullptr) throw py::error_already_set();
    if (PyCapsule_SetName(capsule.ptr(), dlpack::used_capsule_name) != 0) {
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
    describe(managed->tensor, array, where, name);
    return array;
}

/// The C functions of the object's type, if it has those of a version that we know.
const dlpack::Exchange* exchange_of(const py::object& object) {
    constexpr const char* attribute = "__dlpack_c_exchange_api__";
    const py::object capsule = py::getattr(py::type::of(object), attribute, py::none());
    if (PyCapsule_IsValid(capsule.ptr(), dlpack::exchange_name) == 0) return nullptr;
    const auto* functions = static_cast<const dlpack::Exchange*>(
        PyCapsule_GetPointer(capsule.ptr(), dlpack::exchange_name));
    while (functions != nullptr && functions->version.major > 1) {
        functions = functions->previous;
    }
    const bool usable = functions != nullptr && functions->version.major == 1 &&
                        functions->tensor_from_object != nullptr &&
                        functions->current_stream != nullptr;
    return usable ? functions : nullptr;
}

/// As import_dlpack, in a fraction of its time.
DeviceArray import_exchanged(const py::object& object,
                             const dlpack::Exchange& functions, Stream stream,
                             const char* where, const char* name) {
    dlpack::Tensor tensor{};
    if (functions.tensor_from_object(object.ptr(), &tensor) != 0) {
        throw py::error_already_set();
    }
    DeviceArray array;
    describe(tensor, array, where, name);
    void* current = nullptr;
    if (functions.current_stream(tensor.device.type, tensor.device.index, &current) !=
        0) {
        throw py::error_already_set();
    }
    wait_for(stream, static_cast<Stream>(current), where);
    array.owner = keep(object);
    return array;
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
    array.owner = keep(object);
    return array;
}

} // namespace

DeviceArray import_array(const py::object& object, Stream stream, const char* where,
                         const char* name) {
    if (py::isinstance<DeviceArray>(object)) return object.cast<DeviceArray>();
    if (const auto* const functions = exchange_of(object)) {
        return import_exchanged(object, *functions, stream, where, name);
    }
    if (py::hasattr(object, "__dlpack__")) {
        return import_dlpack(object, stream, where, name);
    }
    if (py::hasattr(object, "__cuda_array_interface__")) {
        return import_interface(object, stream, where, name);
    }
    fail_type(where, std::string(name) + " as a CUDA array",
              std::string(py::str(py::type::of(object).attr("__name__"))));
}

} // namespace fastnotes::cuda
