/// Whether CUDA can be used here, and with what.
#include "bindings_cuda/memory.hpp"
#include "bindings_cuda/rooms.hpp"

#include <string>

namespace fastnotes::cuda {
namespace {

/// What this module was built for at least, as 10 major + minor.
constexpr int oldest_capability = FASTNOTES_OLDEST_CAPABILITY;

int attribute(cudaDeviceAttr which, int device, const char* where) {
    int value = 0;
    check(cudaDeviceGetAttribute(&value, which, device), where);
    return value;
}

py::dict describe_device(int device, const char* where) {
    using namespace pybind11::literals;
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, device), where);
    const int capability =
        10 * attribute(cudaDevAttrComputeCapabilityMajor, device, where) +
        attribute(cudaDevAttrComputeCapabilityMinor, device, where);
    return py::dict("name"_a = std::string(properties.name),
                    "capability"_a = capability,
                    "supported"_a = capability >= oldest_capability,
                    "memory"_a = properties.totalGlobalMem);
}

/// {"error": text or None, "devices": [...]}; never raises for a missing GPU.
py::dict state() {
    using namespace pybind11::literals;
    int driver = 0, count = 0;
    (void)cudaDriverGetVersion(&driver);
    if (driver == 0)
        return py::dict("error"_a = "no CUDA driver", "devices"_a = py::list());
    if (const cudaError_t error = cudaGetDeviceCount(&count); error != cudaSuccess) {
        (void)cudaGetLastError();
        return py::dict("error"_a = std::string(cudaGetErrorString(error)),
                        "devices"_a = py::list());
    }
    py::list devices;
    for (int i = 0; i < count; ++i) devices.append(describe_device(i, "cuda.state"));
    return py::dict("error"_a = py::none(), "devices"_a = devices);
}

void synchronize(std::uintptr_t stream, int device) {
    const char* const where = "cuda.synchronize";
    const DeviceGuard guard(device, where);
    cudaError_t error = cudaSuccess;
    {
        const py::gil_scoped_release nogil;
        error = cudaStreamSynchronize(reinterpret_cast<Stream>(stream));
    }
    check(error, where);
}

} // namespace

void register_runtime(py::module_& m) {
    auto runtime = m.def_submodule("runtime", "The devices here.");
    runtime.def("state", &state);
    runtime.def("synchronize", &synchronize, py::arg("stream"), py::arg("device"));
    runtime.attr("oldest_capability") = oldest_capability;
}

} // namespace fastnotes::cuda
