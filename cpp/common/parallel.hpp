/// Threads: one layer between the kernels and OpenMP (or our own pool without it).
///
///   parallel_region(n, f)        f(team) once on each of n threads
///   parallel_for(n_items, n, f)  f(item), contiguous static shares
///   parallel_blocks(n, t, f)     f(block, thread), blocks handed out as threads get
///   free
///
/// Results must not depend on who runs what: threads own outputs, or fixed blocks whose
/// partial results are combined in a fixed order, or integer sums. A body must not
/// throw. A child forked after threads were used runs serially (libgomp would hang
/// there).
#pragma once

#include "common/view.hpp"

#include <algorithm>
#include <atomic>
#include <type_traits>

namespace fastnotes {

class Meeting;
struct Team;

namespace detail {

/// Whether the team goes on as it is.
bool meet(const Team& team) noexcept;

} // namespace detail

/// What a thread of a region knows: who it is, and how to meet the others.
struct Team {
    int index;
    int size;
    Meeting* meeting;

    void barrier() const noexcept {
        if (size > 1) detail::meet(*this);
    }

    /// A barrier after which the caller may be alone, where the others do not get their
    /// cores. False for those: they return from the body.
    bool goes_on() noexcept {
        if (size == 1 || detail::meet(*this)) return true;
        size = 1;
        return index == 0;
    }

    /// This thread's contiguous share [first, last) of n items, equal to within one.
    struct Share {
        index_t first, last;
    };
    Share share(index_t n) const noexcept {
        return {n * index / size, n * (index + 1) / size};
    }
};

namespace detail {

using RegionBody = void (*)(void* context, const Team& team);

/// What is known of a loop: whether threads beside the caller were a loss to it.
struct Site {
    std::atomic<bool> loses{false};
};

/// Runs the body on up to n_threads threads (fewer if the runtime grants fewer, one
/// while they would be a loss; the team's size tells), the caller being thread 0.
void run_region(int n_threads, RegionBody body, void* context, Site& site) noexcept;

} // namespace detail

/// Runtime behind the regions: "OpenMP <date>" or "thread pool".
const char* threading_runtime() noexcept;

template <class F> void parallel_region(int n_threads, F&& body) noexcept {
    if (n_threads <= 1) {
        body(Team{0, 1, nullptr});
        return;
    }
    using Body = std::remove_reference_t<F>;
    static detail::Site site;
    detail::run_region(
        n_threads,
        [](void* context, const Team& team) { (*static_cast<Body*>(context))(team); },
        const_cast<void*>(static_cast<const void*>(&body)), site);
}

template <class F>
void parallel_for(index_t n_items, int n_threads, F&& body) noexcept {
    const auto wanted = std::min<index_t>(n_threads, n_items);
    parallel_region(static_cast<int>(wanted), [&](const Team& team) {
        const auto [first, last] = team.share(n_items);
        for (index_t i = first; i < last; ++i) body(i);
    });
}

template <class F>
void parallel_blocks(index_t n_blocks, int n_threads, F&& body) noexcept {
    std::atomic<index_t> next{0};
    const auto wanted = std::min<index_t>(n_threads, n_blocks);
    parallel_region(static_cast<int>(wanted), [&](const Team& team) {
        for (;;) {
            const index_t block = next.fetch_add(1, std::memory_order_relaxed);
            if (block >= n_blocks) return;
            body(block, team.index);
        }
    });
}

/// Threads worth starting for `work` units when one thread is fed by `grain` of them.
constexpr int worthwhile_threads(index_t work, index_t grain, int n_threads) noexcept {
    const index_t most = work / grain;
    return most < n_threads ? (most < 1 ? 1 : static_cast<int>(most)) : n_threads;
}

} // namespace fastnotes
