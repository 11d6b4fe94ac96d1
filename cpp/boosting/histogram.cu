/// Histograms on a CUDA device.
///
/// A block sums its rows in shared memory, in two arrays [n_bins, 32] of 32-bit
/// integers: one for gradients, one for hessians (64-bit adds to shared memory are
/// loops of compare-and-swap, 32-bit ones are instructions). The second index is the
/// bank. A warp reads a 4-byte word of codes per lane, of as many rows at once as fill
/// it, and every lane owns a bank in each of the four adds that follow: lanes of a row
/// differ in the word, and up to four rows at a time take the bytes of a word in turned
/// order; in groups of fewer than 17 columns the further rows have copies of their own.
#include "boosting/histogram.hpp"

#include "boosting/histogram_inspect.cuh"
#include "common/cuda.cuh"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace fastnotes::boosting::cuda {
namespace {

using fastnotes::cuda::warp_size;
using std::int32_t;
using std::int64_t;
using std::uint32_t;
using std::uint8_t;

constexpr int n_banks = 32;
constexpr int word_codes = 4;
constexpr int most_words = n_banks / word_codes; ///< words of a row in a group
constexpr int quantized_bits = 15;
constexpr index_t flush_rows = 65280; ///< rows of |q| <= 2^15 that 32 bits can hold
constexpr int half_slots = code_slots * n_banks; ///< gradients', then hessians'
constexpr int shared_bytes = 2 * half_slots * int{sizeof(int32_t)};

constexpr int block_threads = 512;
constexpr int blocks_per_multiprocessor = 2;
constexpr int unroll = 4;            ///< words in flight per lane
constexpr index_t least_rows = 1024; ///< of a block, for its flush to be worth it
constexpr int few_parts = 8;         ///< too few to even out by themselves

struct EveryRow {
    __device__ uint32_t operator()(int i) const { return static_cast<uint32_t>(i); }
};

template <class Row> struct ListedRows {
    const Row* data;
    __device__ std::size_t operator()(int i) const { return data[i]; }
};

template <class T, class Rows> struct Node {
    const uint8_t* bins;
    uint32_t n_columns;
    const T* grad;
    const T* hess;
    Rows rows;
    index_t n_used;
    int n_bins;

    /// Leaves the first rows out.
    __device__ void skip(index_t n) {
        if constexpr (std::is_same_v<Rows, EveryRow>) {
            bins += n * n_columns;
            grad += n;
            hess += n;
        } else {
            rows.data += n;
        }
    }
};

/// How blocks share the work: `parts` to each whole group of 32 columns, the rest to
/// the narrower last one, if there is one.
struct Shares {
    index_t whole_groups;
    int parts;
    int last_parts;
};

/// What a block does: rows [first, last) of a group.
struct Share {
    index_t group, first, last;

    __device__ Share(const Shares& shares, index_t n_rows) {
        const index_t block = blockIdx.x, in_whole = shares.whole_groups * shares.parts;
        const bool whole = block < in_whole;
        const int parts = whole ? shares.parts : shares.last_parts;
        const index_t part = whole ? block % parts : block - in_whole;
        group = whole ? block / parts : shares.whole_groups;
        first = n_rows * part / parts;
        last = n_rows * (part + 1) / parts;
    }
};

/// Words of a row in a group, rounded up to 1, 2, 4 or 8: as a binary logarithm.
__host__ __device__ inline int word_bits(index_t n_columns) {
    return (n_columns > word_codes) + (n_columns > 2 * word_codes) +
           (n_columns > 4 * word_codes);
}

/// 2^first 2^second is the factor of a value; either is in range.
struct Exponents {
    int first, second;
};

template <class T> __device__ Exponents exponents_of(Wide largest_bits) {
    int binary_exponent = 0;
    if constexpr (sizeof(T) == 4) {
        const auto bits = static_cast<uint32_t>(largest_bits);
        (void)frexpf(__uint_as_float(bits), &binary_exponent);
    } else {
        const auto bits = static_cast<long long>(largest_bits);
        (void)frexp(__longlong_as_double(bits), &binary_exponent);
    }
    const int exponent = quantized_bits - binary_exponent;
    return {exponent / 2, exponent - exponent / 2};
}

/// v -> nearest integer to v 2^e, ties to even, as the low bits of a sum.
template <class T> struct Quantizer {
    T first, second;

    __device__ explicit Quantizer(Wide largest_bits) {
        const Exponents e = exponents_of<T>(largest_bits);
        first = ldexp(T{1}, e.first);
        second = ldexp(T{1}, e.second);
    }

    /// In T's own arithmetic: a product is inexact only far below 1/2.
    __device__ int operator()(T value) const {
        const T scaled = value * first * second;
        if constexpr (sizeof(T) == 4) {
            constexpr float magic = 12582912.0f; // 1.5 * 2^23
            return __float_as_int(scaled + magic) - 0x4B400000;
        } else {
            constexpr double magic = 6755399441055744.0; // 1.5 * 2^52
            return __double2loint(scaled + magic);
        }
    }
};

/// Where a lane stands: its word of a row, which row of those that the warp reads at
/// once, and its bank for each byte of the word.
struct Lane {
    int n_rows; ///< that a warp reads at once
    int row;
    int turn; ///< it takes bytes turn, turn + 1, turn + 2, turn + 3 (mod 4)
    int bank[word_codes];
    index_t column;
    int n_codes; ///< columns of its word; 0 or less: none

    __device__ Lane(index_t first_column, index_t n_columns) {
        const int lane = static_cast<int>(threadIdx.x) % warp_size;
        const int bits = word_bits(n_columns - first_column);
        const int word = lane & ((1 << bits) - 1);
        n_rows = warp_size >> bits;
        row = lane >> bits;
        turn = row & (word_codes - 1);
        const int copy = row / word_codes;
        const int first_bank = ((copy << bits) + word) * word_codes;
#pragma unroll
        for (int j = 0; j < word_codes; ++j) {
            bank[j] = first_bank + ((j + turn) & (word_codes - 1));
        }
        column = first_column + word * word_codes;
        const index_t left = n_columns - column;
        n_codes = static_cast<int>(left < word_codes ? left : word_codes);
    }
};

/// The codes of a word; its columns past the last get 0, and their banks are not used.
template <bool Aligned>
__device__ inline uint32_t load_codes(const uint8_t* codes, int n_codes) {
    if constexpr (Aligned) {
        return *reinterpret_cast<const uint32_t*>(codes);
    } else {
        uint32_t word = 0;
#pragma unroll
        for (int j = 0; j < word_codes; ++j) {
            if (j < n_codes) word |= uint32_t{codes[j]} << (8 * j);
        }
        return word;
    }
}

/// Adds those of the rows [at, at + unroll * lane.n_rows) that are below n. `most`
/// collects the largest codes, where they have to be checked.
template <bool Aligned, class T, class Rows>
__device__ inline void
add_tile(const Node<T, Rows>& node, const Lane& lane, const Quantizer<T>& of_grad,
         const Quantizer<T>& of_hess, int at, int n, int32_t* sums, uint32_t& most) {
    decltype(node.rows(0)) row[unroll];
    bool live[unroll];
    uint32_t codes[unroll];
    T grad[unroll], hess[unroll];
#pragma unroll
    for (int u = 0; u < unroll; ++u) {
        const int i = at + u * lane.n_rows + lane.row;
        live[u] = i < n && lane.n_codes > 0;
        row[u] = live[u] ? node.rows(i) : 0;
    }
#pragma unroll
    for (int u = 0; u < unroll; ++u) {
        const uint8_t* const start =
            node.bins + std::size_t{row[u]} * node.n_columns + lane.column;
        codes[u] = live[u] ? load_codes<Aligned>(start, lane.n_codes) : 0;
        grad[u] = live[u] ? node.grad[row[u]] : T{0};
        hess[u] = live[u] ? node.hess[row[u]] : T{0};
    }
#pragma unroll
    for (int u = 0; u < unroll; ++u) {
        const int g = of_grad(grad[u]), h = of_hess(hess[u]);
        if (node.n_bins < code_slots) most = __vmaxu4(most, codes[u]);
        const uint32_t turned = __funnelshift_r(codes[u], codes[u], 8 * lane.turn);
#pragma unroll
        for (int j = 0; j < word_codes; ++j) {
            const auto code = static_cast<int>(__byte_perm(turned, 0, 0x4440 + j));
            int32_t* const slot = sums + lane.bank[j] + code * n_banks;
            atomicAdd(slot, g);
            atomicAdd(slot + half_slots, h);
        }
    }
}

/// Moves the sums of a block to those of its group, [2, n_bins, 32]. Blocks start at
/// different bins, so that they do not queue for the same addresses.
__device__ void flush(int32_t* from, int n_bins, Wide* to) {
    const int n_slots = n_bins * n_banks;
    const int start = static_cast<int>(blockIdx.x % n_bins) * n_banks;
    for (int half = 0; half < 2; ++half) {
        int32_t* const source = from + half * half_slots;
        for (int i = static_cast<int>(threadIdx.x); i < n_slots; i += block_threads) {
            const int slot = i + start < n_slots ? i + start : i + start - n_slots;
            const int64_t sum = source[slot];
            source[slot] = 0;
            if (sum != 0) {
                atomicAdd(to + half * n_slots + slot, static_cast<Wide>(sum));
            }
        }
    }
}

template <bool Aligned, class T, class Rows>
__global__ void __launch_bounds__(block_threads, blocks_per_multiprocessor)
    sum_rows(Node<T, Rows> node, const Shares shares, Report* report, Wide* sums) {
    if (refused<T>(*report)) return;
    extern __shared__ int4 storage[];
    auto* const block_sums = reinterpret_cast<int32_t*>(storage);
    for (int i = static_cast<int>(threadIdx.x); i < shared_bytes / int{sizeof(int4)};
         i += block_threads) {
        storage[i] = int4{0, 0, 0, 0};
    }
    __syncthreads();

    const Share share(shares, node.n_used);
    const Lane lane(share.group * n_banks, node.n_columns);
    const Quantizer<T> of_grad(report->largest[0]), of_hess(report->largest[1]);
    Wide* const group_sums = sums + share.group * 2 * node.n_bins * n_banks;
    const int tile = unroll * lane.n_rows;
    const int first_row = static_cast<int>(threadIdx.x) / warp_size * tile;
    const int step = block_threads / warp_size * tile;
    uint32_t most = 0;
    node.skip(share.first);
    for (index_t left = share.last - share.first; left > 0; left -= flush_rows) {
        const int n = static_cast<int>(left < flush_rows ? left : flush_rows);
        for (int at = first_row; at < n; at += step) {
            add_tile<Aligned>(node, lane, of_grad, of_hess, at, n, block_sums, most);
        }
        __syncthreads();
        flush(block_sums, node.n_bins, group_sums);
        __syncthreads();
        node.skip(n);
    }
    const uint32_t largest_code = 0x01010101u * static_cast<uint32_t>(node.n_bins - 1);
    if (__syncthreads_or(__vcmpgtu4(most, largest_code) != 0) && threadIdx.x == 0) {
        atomicOr(&report->large_code, 1u);
    }
}

/// Adds the copies of a column and scales its sums back.
template <class T>
__global__ void finish(const Wide* sums, View3<double> out, const Report* report) {
    if (refused<T>(*report)) return;
    const index_t i = index_t{blockIdx.x} * blockDim.x + threadIdx.x;
    const index_t column = i / out.rows, bin = i % out.rows;
    if (column >= out.planes) return;
    const index_t group = column / n_banks;
    const int width = word_codes << word_bits(out.planes - group * n_banks);
    for (int half = 0; half < 2; ++half) {
        const Wide* const banks =
            sums + ((group * 2 + half) * out.rows + bin) * n_banks;
        int64_t sum = 0;
        for (int bank = static_cast<int>(column % n_banks); bank < n_banks;
             bank += width) {
            sum += static_cast<int64_t>(banks[bank]);
        }
        const Exponents e = exponents_of<T>(report->largest[half]);
        out.data[2 * i + half] =
            static_cast<double>(sum) * ldexp(1.0, -e.first) * ldexp(1.0, -e.second);
    }
}

/// Blocks of sum_rows that the device holds at once.
Status find_resident(int& blocks) noexcept {
    int multiprocessors = 0, shared = 0, reserved = 0;
    for (const auto& [which, value] :
         {std::pair{cudaDevAttrMultiProcessorCount, &multiprocessors},
          std::pair{cudaDevAttrMaxSharedMemoryPerMultiprocessor, &shared},
          std::pair{cudaDevAttrReservedSharedMemoryPerBlock, &reserved}}) {
        if (const Status status = find_attribute(which, *value); !status.ok()) {
            return status;
        }
    }
    blocks = multiprocessors * std::clamp(shared / (shared_bytes + reserved), 1,
                                          int{blocks_per_multiprocessor});
    return {};
}

/// Parts by the words of the groups, so that all blocks together are as many as fit; or
/// a few times as many, where a group would get so few that places stayed empty.
Shares share_out(index_t n_columns, index_t n_used, int resident) noexcept {
    const index_t whole = n_columns / n_banks;
    const index_t left = n_columns % n_banks;
    const index_t last_words = left > 0 ? index_t{1} << word_bits(left) : 0;
    const index_t words = whole * most_words + last_words;
    const index_t blocks = resident / (whole + 1) < few_parts ? 4 * resident : resident;
    const index_t most = std::max<index_t>(1, n_used / least_rows);
    const auto parts = [&](index_t share) {
        return static_cast<int>(std::clamp<index_t>(blocks * share / words, 1, most));
    };
    return {whole, parts(most_words), left > 0 ? parts(last_words) : 0};
}

template <bool Aligned, class T, class Rows>
Status launch_sum(const Node<T, Rows>& node, Report* report, Wide* sums,
                  Stream stream) noexcept {
    int resident = 0;
    const Status status = find_resident(resident);
    if (!status.ok()) return status;
    const auto kernel = sum_rows<Aligned, T, Rows>;
    FASTNOTES_CUDA_TRY(cudaFuncSetAttribute(
        kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes));
    const Shares shares = share_out(node.n_columns, node.n_used, resident);
    const auto blocks =
        static_cast<unsigned>(shares.whole_groups * shares.parts + shares.last_parts);
    kernel<<<blocks, block_threads, shared_bytes, stream>>>(node, shares, report, sums);
    return launched();
}

template <class T, class Rows>
Status sum_and_finish(const Node<T, Rows>& node, View3<double> out, Report* report,
                      Wide* sums, Stream stream) noexcept {
    if (out.size() == 0) return {};
    Status status;
    if (node.n_used > 0) {
        const auto address = reinterpret_cast<std::uintptr_t>(node.bins);
        const bool aligned = (node.n_columns | address) % word_codes == 0;
        status = aligned ? launch_sum<true>(node, report, sums, stream)
                         : launch_sum<false>(node, report, sums, stream);
    }
    if (!status.ok()) return status;
    const auto blocks =
        static_cast<unsigned>(ceil_div(out.planes * out.rows, simple_threads));
    finish<T><<<blocks, simple_threads, 0, stream>>>(sums, out, report);
    return launched();
}

/// Bytes of the sums that blocks share, [groups, 2, n_bins, 32].
index_t sums_bytes(index_t n_columns, index_t n_bins) noexcept {
    return ceil_div(n_columns, n_banks) * 2 * n_bins * n_banks * index_t{sizeof(Wide)};
}

} // namespace

index_t histogram_scratch(index_t n_rows, index_t n_columns, index_t n_bins,
                          bool listed) noexcept {
    const index_t seen = listed ? ceil_div(n_rows, 32) * index_t{sizeof(uint32_t)} : 0;
    return report_bytes + sums_bytes(n_columns, n_bins) + seen;
}

template <class T, class Row>
Status build_histogram(View2<const uint8_t> bins, View1<const T> grad,
                       View1<const T> hess, View1<const Row> rows, View3<double> out,
                       void* scratch, HistogramOutcome& outcome,
                       Stream stream) noexcept {
    const bool listed = rows.data != nullptr;
    const index_t size = histogram_scratch(bins.rows, bins.columns, out.rows, listed);
    auto* const bytes = static_cast<char*>(scratch);
    auto* const report = reinterpret_cast<Report*>(bytes);
    auto* const sums = reinterpret_cast<Wide*>(bytes + report_bytes);
    auto* const seen = reinterpret_cast<uint32_t*>(bytes + report_bytes +
                                                   sums_bytes(bins.columns, out.rows));
    const auto n_columns = static_cast<uint32_t>(bins.columns);
    const int n_bins = static_cast<int>(out.rows);

    if (n_columns != bins.columns) return {cudaErrorInvalidValue};
    FASTNOTES_CUDA_TRY(
        cudaMemsetAsync(scratch, 0, static_cast<std::size_t>(size), stream));
    Status status = launch_inspection(grad, hess, report, stream);
    if (status.ok() && listed) {
        status = launch_inspection(rows, bins.rows, report, seen, stream);
        if (!status.ok()) return status;
        const Node<T, ListedRows<Row>> node{
            bins.data, n_columns, grad.data, hess.data, {rows.data}, rows.size, n_bins};
        status = sum_and_finish(node, out, report, sums, stream);
    } else if (status.ok()) {
        const Node<T, EveryRow> node{bins.data, n_columns, grad.data, hess.data,
                                     {},        bins.rows, n_bins};
        status = sum_and_finish(node, out, report, sums, stream);
    }
    if (!status.ok()) return status;
    Report found{};
    FASTNOTES_CUDA_TRY(
        cudaMemcpyAsync(&found, report, sizeof found, cudaMemcpyDeviceToHost, stream));
    FASTNOTES_CUDA_TRY(cudaStreamSynchronize(stream));
    outcome = outcome_of<T>(found);
    return {};
}

#define FASTNOTES_INSTANTIATE(T, Row)                                                  \
    template Status build_histogram<T, Row>(                                           \
        View2<const uint8_t>, View1<const T>, View1<const T>, View1<const Row>,        \
        View3<double>, void*, HistogramOutcome&, Stream) noexcept;
FASTNOTES_INSTANTIATE(float, int32_t)
FASTNOTES_INSTANTIATE(float, int64_t)
FASTNOTES_INSTANTIATE(double, int32_t)
FASTNOTES_INSTANTIATE(double, int64_t)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::boosting::cuda
