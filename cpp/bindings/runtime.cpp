/// How this module was built.
#include "bindings/rooms.hpp"
#include "bindings/workspace.hpp"

#include "common/meeting.hpp"
#include "common/parallel.hpp"

#include <pybind11/stl.h>

#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

namespace fastnotes {
namespace {

py::dict build_info() {
    using namespace pybind11::literals;
#if defined(__clang__)
    const char* const compiler = "clang " __clang_version__;
#else
    const char* const compiler = "gcc " __VERSION__;
#endif
    return py::dict("version"_a = FASTNOTES_VERSION, "commit"_a = FASTNOTES_COMMIT,
                    "level"_a = FASTNOTES_LEVEL_NAME, "compiler"_a = compiler,
                    "flags"_a = FASTNOTES_FLAGS, "threading"_a = threading_runtime());
}

py::array_t<unsigned char> pooled_bytes(index_t size) {
    if (size < 0) fail("runtime.pooled_bytes", "size >= 0", std::to_string(size));
    return pooled_empty<unsigned char>(size);
}

/// The value of an environment variable, or None. os.environ would encode the name and
/// raise and catch a KeyError, some microseconds on the way of every call.
py::object environment(const char* name) {
    const char* const value = std::getenv(name);
    if (value == nullptr) return py::none();
    return py::reinterpret_steal<py::object>(PyUnicode_DecodeFSDefault(value));
}

/// Sizes of the team, as the caller sees them, in a region of so many steps, whose
/// other threads sleep in the first one.
std::vector<int> team_sizes(int n_threads, int n_steps, int milliseconds) {
    check_threads(n_threads, "runtime.team_sizes");
    std::vector<int> sizes;
    const py::gil_scoped_release released;
    parallel_region(n_threads, [&](Team team) {
        for (int step = 0; step < n_steps; ++step) {
            if (team.index == 0) sizes.push_back(team.size);
            if (team.index > 0 && step == 0)
                std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
            if (!team.goes_on()) return;
        }
    });
    return sizes;
}

} // namespace

void register_runtime(py::module_& m) {
    auto runtime = m.def_submodule("runtime", "Build facts.");
    runtime.def("build_info", &build_info);
    runtime.def("environment", &environment, py::arg("name"));
    runtime.def("team_sizes", &team_sizes, py::arg("n_threads"), py::arg("n_steps"),
                py::arg("milliseconds"));
    runtime.def("keep_teams", &keep_teams, py::arg("keep"));
    runtime.def("part_teams_at", &part_teams_at, py::arg("meeting"));
    runtime.def("pooled_bytes", &pooled_bytes, py::arg("size"));
}

} // namespace fastnotes
