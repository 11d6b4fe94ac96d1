/// Large memory that is kept for the next call: scratch, caches, results.
///
/// A training loop asks for the same megabytes again and again; giving them back to the
/// operating system in between costs a page fault, and the clearing of a page, for
/// every page of every call (a third of the time of a small LSTM). So large blocks wait
/// here, up to a fixed total, for the next workspace that they fit; the oldest make
/// room for the newest. The system may take the pages of very large ones if it runs
/// short.
#pragma once

#include "bindings/arrays.hpp"
#include "common/aligned.hpp"

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace fastnotes {

class WorkspacePool {
  public:
    using Block = AlignedBuffer<unsigned char>;

    /// Smaller blocks are malloc's business; more than this in total is not kept.
    static constexpr index_t smallest_kept = index_t{1} << 18;
    static constexpr index_t most_kept = index_t{512} << 20;
    /// From here on the system's permission to take pages costs little beside a use.
    static constexpr index_t smallest_offered = index_t{32} << 20;

    static WorkspacePool& instance() {
        static auto* const pool = new WorkspacePool; // workspaces may outlive statics
        return *pool;
    }

    /// A block of at least `bytes`: the smallest kept one that wastes no more than a
    /// quarter, else a new one.
    Block take(index_t bytes) {
        if (bytes >= smallest_kept) {
            const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
            if (lock.owns_lock()) {
                const std::size_t best = find(bytes);
                if (best < kept_.size()) return remove(best);
            }
        }
        return Block(bytes);
    }

    void give(Block block) noexcept {
        const index_t size = block.size();
        if (size < smallest_kept || size > most_kept) return;
        if (size >= smallest_offered) block.offer_pages();
        const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
        if (!lock.owns_lock()) return;
        while (total_ + size > most_kept) remove(0);
        try {
            kept_.push_back(std::move(block));
            total_ += size;
        } catch (const std::bad_alloc&) { // then it is freed like any other
        }
    }

  private:
    std::size_t find(index_t bytes) const {
        std::size_t best = kept_.size();
        for (std::size_t i = 0; i < kept_.size(); ++i) {
            const index_t size = kept_[i].size();
            if (size < bytes || size > bytes + bytes / 4) continue;
            if (best == kept_.size() || size < kept_[best].size()) best = i;
        }
        return best;
    }

    Block remove(std::size_t i) {
        Block block = std::move(kept_[i]);
        kept_.erase(kept_.begin() + static_cast<std::ptrdiff_t>(i));
        total_ -= block.size();
        return block;
    }

    std::mutex mutex_; // tried, never waited for: a fork may have taken its owner away
    std::vector<Block> kept_; // oldest first
    index_t total_ = 0;
};

/// `size` uninitialised elements on a cache line. Throws std::bad_alloc.
template <class T> class Workspace {
  public:
    Workspace() = default;
    explicit Workspace(index_t size)
        : block_(WorkspacePool::instance().take(bytes(size))) {}
    ~Workspace() { WorkspacePool::instance().give(std::move(block_)); }
    Workspace(const Workspace&) = delete;
    Workspace& operator=(const Workspace&) = delete;
    Workspace(Workspace&&) noexcept = default;
    Workspace& operator=(Workspace&& other) noexcept {
        std::swap(block_, other.block_);
        return *this;
    }

    T* data() const noexcept { return reinterpret_cast<T*>(block_.data()); }

  private:
    static index_t bytes(index_t size) {
        constexpr auto item = static_cast<index_t>(sizeof(T));
        if (size > std::numeric_limits<index_t>::max() / item) throw std::bad_alloc();
        return size * item;
    }

    WorkspacePool::Block block_;
};

/// A new uninitialised C-contiguous array whose memory, if large, is a Workspace's.
template <class T, class... Extent> py::array_t<T> pooled_empty(Extent... extents) {
    const index_t size = (index_t{1} * ... * extents);
    if (size < WorkspacePool::smallest_kept / static_cast<index_t>(sizeof(T))) {
        return empty<T>(extents...);
    }
    auto memory = std::make_unique<Workspace<T>>(size);
    T* const data = memory->data();
    const py::capsule owner(memory.get(), [](void* workspace) {
        delete static_cast<Workspace<T>*>(workspace);
    });
    (void)memory.release();
    const std::array<py::ssize_t, sizeof...(Extent)> shape{extents...};
    return py::array_t<T>(shape, data, owner);
}

} // namespace fastnotes
