#include "boosting/bundles.hpp"

#include "common/parallel.hpp"

#include <algorithm>
#include <atomic>

namespace fastnotes::boosting {
namespace {

using std::int32_t;
using std::uint8_t;

/// Codes of a column, missing included, up to which it is bundled: sums of more cost
/// more at each node than they save.
constexpr index_t most_levels = 16;
/// The share of bytes that bundles must save to be worth their memory.
constexpr index_t least_saving = 8;
/// Work (rows x columns) that is worth a thread.
constexpr index_t grain = index_t{1} << 17;

/// Digits that each column needs; 0 where it keeps a byte of its own.
std::vector<index_t> count_levels(const GrowthTable& table, int n_threads) {
    std::vector<int32_t> candidates;
    for (index_t c = 0; c < table.bins.columns; ++c) {
        if (table.column_bins(c) < most_levels) {
            candidates.push_back(static_cast<int32_t>(c));
        }
    }
    std::vector<index_t> levels(static_cast<std::size_t>(table.bins.columns), 0);
    std::vector<std::atomic<bool>> has_missing(candidates.size());
    parallel_region(n_threads, [&](const Team& team) {
        const auto [first, last] = team.share(table.bins.rows);
        std::vector<uint8_t> seen(candidates.size(), 0);
        for (index_t r = first; r < last; ++r) {
            const uint8_t* const codes = table.bins.row(r);
            for (std::size_t i = 0; i < seen.size(); ++i) {
                seen[i] |= codes[candidates[i]] == table.missing_code ? uint8_t{1}
                                                                      : uint8_t{0};
            }
        }
        for (std::size_t i = 0; i < seen.size(); ++i) {
            if (seen[i] != 0) has_missing[i] = true;
        }
    });
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        const int32_t c = candidates[i];
        levels[static_cast<std::size_t>(c)] =
            table.column_bins(c) + (has_missing[i] ? 1 : 0);
    }
    return levels;
}

/// Puts each column into the first bundle with room for it.
std::vector<Bundle> fill_bundles(const GrowthTable& table,
                                 const std::vector<index_t>& levels) {
    std::vector<Bundle> bundles;
    std::vector<std::size_t> open;
    for (index_t c = 0; c < table.bins.columns; ++c) {
        const auto column = static_cast<int32_t>(c);
        const index_t needed = levels[static_cast<std::size_t>(c)];
        const auto place = std::find_if(open.begin(), open.end(), [&](std::size_t i) {
            return needed > 0 && bundles[i].known * needed <= code_slots;
        });
        if (place != open.end()) {
            Bundle& bundle = bundles[*place];
            bundle.members.push_back({column, bundle.known, needed});
            bundle.known *= needed;
            continue;
        }
        if (needed > 0) open.push_back(bundles.size());
        bundles.push_back({{{column, 1, needed}}, std::max(needed, index_t{1})});
    }
    return bundles;
}

} // namespace

BundledTable::BundledTable(const GrowthTable& table, int n_threads)
    : decoder_of_(static_cast<std::size_t>(table.bins.columns), -1),
      codes_(table.bins) {
    const index_t n_columns = table.bins.columns;
    const int threads = worthwhile_threads(table.bins.size(), grain, n_threads);
    bundles_ = fill_bundles(table, count_levels(table, threads));
    const auto n_bundles = static_cast<index_t>(bundles_.size());
    const bool worthwhile = (n_columns - n_bundles) * least_saving >= n_columns;
    if (!worthwhile) {
        bundles_.clear();
        for (index_t c = 0; c < n_columns; ++c) {
            bundles_.push_back({{{static_cast<int32_t>(c), 1, 0}}});
        }
    }
    bundle_of_.resize(static_cast<std::size_t>(n_columns));
    for (std::size_t i = 0; i < bundles_.size(); ++i) {
        Bundle& bundle = bundles_[i];
        for (const BundleMember& member : bundle.members) {
            bundle_of_[static_cast<std::size_t>(member.column)] =
                static_cast<int32_t>(i);
        }
        if (bundle.single()) {
            bundle.known = table.column_bins(bundle.members.front().column);
        }
        bundle.padded = round_up(bundle.known, bins_step);
        bundle.offset = wide_size_;
        wide_size_ += 2 * bundle.padded;
    }
    if (!worthwhile) return;
    make_decoders(table);
    encode(table, threads);
}

void BundledTable::make_decoders(const GrowthTable& table) {
    for (const Bundle& bundle : bundles_) {
        if (bundle.single()) continue;
        for (const BundleMember& member : bundle.members) {
            decoder_of_[static_cast<std::size_t>(member.column)] =
                static_cast<int32_t>(decoders_.size());
            CodeDecoder& decoder = decoders_.emplace_back();
            for (index_t code = 0; code < code_slots; ++code) {
                const index_t digit = code / member.stride % member.levels;
                decoder[static_cast<std::size_t>(code)] =
                    digit < table.column_bins(member.column)
                        ? static_cast<uint8_t>(digit)
                        : table.missing_code;
            }
        }
    }
}

void BundledTable::encode(const GrowthTable& table, int n_threads) {
    const auto n_columns = static_cast<std::size_t>(table.bins.columns);
    const auto n_bundles = static_cast<index_t>(bundles_.size());
    std::vector<uint8_t> most(n_columns, 255), stride(n_columns, 1);
    for (const Bundle& bundle : bundles_) {
        if (bundle.single()) continue;
        for (const BundleMember& member : bundle.members) {
            const auto c = static_cast<std::size_t>(member.column);
            most[c] = static_cast<uint8_t>(table.column_bins(member.column));
            stride[c] = static_cast<uint8_t>(member.stride);
        }
    }
    own_codes_ = AlignedBuffer<uint8_t>(table.bins.rows * n_bundles);
    parallel_region(n_threads, [&](const Team& team) {
        const auto [first, last] = team.share(table.bins.rows);
        for (index_t r = first; r < last; ++r) {
            const uint8_t* const codes = table.bins.row(r);
            uint8_t* const out = own_codes_.data() + r * n_bundles;
            std::fill_n(out, n_bundles, uint8_t{0});
            for (std::size_t c = 0; c < n_columns; ++c) {
                uint8_t& to = out[bundle_of_[c]];
                to = static_cast<uint8_t>(to + std::min(codes[c], most[c]) * stride[c]);
            }
        }
    });
    codes_ = {own_codes_.data(), table.bins.rows, n_bundles};
}

} // namespace fastnotes::boosting
