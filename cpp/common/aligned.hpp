/// Scratch memory: aligned, uninitialised, freed with its scope.
#pragma once

#include "common/view.hpp"

#include <cstdlib>
#include <limits>
#include <new>
#include <type_traits>
#include <utility>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace fastnotes {

inline constexpr std::size_t cache_line = 64;
inline constexpr std::size_t huge_page = std::size_t{1} << 21;

/// `size` elements on a cache line (on a huge page from 2 MiB, which the kernel is then
/// asked for: a random walk over packed weights otherwise pays a TLB miss per panel).
/// Throws std::bad_alloc: allocate in host functions and bindings, not in kernels.
template <class T> class AlignedBuffer {
    static_assert(std::is_trivial_v<T>, "scratch holds plain numbers");

  public:
    AlignedBuffer() = default;

    explicit AlignedBuffer(index_t size) : size_(size) {
        if (size < 0 ||
            static_cast<std::size_t>(size) >
                (std::numeric_limits<std::size_t>::max() - huge_page) / sizeof(T)) {
            throw std::bad_alloc();
        }
        if (size == 0) return;
        const std::size_t wanted = static_cast<std::size_t>(size) * sizeof(T);
        const std::size_t unit = wanted < huge_page ? cache_line : huge_page;
        const std::size_t bytes = (wanted + unit - 1) / unit * unit;
        data_ = static_cast<T*>(std::aligned_alloc(unit, bytes));
        if (data_ == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
        if (unit == huge_page) (void)madvise(data_, bytes, MADV_HUGEPAGE);
#endif
    }

    ~AlignedBuffer() { std::free(data_); }
    AlignedBuffer(const AlignedBuffer&) = delete;
    AlignedBuffer& operator=(const AlignedBuffer&) = delete;
    AlignedBuffer(AlignedBuffer&& other) noexcept { swap(other); }
    AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
        swap(other);
        return *this;
    }

    /// Elements are lost: until they are next written, the system may take their pages.
    void offer_pages() noexcept {
#ifdef MADV_FREE
        const auto bytes = static_cast<std::size_t>(size_) * sizeof(T);
        if (bytes >= huge_page) (void)madvise(data_, bytes, MADV_FREE);
#endif
    }

    T* data() const noexcept { return data_; }
    index_t size() const noexcept { return size_; }

  private:
    void swap(AlignedBuffer& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
    }

    T* data_ = nullptr;
    index_t size_ = 0;
};

} // namespace fastnotes
