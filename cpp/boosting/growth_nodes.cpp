#include "boosting/growth_nodes.hpp"

#include <algorithm>

namespace fastnotes::boosting {

std::vector<index_t> GrowthOrder::next(const std::vector<GrowthNode>& nodes) {
    return best_first_ ? next_best(nodes) : next_level(nodes);
}

std::vector<index_t> GrowthOrder::next_level(const std::vector<GrowthNode>& nodes) {
    std::vector<index_t> batch;
    const auto n_nodes = static_cast<index_t>(nodes.size());
    for (; seen_ < n_nodes && cuts_left_ != 0; ++seen_) {
        if (!nodes[static_cast<std::size_t>(seen_)].can_be_cut()) continue;
        batch.push_back(seen_);
        if (cuts_left_ > 0) --cuts_left_;
    }
    accepted_.insert(accepted_.end(), batch.begin(), batch.end());
    return batch;
}

void GrowthOrder::wait(const std::vector<GrowthNode>& nodes, index_t node) {
    const GrowthNode& about = nodes[static_cast<std::size_t>(node)];
    const index_t turn = turns_++;
    if (!about.can_be_cut()) return;
    waiting_.push_back({about.cut.gain, turn, node});
    std::push_heap(waiting_.begin(), waiting_.end());
}

std::vector<index_t> GrowthOrder::next_best(const std::vector<GrowthNode>& nodes) {
    const auto at = [&](index_t node) -> const GrowthNode& {
        return nodes[static_cast<std::size_t>(node)];
    };
    const auto pop = [](std::vector<Waiting>& heap) {
        std::pop_heap(heap.begin(), heap.end());
        const Waiting first = heap.back();
        heap.pop_back();
        return first;
    };
    if (turns_ == 0) wait(nodes, 0);
    while (cuts_left_ != 0 && !waiting_.empty() &&
           at(waiting_.front().node).expanded()) {
        const index_t node = pop(waiting_).node;
        accepted_.push_back(node);
        wait(nodes, at(node).left);
        wait(nodes, at(node).left + 1);
        if (cuts_left_ > 0) --cuts_left_;
    }
    std::vector<index_t> batch;
    if (cuts_left_ == 0 || waiting_.empty()) return batch;
    const auto n_waiting = static_cast<index_t>(waiting_.size());
    const index_t limit = cuts_left_ < 0 ? n_waiting : (cuts_left_ + 1) / 2;
    std::vector<Waiting> ahead = waiting_;
    for (index_t looked = 0; looked < limit && !ahead.empty(); ++looked) {
        const index_t node = pop(ahead).node;
        if (!at(node).expanded()) {
            batch.push_back(node);
            if (!looks_ahead_) break;
            continue;
        }
        for (index_t child = at(node).left; child <= at(node).left + 1; ++child) {
            if (!at(child).can_be_cut()) continue;
            ahead.push_back({at(child).cut.gain, turns_, child});
            std::push_heap(ahead.begin(), ahead.end());
        }
    }
    return batch;
}

} // namespace fastnotes::boosting
