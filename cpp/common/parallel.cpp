#include "common/parallel.hpp"

#include <thread>

#ifdef FASTNOTES_OPENMP
#include <omp.h>
#else
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>
#endif

#ifdef __unix__
#include <unistd.h>
#endif

namespace fastnotes {
namespace {

// About 10 us: longer than a step of a small recurrent net, far below a time slice.
constexpr int spins_before_yield = 4000;

void pause() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

long process_id() noexcept {
#ifdef __unix__
    return static_cast<long>(getpid());
#else
    return 0;
#endif
}

/// True in the process that first used threads, false in a child forked after that.
bool threads_usable() noexcept {
    static std::atomic<long> owner{0};
    const long self = process_id();
    long expected = 0;
    return owner.compare_exchange_strong(expected, self) || expected == self;
}

} // namespace

void Barrier::wait(int n_threads) noexcept {
    const unsigned phase = phase_.load(std::memory_order_relaxed);
    if (waiting_.fetch_add(1, std::memory_order_acq_rel) == n_threads - 1) {
        waiting_.store(0, std::memory_order_relaxed);
        phase_.store(phase + 1, std::memory_order_release);
        return;
    }
    for (int spin = 0; phase_.load(std::memory_order_acquire) == phase; ++spin) {
        if (spin < spins_before_yield) {
            pause();
        } else {
            std::this_thread::yield();
        }
    }
}

#ifdef FASTNOTES_OPENMP

const char* threading_runtime() noexcept {
#ifdef __clang__
    return "OpenMP (libomp)";
#else
    return "OpenMP (libgomp)";
#endif
}

void detail::run_region(int n_threads, RegionBody body, void* context) noexcept {
    if (!threads_usable() || omp_in_parallel()) {
        body(context, Team{0, 1, nullptr});
        return;
    }
    Barrier meeting;
#pragma omp parallel num_threads(n_threads)
    body(context, Team{omp_get_thread_num(), omp_get_num_threads(), &meeting});
}

#else

const char* threading_runtime() noexcept { return "thread pool"; }

namespace {

/// Threads that wait for regions; grown on demand, one region at a time.
class Pool {
  public:
    /// False when the pool is busy with another caller's region, or cannot grow.
    bool try_run(int n_threads, detail::RegionBody body, void* context) noexcept {
        std::unique_lock<std::mutex> turn(turn_, std::try_to_lock);
        if (!turn.owns_lock() || !grow(n_threads - 1)) return false;
        Barrier meeting;
        {
            const std::scoped_lock lock(mutex_);
            body_ = body;
            context_ = context;
            meeting_ = &meeting;
            team_size_ = n_threads;
            running_ = n_threads - 1;
            ++region_;
        }
        start_.notify_all();
        body(context, Team{0, n_threads, &meeting});
        std::unique_lock<std::mutex> lock(mutex_);
        done_.wait(lock, [this] { return running_ == 0; });
        return true;
    }

  private:
    bool grow(int n_workers) noexcept {
        try {
            while (static_cast<int>(workers_.size()) < n_workers) {
                const int index = static_cast<int>(workers_.size()) + 1;
                workers_.emplace_back(
                    [this, index, seen = region_] { work(index, seen); });
            }
        } catch (...) {
            return false;
        }
        return true;
    }

    [[noreturn]] void work(int index, unsigned long seen) {
        std::unique_lock<std::mutex> lock(mutex_);
        for (;;) {
            start_.wait(lock, [&] { return region_ != seen; });
            seen = region_;
            if (index >= team_size_) continue;
            const Team team{index, team_size_, meeting_};
            lock.unlock();
            body_(context_, team);
            lock.lock();
            if (--running_ == 0) done_.notify_one();
        }
    }

    std::mutex turn_;
    std::mutex mutex_;
    std::condition_variable start_, done_;
    std::vector<std::thread> workers_;
    detail::RegionBody body_ = nullptr;
    void* context_ = nullptr;
    Barrier* meeting_ = nullptr;
    int team_size_ = 0;
    int running_ = 0;
    unsigned long region_ = 0;
};

/// Never destroyed: its threads may outlive static destruction.
Pool& pool() {
    static Pool* const instance = new Pool;
    return *instance;
}

thread_local bool in_region = false;

} // namespace

void detail::run_region(int n_threads, RegionBody body, void* context) noexcept {
    if (in_region || !threads_usable()) {
        body(context, Team{0, 1, nullptr});
        return;
    }
    struct Marked {
        RegionBody body;
        void* context;
    } marked{body, context};
    const auto mark = [](void* inner, const Team& team) {
        const auto* call = static_cast<Marked*>(inner);
        in_region = true;
        call->body(call->context, team);
        in_region = false;
    };
    if (!pool().try_run(n_threads, mark, &marked)) mark(&marked, Team{0, 1, nullptr});
}

#endif

} // namespace fastnotes
