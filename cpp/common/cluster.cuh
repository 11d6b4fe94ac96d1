/// Thread block clusters: blocks that run at the same time and write into each other's
/// shared memory. Compute capability 9.0 or newer.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace fastnotes::cuda {

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
inline constexpr bool has_clusters = false; // what needs them is left out
#else
inline constexpr bool has_clusters = true;
#endif

/// Where something lies in this block's shared memory.
__device__ inline unsigned shared_address(const void* in_shared) {
    return static_cast<unsigned>(__cvta_generic_to_shared(in_shared));
}

/// The same, kept in a register: computed again where it is used it delays every
/// access.
__device__ inline unsigned kept_shared_address(const void* in_shared) {
    unsigned kept;
    asm volatile("mov.u32 %0, %1;" : "=r"(kept) : "r"(shared_address(in_shared)));
    return kept;
}
__device__ inline float4 load_shared(unsigned address) {
    float4 value;
    asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];"
                 : "=f"(value.x), "=f"(value.y), "=f"(value.z), "=f"(value.w)
                 : "r"(address)
                 : "memory");
    return value;
}

/// The same place in the shared memory of another block of the cluster.
__device__ inline unsigned address_in_block(unsigned address, unsigned rank) {
    unsigned there;
    asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(address), "r"(rank));
    return there;
}

/// All threads of all blocks of the cluster meet.
__device__ inline void sync_cluster() {
    asm volatile("barrier.cluster.arrive.release.aligned;\n"
                 "barrier.cluster.wait.acquire.aligned;" ::
                     : "memory");
}

/// Counts bytes that other blocks write here; a phase ends when as many as expected
/// have come.
class ByteBarrier {
  public:
    /// By one thread, before the cluster meets.
    __device__ void start() {
        asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;\n"
                     "fence.mbarrier_init.release.cluster;" ::"r"(shared_address(this))
                     : "memory");
    }
    /// By one thread, once a phase; the bytes may come before it.
    __device__ void expect(unsigned bytes) {
        asm volatile("mbarrier.arrive.expect_tx.release.cta.shared::cta.b64 _, [%0], "
                     "%1;" ::"r"(shared_address(this)),
                     "r"(bytes)
                     : "memory");
    }
    /// By every thread that reads the bytes; parity: of the phase's number.
    __device__ void wait(unsigned parity) const {
        unsigned ended = 0;
        do {
            asm volatile("{\n"
                         ".reg .pred ended;\n"
                         "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 "
                         "ended, [%1], %2;\n"
                         "selp.u32 %0, 1, 0, ended;\n"
                         "}"
                         : "=r"(ended)
                         : "r"(shared_address(this)), "r"(parity)
                         : "memory");
        } while (ended == 0);
    }

  private:
    std::uint64_t state_;
};

/// Writes into the shared memory of a block of the cluster and counts the bytes at a
/// barrier there. Both addresses are those of address_in_block.
__device__ inline void store_counted(unsigned to, float value, unsigned barrier) {
    asm volatile("st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.b32 [%0], "
                 "%1, [%2];" ::"r"(to),
                 "r"(__float_as_uint(value)), "r"(barrier)
                 : "memory");
}
__device__ inline void store_counted(unsigned to, float4 value, unsigned barrier) {
    asm volatile("st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v4.b32 "
                 "[%0], {%1, %2, %3, %4}, [%5];" ::"r"(to),
                 "r"(__float_as_uint(value.x)), "r"(__float_as_uint(value.y)),
                 "r"(__float_as_uint(value.z)), "r"(__float_as_uint(value.w)),
                 "r"(barrier)
                 : "memory");
}

} // namespace fastnotes::cuda
