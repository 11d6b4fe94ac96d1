/// Where the threads of a region meet, and what the meetings cost the caller.
#pragma once

#include <atomic>
#include <cstdint>

namespace fastnotes {

/// Nanoseconds of a clock that only goes forward.
std::int64_t steady_time() noexcept;

/// Whether teams stay together even at a loss; tests of what threads compute want that.
void keep_teams(bool keep) noexcept;

/// From now on the caller goes on alone from that meeting of every region, the first
/// being 0; -1: only where the others are a loss. Returns how many regions parted so
/// since the call before. For tests.
int part_teams_at(int meeting) noexcept;

/// Waiters spin for some microseconds, then sleep. While the caller sleeps, the CPU
/// time of a thread that is missing tells whether that thread has a core; time in which
/// it has none is lost.
class Meeting {
  public:
    /// Where the threads are not awake, the wait until they are is no loss.
    Meeting(int n_threads, bool awake) noexcept;

    /// The calling thread is in.
    void enter(int index) noexcept;

    /// Until all of the team are here. False, for each of them, once the caller is to
    /// go on alone because the others are a loss.
    bool wait(int index, int size) noexcept;

    /// The calling thread is out. The caller waits for the others.
    void leave(int index, int size) noexcept;

    /// The region is over. What the runtime took to start and to end it is lost, too.
    void close() noexcept;

    /// Whether the caller alone would have been done sooner than the team of `size`.
    bool is_loss(int size) const noexcept;

    std::int64_t lost() const noexcept { return lost_; }

  private:
    using Phase = std::uint32_t; // goes up by 2 at every meeting; odd: the caller alone

    struct alignas(64) Seat {
        std::atomic<int> clock;     // of the thread's CPU time; 0: it is not in yet
        std::atomic<Phase> arrived; // the last phase that it has ended
    };
    static constexpr int most_seats = 64; // threads beyond are not watched

    bool parts(int size) noexcept;
    Phase arrive(int index, int size) noexcept;
    void wait_for_others(int index, int size, Phase phase) noexcept;
    bool spin(int size, Phase phase) const noexcept;
    void watch_missing(int size, Phase phase) noexcept;
    Seat* seat(int index) noexcept {
        return index < most_seats ? &seats_[index] : nullptr;
    }

    const bool awake_;
    const std::int64_t started_;
    std::int64_t left_ = 0, lost_ = 0;
    int meetings_ = 0;
    alignas(64) std::atomic<int> waiting_{0};
    std::atomic<int> sleepers_{0};
    std::atomic<bool> alone_{false};
    alignas(64) std::atomic<Phase> phase_{0};
    Seat seats_[most_seats];
};

} // namespace fastnotes
