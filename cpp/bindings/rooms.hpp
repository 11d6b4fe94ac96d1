#pragma once

#include <pybind11/pybind11.h>

namespace py = pybind11;

namespace fastnotes {

void register_bench(py::module_& m);
void register_boosting(py::module_& m);
void register_boosting_growth(py::module_& boosting);
void register_boosting_objectives(py::module_& boosting);
void register_boosting_prediction(py::module_& room);
void register_boosting_ranking(py::module_& boosting);
void register_boosting_sampling(py::module_& room);
void register_boosting_shap(py::module_& room);
void register_boosting_sparse(py::module_& boosting);
void register_boosting_sparse_growth(py::module_& boosting);
void register_evidence(py::module_& m);
void register_evidence_diagnostics(py::module_& evidence);
void register_graph(py::module_& m);
void register_graph_chebyshev(py::module_& room);
void register_graph_edges(py::module_& room);
void register_information(py::module_& m);
void register_machine(py::module_& m);
void register_nn(py::module_& m);
void register_nn_elementwise(py::module_& nn);
void register_nn_training(py::module_& nn);
void register_philox(py::module_& m);
void register_recurrent(py::module_& m);
void register_runtime(py::module_& m);

} // namespace fastnotes
