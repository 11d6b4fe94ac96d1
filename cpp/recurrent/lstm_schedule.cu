/// Who runs when: made on the host, completed on the device.
#include "recurrent/lstm_schedule.cuh"

#include <algorithm>
#include <numeric>

namespace fastnotes::recurrent::cuda {
namespace detail {
namespace {

constexpr int fill_threads = 256;

/// position and before of each packed row, from its step and sorted row.
__global__ void __launch_bounds__(fill_threads)
    fill_rows_kernel(const DeviceSchedule schedule, std::int64_t* position,
                     std::int64_t* before, index_t batch, index_t time) {
    const index_t i = static_cast<index_t>(blockIdx.x) * fill_threads + threadIdx.x;
    if (i >= batch * time) return;
    const index_t t = i / batch, row = i % batch;
    if (t >= schedule.length[row]) return;
    const index_t packed = schedule.start[t] + row;
    position[packed] = schedule.order[row] * time + t;
    before[packed] = t == 0 ? row : batch + schedule.start[t - 1] + row;
}

template <class T>
__global__ void clear_padding_kernel(T* data, index_t columns, index_t batch,
                                     index_t time, const DeviceSchedule schedule) {
    const index_t i = own_row();
    if (i >= batch * time) return;
    const index_t row = i / time, t = i % time;
    if (t < schedule.length[row]) return;
    T* const to = data + (schedule.order[row] * time + t) * columns;
    for (index_t k = threadIdx.x; k < columns; k += fastnotes::cuda::warp_size) {
        to[k] = T(0);
    }
}

Status copy_to_device(std::int64_t* to, const std::int64_t* from, std::size_t count,
                      Stream stream) noexcept {
    // From pageable memory: staged before the call returns, so `from` may go away.
    FASTNOTES_CUDA_TRY(cudaMemcpyAsync(to, from, count * sizeof(std::int64_t),
                                       cudaMemcpyHostToDevice, stream));
    return {};
}

/// order, length and start, as DeviceSchedule lays them out.
Status copy_schedule(std::int64_t* data, const Sizes& sizes,
                     const recurrent::Schedule& schedule, Stream stream) noexcept {
    static_assert(sizeof(index_t) == sizeof(std::int64_t));
    const auto as_int64 = [](const std::vector<index_t>& values) {
        return reinterpret_cast<const std::int64_t*>(values.data());
    };
    Status status =
        copy_to_device(data, as_int64(schedule.order), schedule.order.size(), stream);
    if (!status.ok()) return status;
    status = copy_to_device(data + sizes.batch, as_int64(schedule.length),
                            schedule.length.size(), stream);
    if (!status.ok()) return status;
    return copy_to_device(data + 2 * sizes.batch, as_int64(schedule.start),
                          schedule.start.size(), stream);
}

bool too_many(index_t blocks) noexcept { return blocks > 0x7FFFFFFF; }

} // namespace

Status fill_schedule(std::int64_t* data, const Sizes& sizes,
                     const recurrent::Schedule& schedule, Stream stream) noexcept {
    const index_t batch = sizes.batch, time = sizes.time, rows = total_rows(schedule);
    const index_t blocks = ceil_div(batch * time, fill_threads);
    if (too_many(blocks)) return Status{cudaErrorInvalidValue};
    const Status status = copy_schedule(data, sizes, schedule, stream);
    if (!status.ok() || rows == 0) return status;
    std::int64_t* const position = data + 2 * batch + time + 1;
    fill_rows_kernel<<<static_cast<unsigned>(blocks), fill_threads, 0, stream>>>(
        DeviceSchedule(data, sizes, rows), position, position + rows, batch, time);
    return launched();
}

template <class T>
Status clear_padding(T* data, index_t columns, const Sizes& sizes,
                     const DeviceSchedule& schedule, Stream stream) noexcept {
    const index_t rows = sizes.batch * sizes.time;
    if (rows == 0 || columns == 0) return {};
    const RowGrid launch(rows);
    if (!launch.possible) return Status{cudaErrorInvalidValue};
    clear_padding_kernel<<<launch.grid, launch.block, 0, stream>>>(
        data, columns, sizes.batch, sizes.time, schedule);
    return launched();
}

template Status clear_padding<float>(float*, index_t, const Sizes&,
                                     const DeviceSchedule&, Stream) noexcept;
template Status clear_padding<double>(double*, index_t, const Sizes&,
                                      const DeviceSchedule&, Stream) noexcept;

} // namespace detail

recurrent::Schedule make_schedule(const Sizes& sizes, const std::int64_t* lengths) {
    const auto batch = static_cast<std::size_t>(sizes.batch);
    const auto length_of = [&](index_t b) {
        return lengths == nullptr ? sizes.time : static_cast<index_t>(lengths[b]);
    };
    recurrent::Schedule schedule;
    schedule.order.resize(batch);
    std::iota(schedule.order.begin(), schedule.order.end(), index_t{0});
    std::stable_sort(schedule.order.begin(), schedule.order.end(),
                     [&](index_t a, index_t b) { return length_of(a) > length_of(b); });
    schedule.length.reserve(batch);
    for (const index_t b : schedule.order) schedule.length.push_back(length_of(b));
    schedule.steps = batch == 0 ? 0 : schedule.length.front();
    index_t active = sizes.batch, first = 0;
    for (index_t t = 0; t <= sizes.time; ++t) {
        schedule.start.push_back(first);
        while (active > 0 &&
               schedule.length[static_cast<std::size_t>(active - 1)] <= t) {
            --active;
        }
        first += active;
    }
    return schedule;
}

index_t schedule_size(const Sizes& sizes, index_t rows) noexcept {
    return 2 * sizes.batch + sizes.time + 1 + 2 * rows;
}

} // namespace fastnotes::recurrent::cuda
