#include "boosting/growth_columns.hpp"

#include "common/philox.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace fastnotes::boosting {

ColumnChooser::ColumnChooser(const GrowthRules& rules, List tree_columns,
                             std::uint64_t seed, std::uint32_t tree_index)
    : rules_(rules), tree_(std::move(tree_columns)), seed_(seed),
      tree_index_(tree_index) {}

const ColumnChooser::List& ColumnChooser::of_level(index_t depth) {
    if (rules_.colsample_bylevel >= 1.0) return tree_;
    while (static_cast<index_t>(levels_.size()) <= depth) {
        levels_.push_back(draw(tree_, rules_.colsample_bylevel, level_columns_purpose,
                               levels_.size()));
    }
    return levels_[static_cast<std::size_t>(depth)];
}

const ColumnChooser::List&
ColumnChooser::of_node(index_t depth, std::uint64_t node_path, const List& path) {
    const List& level = of_level(depth);
    const bool draws = rules_.colsample_bynode < 1.0;
    const bool is_bound = !rules_.interactions.empty() && !path.empty();
    if (!draws && !is_bound) return level;
    List chosen = level;
    if (draws) {
        chosen = draw(level, rules_.colsample_bynode, node_columns_purpose, node_path);
    }
    nodes_.push_back(is_bound ? meeting(chosen, path) : std::move(chosen));
    return nodes_.back();
}

ColumnChooser::List ColumnChooser::draw(const List& from, double share,
                                        std::uint32_t purpose,
                                        std::uint64_t index) const {
    const auto low = [](std::uint64_t word) {
        return static_cast<std::uint32_t>(word);
    };
    const PhiloxCounter derived =
        philox4x32({low(index), low(index >> 32), purpose, tree_index_},
                   {low(seed_), low(seed_ >> 32)});
    std::vector<std::pair<std::uint32_t, std::int32_t>> drawn;
    drawn.reserve(from.size());
    for (const std::int32_t c : from) {
        const auto column = static_cast<std::uint32_t>(c);
        const auto words =
            philox4x32({column, 0, purpose, tree_index_}, {derived[0], derived[1]});
        drawn.emplace_back(words[0], c);
    }
    std::sort(drawn.begin(), drawn.end());
    const auto wanted =
        static_cast<std::size_t>(share * static_cast<double>(from.size()));
    List chosen;
    for (std::size_t i = 0; i < std::max<std::size_t>(1, wanted); ++i) {
        chosen.push_back(drawn[i].second);
    }
    std::sort(chosen.begin(), chosen.end());
    return chosen;
}

/// Columns of `from` that may stand below `path`.
ColumnChooser::List ColumnChooser::meeting(const List& from, const List& path) const {
    List seen = path;
    for (const List& set : rules_.interactions) {
        if (std::includes(set.begin(), set.end(), path.begin(), path.end())) {
            seen.insert(seen.end(), set.begin(), set.end());
        }
    }
    std::sort(seen.begin(), seen.end());
    List chosen;
    std::set_intersection(from.begin(), from.end(), seen.begin(), seen.end(),
                          std::back_inserter(chosen));
    return chosen;
}

} // namespace fastnotes::boosting
