/// _core_cuda: one register_<room> call per room that has CUDA twins.
#include "bindings_cuda/rooms.hpp"

PYBIND11_MODULE(_core_cuda, m, py::mod_gil_not_used()) {
    m.doc() = "fastnotes kernels on CUDA devices";
    fastnotes::cuda::register_device_array(m);
    fastnotes::cuda::register_graph(m);
    fastnotes::cuda::register_runtime(m);
}
