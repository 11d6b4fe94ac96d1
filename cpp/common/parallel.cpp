#include "common/parallel.hpp"

#include "common/meeting.hpp"

#ifdef FASTNOTES_OPENMP
#include <omp.h>
#else
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>
#endif

#ifdef __unix__
#include <unistd.h>
#endif

namespace fastnotes {
namespace {

using std::int64_t;

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

/// When the sites that lose by threads try them again: soon after a first loss; the
/// later, the more trials in a row have failed.
class Trials {
  public:
    bool due() const noexcept {
        return steady_time() >= next_.load(std::memory_order_relaxed);
    }
    void failed(int64_t lost) noexcept {
        constexpr int64_t longest_pause = 500'000'000;
        const int64_t now = steady_time(),
                      last = pause_.load(std::memory_order_relaxed);
        const bool soon = now < next_.load(std::memory_order_relaxed) + last;
        const int64_t wanted = soon ? std::max(2 * last, 8 * lost) : 2 * lost;
        const int64_t pause = std::min(wanted, longest_pause);
        pause_.store(pause, std::memory_order_relaxed);
        next_.store(now + pause, std::memory_order_relaxed);
    }

  private:
    std::atomic<int64_t> next_{0}, pause_{0};
};
Trials trials;

/// A thread that has slept for longer may have to wait until its core wakes up, too.
constexpr int64_t stays_awake = 1'000'000;
std::atomic<int64_t> last_team{0};

/// A region, as its threads see it.
struct Region {
    detail::RegionBody body;
    void* context;
    Meeting meeting;

    void run(int index, int size) noexcept {
        meeting.enter(index);
        body(context, Team{index, size, &meeting});
        meeting.leave(index, size);
    }
};

void run_alone(detail::RegionBody body, void* context) noexcept {
    body(context, Team{0, 1, nullptr});
}

} // namespace

bool detail::meet(const Team& team) noexcept {
    return team.meeting->wait(team.index, team.size);
}

#ifdef FASTNOTES_OPENMP

const char* threading_runtime() noexcept {
#ifdef __clang__
    return "OpenMP (libomp)";
#else
    return "OpenMP (libgomp)";
#endif
}

namespace {

bool in_region() noexcept { return omp_in_parallel() != 0; }

/// The team's size; 0: no region was run.
int run_team(int n_threads, Region& region) noexcept {
    int size = 1;
#pragma omp parallel num_threads(n_threads)
    {
        const int index = omp_get_thread_num();
        if (index == 0) size = omp_get_num_threads();
        region.run(index, omp_get_num_threads());
    }
    return size;
}

} // namespace

#else

const char* threading_runtime() noexcept { return "thread pool"; }

namespace {

thread_local bool is_member = false;

bool in_region() noexcept { return is_member; }

/// Threads that wait for regions; grown on demand, one region at a time.
class Pool {
  public:
    /// False when the pool is busy with another caller's region, or cannot grow.
    bool try_run(int n_threads, Region& region) noexcept {
        std::unique_lock<std::mutex> turn(turn_, std::try_to_lock);
        if (!turn.owns_lock() || !grow(n_threads - 1)) return false;
        {
            const std::scoped_lock lock(mutex_);
            region_ = &region;
            team_size_ = n_threads;
            running_ = n_threads - 1;
            ++n_regions_;
        }
        start_.notify_all();
        run(region, 0, n_threads);
        std::unique_lock<std::mutex> lock(mutex_);
        done_.wait(lock, [this] { return running_ == 0; });
        return true;
    }

  private:
    static void run(Region& region, int index, int size) noexcept {
        is_member = true;
        region.run(index, size);
        is_member = false;
    }

    bool grow(int n_workers) noexcept {
        try {
            while (static_cast<int>(workers_.size()) < n_workers) {
                const int index = static_cast<int>(workers_.size()) + 1;
                workers_.emplace_back(
                    [this, index, seen = n_regions_] { work(index, seen); });
            }
        } catch (...) {
            return false;
        }
        return true;
    }

    [[noreturn]] void work(int index, unsigned long seen) {
        std::unique_lock<std::mutex> lock(mutex_);
        for (;;) {
            start_.wait(lock, [&] { return n_regions_ != seen; });
            seen = n_regions_;
            const int size = team_size_;
            if (index >= size) continue;
            Region& region = *region_;
            lock.unlock();
            run(region, index, size);
            lock.lock();
            if (--running_ == 0) done_.notify_one();
        }
    }

    std::mutex turn_;
    std::mutex mutex_;
    std::condition_variable start_, done_;
    std::vector<std::thread> workers_;
    Region* region_ = nullptr;
    int team_size_ = 0;
    int running_ = 0;
    unsigned long n_regions_ = 0;
};

/// Never destroyed: its threads may outlive static destruction.
Pool& pool() {
    static Pool* const instance = new Pool;
    return *instance;
}

int run_team(int n_threads, Region& region) noexcept {
    return pool().try_run(n_threads, region) ? n_threads : 0;
}

} // namespace

#endif

void detail::run_region(int n_threads, RegionBody body, void* context,
                        Site& site) noexcept {
    const bool loses = site.loses.load(std::memory_order_relaxed);
    if (in_region() || !threads_usable() || (loses && !trials.due()))
        return run_alone(body, context);
    const bool awake =
        steady_time() < last_team.load(std::memory_order_relaxed) + stays_awake;
    Region region{body, context, Meeting(n_threads, awake)};
    const int size = run_team(n_threads, region);
    if (size == 0) return run_alone(body, context);
    region.meeting.close();
    last_team.store(steady_time(), std::memory_order_relaxed);
    const bool lost = region.meeting.is_loss(size);
    if (lost) trials.failed(region.meeting.lost());
    if (lost != loses) site.loses.store(lost, std::memory_order_relaxed);
}

} // namespace fastnotes
