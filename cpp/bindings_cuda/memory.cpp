#include "bindings_cuda/memory.hpp"

#include <pybind11/pybind11.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace py = pybind11;

namespace fastnotes::cuda {
namespace {

constexpr std::uint64_t kept_bytes = std::uint64_t{256} << 20;

[[noreturn]] void raise(PyObject* kind, const std::string& text) {
    PyErr_SetString(kind, text.c_str());
    throw py::error_already_set();
}

/// The pool of a device; made at its first use, never destroyed (scratch may outlive
/// statics at exit, and the driver frees everything then).
cudaMemPool_t pool_of(int device, const char* where) {
    static auto* const mutex = new std::mutex;
    static auto* const pools = new std::map<int, cudaMemPool_t>;
    const std::lock_guard<std::mutex> lock(*mutex);
    if (const auto found = pools->find(device); found != pools->end()) {
        return found->second;
    }
    cudaMemPoolProps properties{};
    properties.allocType = cudaMemAllocationTypePinned;
    properties.location.type = cudaMemLocationTypeDevice;
    properties.location.id = device;
    cudaMemPool_t pool = nullptr;
    check(cudaMemPoolCreate(&pool, &properties), where);
    auto kept = kept_bytes;
    check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &kept), where);
    pools->emplace(device, pool);
    return pool;
}

/// Answers that no call uses; never destroyed, as the pools.
struct FreeAnswers {
    std::mutex mutex;
    std::vector<void*> memory;
};
FreeAnswers& free_answers() {
    static auto* const answers = new FreeAnswers;
    return *answers;
}

std::size_t at_least_one(index_t bytes) noexcept {
    return static_cast<std::size_t>(std::max<index_t>(bytes, 1));
}

} // namespace

void check(cudaError_t error, const char* where) {
    if (error == cudaSuccess) return;
    (void)cudaGetLastError(); // not sticky: the next call must not report it again
    const std::string place = std::string("[") + where + "] ";
    if (error == cudaErrorMemoryAllocation) {
        raise(PyExc_MemoryError, place + "CUDA is out of memory");
    }
    std::string text = place + "CUDA error: " + cudaGetErrorString(error) + " (" +
                       cudaGetErrorName(error) + ")";
    if (error == cudaErrorInitializationError) {
        text += "; a process forked after CUDA was used cannot use it: start workers "
                "with the spawn method";
    }
    raise(PyExc_RuntimeError, text);
}

Scratch::Scratch(index_t bytes, Stream stream, const char* where) : stream_(stream) {
    int device = 0;
    check(cudaGetDevice(&device), where);
    const cudaMemPool_t pool = pool_of(device, where);
    const std::size_t size = at_least_one(bytes);
    cudaError_t error = cudaMallocFromPoolAsync(&data_, size, pool, stream);
    if (error == cudaErrorMemoryAllocation) { // give back what is only kept, once
        (void)cudaGetLastError();
        check(cudaStreamSynchronize(stream), where);
        check(cudaMemPoolTrimTo(pool, 0), where);
        error = cudaMallocFromPoolAsync(&data_, size, pool, stream);
    }
    check(error, where);
}

Scratch::~Scratch() { (void)cudaFreeAsync(data_, stream_); }

Answer::Answer(const char* where) {
    auto& answers = free_answers();
    const std::lock_guard<std::mutex> lock(answers.mutex);
    if (answers.memory.empty()) {
        check(cudaHostAlloc(&data_, bytes, cudaHostAllocPortable), where);
        return;
    }
    data_ = answers.memory.back();
    answers.memory.pop_back();
}

Answer::~Answer() {
    auto& answers = free_answers();
    const std::lock_guard<std::mutex> lock(answers.mutex);
    answers.memory.push_back(data_);
}

Allocation::Allocation(index_t bytes, int device, const char* where) {
    const DeviceGuard guard(device, where);
    check(cudaMalloc(&data_, at_least_one(bytes)), where);
}

Allocation::~Allocation() { (void)cudaFree(data_); }

} // namespace fastnotes::cuda
