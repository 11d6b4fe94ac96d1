/// Rows of the rounds of a training.
#include "bindings/arrays.hpp"
#include "bindings/rooms.hpp"

#include "boosting/sampling.hpp"
#include "common/aligned.hpp"

namespace fastnotes {
namespace {

using namespace pybind11::literals;

index_t sample_rows(double chance, std::uint64_t seed, std::uint32_t round,
                    const py::array& out, int n_threads) {
    const char* const where = "boosting.sample_rows";
    check_threads(n_threads, where);
    if (!(chance > 0.0 && chance <= 1.0)) {
        fail(where, "chance above 0 and at most 1", std::to_string(chance));
    }
    const auto rows = as_view<std::int32_t, 1>(out, where, "out");
    if (rows.size > INT32_MAX) {
        fail(where, "at most 2^31 - 1 rows", std::to_string(rows.size));
    }
    const AlignedBuffer<std::int64_t> counts(boosting::sample_blocks(rows.size));
    const py::gil_scoped_release nogil;
    return boosting::sample_rows(chance, seed, round, rows, counts.data(), n_threads);
}

} // namespace

void register_boosting_sampling(py::module_& room) {
    room.def("sample_rows", &sample_rows, "chance"_a, "seed"_a, "round_index"_a,
             "out"_a, "n_threads"_a);
}

} // namespace fastnotes
