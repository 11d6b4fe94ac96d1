/// The extension module of one level: one register_<room> call per room.
#include "bindings/rooms.hpp"

PYBIND11_MODULE(FASTNOTES_MODULE, m, py::mod_gil_not_used()) {
    m.doc() = "fastnotes kernels, level " FASTNOTES_LEVEL_NAME;
    fastnotes::register_bench(m);
    fastnotes::register_boosting(m);
    fastnotes::register_evidence(m);
    fastnotes::register_graph(m);
    fastnotes::register_information(m);
    fastnotes::register_machine(m);
    fastnotes::register_nn(m);
    fastnotes::register_philox(m);
    fastnotes::register_recurrent(m);
    fastnotes::register_runtime(m);
}
