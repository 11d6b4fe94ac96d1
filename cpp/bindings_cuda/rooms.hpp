#pragma once

#include <pybind11/pybind11.h>

namespace py = pybind11;

namespace fastnotes::cuda {

void register_device_array(py::module_& m);
void register_graph(py::module_& m);
void register_runtime(py::module_& m);

} // namespace fastnotes::cuda
