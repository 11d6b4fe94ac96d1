#include "common/meeting.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#ifdef __linux__
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>
#endif

namespace fastnotes {
namespace {

using std::int64_t;

// Longer than a step of a small recurrent net, far below a time slice.
constexpr int64_t longest_spin = 20'000;
constexpr int pauses_per_look = 16;

// Less is what it takes to wake up.
constexpr int64_t least_loss = 500'000;

std::atomic<bool> teams_are_kept{false};
std::atomic<int> parting_meeting{-1}, n_partings{0};

void pause() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

#ifdef __linux__

/// For a nap at most, while the word has this value.
void sleep_while(std::atomic<std::uint32_t>& word, std::uint32_t value) noexcept {
    constexpr timespec nap{0, 1'000'000};
    syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, &nap, nullptr, 0);
}
void wake_all(std::atomic<std::uint32_t>& word) noexcept {
    syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

int own_cpu_clock() noexcept {
    clockid_t clock;
    return pthread_getcpuclockid(pthread_self(), &clock) == 0 ? clock : 0;
}
int64_t cpu_time(int clock) noexcept {
    timespec time;
    if (clock == 0 || clock_gettime(clock, &time) != 0) return 0;
    return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}
constexpr bool has_cpu_clocks = true;

/// Cores that the calling thread may use.
int count_cores() noexcept {
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof cores, &cores) != 0) return INT_MAX;
    return CPU_COUNT(&cores);
}

#else

void sleep_while(std::atomic<std::uint32_t>&, std::uint32_t) noexcept {
    std::this_thread::yield();
}
void wake_all(std::atomic<std::uint32_t>&) noexcept {}

int own_cpu_clock() noexcept { return 0; }
int64_t cpu_time(int) noexcept { return 0; }
constexpr bool has_cpu_clocks = false;

int count_cores() noexcept {
    return static_cast<int>(std::thread::hardware_concurrency());
}

#endif

} // namespace

int64_t steady_time() noexcept {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

void keep_teams(bool keep) noexcept {
    teams_are_kept.store(keep, std::memory_order_relaxed);
}

int part_teams_at(int meeting) noexcept {
    parting_meeting.store(meeting, std::memory_order_relaxed);
    return n_partings.exchange(0, std::memory_order_relaxed);
}

Meeting::Meeting(int n_threads, bool awake) noexcept
    : awake_(awake), started_(steady_time()) {
    for (int i = 0; i < std::min(n_threads, most_seats); ++i) {
        seats_[i].clock.store(0, std::memory_order_relaxed);
        seats_[i].arrived.store(~Phase{0}, std::memory_order_relaxed);
    }
}

void Meeting::enter(int index) noexcept {
    if (Seat* const own = seat(index))
        own->clock.store(own_cpu_clock(), std::memory_order_relaxed);
    if (index == 0 && awake_) lost_ = steady_time() - started_;
}

bool Meeting::wait(int index, int size) noexcept {
    if (index == 0 && parts(size)) alone_.store(true, std::memory_order_relaxed);
    const Phase phase = arrive(index, size);
    wait_for_others(index, size, phase);
    return phase_.load(std::memory_order_acquire) % 2 == 0;
}

void Meeting::leave(int index, int size) noexcept {
    const Phase phase = arrive(index, size);
    if (index != 0) return;
    wait_for_others(index, size, phase);
    left_ = steady_time();
}

void Meeting::close() noexcept { lost_ += steady_time() - left_; }

/// Whether the caller is to go on alone from this meeting on.
bool Meeting::parts(int size) noexcept {
    const int meeting = meetings_++;
    if (meeting != parting_meeting.load(std::memory_order_relaxed))
        return is_loss(size);
    n_partings.fetch_add(1, std::memory_order_relaxed);
    return true;
}

bool Meeting::is_loss(int size) const noexcept {
    if (teams_are_kept.load(std::memory_order_relaxed)) return false;
    if (alone_.load(std::memory_order_relaxed)) return true;
    if (lost_ <= least_loss) return false;
    // Beside others, a thread more is also a larger share of the cores, so that a team
    // may lose half of what its other threads could have done.
    const int64_t rest = steady_time() - started_ - lost_;
    return 2 * lost_ > (size - 1) * rest;
}

/// The phase that this thread ended; the last to arrive ends it for all.
Meeting::Phase Meeting::arrive(int index, int size) noexcept {
    const Phase phase = phase_.load(std::memory_order_relaxed);
    if (Seat* const own = seat(index))
        own->arrived.store(phase, std::memory_order_relaxed);
    if (waiting_.fetch_add(1, std::memory_order_acq_rel) != size - 1) return phase;
    waiting_.store(0, std::memory_order_relaxed);
    const bool alone = alone_.load(std::memory_order_relaxed);
    phase_.store((phase | 1u) + (alone ? 2 : 1)); // in one order with sleepers_
    if (sleepers_.load() > 0) wake_all(phase_);
    return phase;
}

void Meeting::wait_for_others(int index, int size, Phase phase) noexcept {
    if (spin(size, phase)) return;
    sleepers_.fetch_add(1);
    while (phase_.load(std::memory_order_acquire) == phase) {
        if (has_cpu_clocks && index == 0) {
            watch_missing(size, phase);
        } else {
            sleep_while(phase_, phase);
        }
    }
    sleepers_.fetch_sub(1, std::memory_order_relaxed);
}

/// Whether the phase ended within a spin. Where cores are fewer than threads, somebody
/// waits for this one.
bool Meeting::spin(int size, Phase phase) const noexcept {
    static const int cores = count_cores();
    const int64_t most = size <= cores ? longest_spin : 0;
    int64_t start = 0;
    do {
        for (int i = 0; i < pauses_per_look; ++i) {
            if (phase_.load(std::memory_order_acquire) != phase) return true;
            pause();
        }
        if (start == 0) start = steady_time();
    } while (steady_time() - start < most);
    return false;
}

/// A nap of the caller, and what of it was lost.
void Meeting::watch_missing(int size, Phase phase) noexcept {
    Seat* const end = seats_ + std::min(size, most_seats);
    const Seat* const missing = std::find_if(seats_ + 1, end, [&](const Seat& other) {
        return other.arrived.load(std::memory_order_relaxed) != phase;
    });
    if (missing == end) return sleep_while(phase_, phase);
    const int clock = missing->clock.load(std::memory_order_relaxed);
    const int64_t start = steady_time(), used = cpu_time(clock);
    sleep_while(phase_, phase);
    if (clock == 0 && !awake_) return;
    const int64_t ran = cpu_time(clock) - used;
    lost_ += std::max<int64_t>(0, steady_time() - start - ran);
}

} // namespace fastnotes
