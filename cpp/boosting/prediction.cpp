#include "boosting/prediction.hpp"

#include "boosting/byte_program.hpp"
#include "boosting/walk.hpp"
#include "common/parallel.hpp"

#include <algorithm>
#include <limits>

namespace fastnotes::boosting {
namespace {

using std::int32_t;
using std::int8_t;
using std::uint32_t;
using std::uint8_t;

constexpr index_t chunk_trees = 8; ///< whose leaves are found before they are added
constexpr index_t grain = 4096;    ///< rows x trees that are worth a thread
constexpr index_t few_rows = 6;    ///< up to so many are walked
constexpr index_t slot_bytes = index_t{1} << 18; ///< of a block's values, to stay in L2

std::size_t place(index_t i) noexcept { return static_cast<std::size_t>(i); }

/// Rows of a block; fewer where many slots are filled for walks.
index_t block_rows(const Model& model) noexcept {
    if (!model.bytes.has_walks) return plane_rows;
    const index_t fit = slot_bytes / (8 * model.forest.n_slots());
    return std::clamp<index_t>(fit / strip_rows * strip_rows, strip_rows, plane_rows);
}

// ---------------------------------------------------------------- planes

/// f(row, code, value) with the code as a plane has it, the lowest for NaN.
template <class T, class F>
FASTNOTES_INLINE void for_codes(const T* x, index_t stride, index_t n, const T* lookup,
                                index_t n_cuts, F&& f) {
    const auto shifted = [](int code) { return static_cast<int8_t>(code - 128); };
    if (n_cuts <= 16) {
        for (index_t i = 0; i < n; ++i) {
            const T value = x[i * stride];
            f(i, shifted(count_below(lookup + 16, value)), value);
        }
    } else {
        for (index_t i = 0; i < n; ++i) {
            const T value = x[i * stride];
            f(i, shifted(find_code(lookup, value)), value);
        }
    }
}

template <class T>
void fill_numeric(const T* x, index_t stride, index_t n, const T* lookup,
                  const NumericPlanes& column, int8_t* planes) noexcept {
    constexpr int8_t missing = std::numeric_limits<int8_t>::max();
    int8_t* const right = planes + column.right * plane_rows;
    int8_t* const left = planes + column.left * plane_rows;
    if (column.right < 0) {
        for_codes(x, stride, n, lookup, column.n_cuts,
                  [&](index_t i, int8_t code, T) { left[i] = code; });
    } else if (column.left < 0) {
        for_codes(x, stride, n, lookup, column.n_cuts,
                  [&](index_t i, int8_t code, T value) {
                      right[i] = value == value ? code : missing;
                  });
    } else {
        for_codes(x, stride, n, lookup, column.n_cuts,
                  [&](index_t i, int8_t code, T value) {
                      left[i] = code;
                      right[i] = value == value ? code : missing;
                  });
    }
}

/// Categories as integers: -1 for missing and negative ones, capped from above.
template <class T>
void read_categories(const T* x, index_t stride, index_t n,
                     int32_t* categories) noexcept {
    constexpr int32_t most = std::numeric_limits<int32_t>::max();
    for (index_t i = 0; i < n; ++i) {
        const T value = x[i * stride];
        categories[i] = !(value >= T(0))                  ? -1
                        : value < static_cast<T>(1 << 30) ? static_cast<int32_t>(value)
                                                          : most;
    }
}

void fill_set(const int32_t* categories, index_t n, const uint32_t* words,
              const SetPlane& set, int8_t* plane) noexcept {
    constexpr int8_t left = std::numeric_limits<int8_t>::min();
    constexpr int8_t right = std::numeric_limits<int8_t>::max();
    const int8_t missing = set.default_left ? left : right;
    for (index_t i = 0; i < n; ++i) {
        const index_t category = categories[i];
        const index_t word = category / 32;
        const bool in_set = category >= 0 && word < set.n_words &&
                            (words[word] >> (category % 32) & 1u) != 0;
        plane[i] = category < 0 ? missing : in_set ? left : right;
    }
}

template <class T>
void fill_planes(const ByteForest& bytes, const ByteGroup& group, View2<const T> X,
                 index_t first, index_t n, int8_t* planes) noexcept {
    const T* const x = X.row(first);
    for (const NumericPlanes& column : group.numeric) {
        fill_numeric(x + column.column, X.columns, n,
                     bytes.template lookup<T>(column.lookup), column, planes);
    }
    int32_t categories[plane_rows], read = -1;
    for (const SetPlane& set : group.sets) {
        if (set.column != read) {
            read = set.column;
            read_categories(x + read, X.columns, n, categories);
        }
        fill_set(categories, n, bytes.words.data() + set.first, set,
                 planes + set.plane * plane_rows);
    }
}

// ---------------------------------------------------------------- adding up

/// margins[row] += values of its leaves in chunk_trees trees, in their order.
template <index_t Stride>
void add_chunk(const double* values, const uint8_t* leaves, index_t n,
               double* margins) noexcept {
    for (index_t row = 0; row < n; ++row) {
        double sum = margins[row];
        for (index_t t = 0; t < chunk_trees; ++t) {
            sum += values[t * Stride + leaves[t * plane_rows + row]];
        }
        margins[row] = sum;
    }
}

/// Adds to margins of several outputs, or of fewer trees than a chunk has.
void add_any(const double* values, index_t stride, const uint8_t* leaves,
             const int32_t* outputs, index_t n_trees, index_t n, index_t n_outputs,
             double* margins) noexcept {
    for (index_t row = 0; row < n; ++row) {
        double* const sums = margins + row * n_outputs;
        for (index_t t = 0; t < n_trees; ++t) {
            sums[outputs[t]] += values[t * stride + leaves[t * plane_rows + row]];
        }
    }
}

/// Where leaves go: into margins ...
struct AddMargins {
    const Model& model;
    View2<double> margins;

    void chunk(index_t row, index_t n, index_t tree, index_t n_trees,
               const uint8_t* leaves) const noexcept {
        const index_t stride = model.bytes.leaf_stride;
        const double* const values = model.bytes.leaf_value.data() + tree * stride;
        double* const sums = margins.row(row);
        if (margins.columns == 1 && n_trees == chunk_trees) {
            if (stride == 64) return add_chunk<64>(values, leaves, n, sums);
            return add_chunk<most_byte_leaves>(values, leaves, n, sums);
        }
        add_any(values, stride, leaves, model.forest.output.data() + tree, n_trees, n,
                margins.columns, sums);
    }
    void one(index_t row, index_t tree, int32_t leaf) const noexcept {
        margins(row, model.forest.output[place(tree)]) +=
            model.forest.value[place(leaf)];
    }
};

/// ... or their numbers into an array.
struct WriteLeaves {
    const Model& model;
    index_t first_tree;
    View2<int32_t> leaves;

    void chunk(index_t row, index_t n, index_t tree, index_t n_trees,
               const uint8_t* found) const noexcept {
        const index_t stride = model.bytes.leaf_stride;
        const int32_t* const origin = model.bytes.origin.data() + tree * stride;
        for (index_t i = 0; i < n; ++i) {
            int32_t* const out = leaves.row(row + i) + (tree - first_tree);
            for (index_t t = 0; t < n_trees; ++t) {
                out[t] = origin[t * stride + found[t * plane_rows + i]];
            }
        }
    }
    void one(index_t row, index_t tree, int32_t leaf) const noexcept {
        leaves(row, tree - first_tree) = model.forest.origin[place(leaf)];
    }
};

// ---------------------------------------------------------------- blocks of rows

template <class T> struct Block {
    View2<const T> X;
    index_t first, n;
    int8_t *planes, *leaves, *operands;
    double* values;
};

template <class T, class Out>
void run_walk(const Model& model, const Block<T>& block, index_t tree,
              const Out& out) noexcept {
    walk_rows(
        model.forest, tree, block.values, block.n,
        [&](index_t row, int32_t leaf) { out.one(block.first + row, tree, leaf); });
}

/// Trees [first, last) of one group.
template <class T, class Out>
void run_group(const Model& model, const Block<T>& block, TreeRange trees,
               const Out& out) noexcept {
    const ByteForest& bytes = model.bytes;
    const index_t n = round_up(block.n, strip_rows);
    const auto walked = [&](index_t t) {
        return bytes.trees[place(t)].pass == Pass::walk;
    };
    for (index_t t = trees.first; t < trees.last;) {
        if (walked(t)) {
            run_walk(model, block, t++, out);
            continue;
        }
        index_t count = 0;
        for (; count < chunk_trees && t + count < trees.last && !walked(t + count);
             ++count) {
            run_tree(bytes, bytes.trees[place(t + count)], block.planes, block.operands,
                     n, block.leaves + count * plane_rows);
        }
        out.chunk(block.first, block.n, t, count,
                  reinterpret_cast<const uint8_t*>(block.leaves));
        t += count;
    }
}

template <class T, class Out>
void run_block(const Model& model, TreeRange trees, const Block<T>& block,
               const Out& out) noexcept {
    const Forest& forest = model.forest;
    if (model.bytes.has_walks) {
        for (index_t i = 0; i < block.n; ++i) {
            fill_slots(forest, block.X.row(block.first + i),
                       block.values + i * forest.n_slots());
        }
    }
    fill_numbers(block.operands);
    for (const ByteGroup& group : model.bytes.groups) {
        const TreeRange own{std::max(trees.first, group.first_tree),
                            std::min(trees.last, group.last_tree)};
        if (own.first >= own.last) continue;
        fill_planes(model.bytes, group, block.X, block.first, block.n, block.planes);
        run_group(model, block, own, out);
    }
}

/// Bytes of a thread's planes, leaves and stack, and of its values.
BatchSize thread_scratch(const Model& model) noexcept {
    const auto& bytes = model.bytes;
    const index_t n_slots = model.forest.n_slots();
    const index_t planes = bytes.most_planes + chunk_trees;
    return {round_up(planes * plane_rows + operand_bytes(bytes), index_t{64}),
            std::max(bytes.has_walks ? block_rows(model) * n_slots : 0, n_slots)};
}

template <class T, class Out>
void run_rows(const Model& model, TreeRange trees, View2<const T> X,
              const BatchScratch& scratch, int n_threads, const Out& out) noexcept {
    const BatchSize own = thread_scratch(model);
    if (X.rows <= few_rows) {
        for (index_t row = 0; row < X.rows; ++row) {
            fill_slots(model.forest, X.row(row), scratch.values);
            walk_row(model.forest, trees, scratch.values,
                     [&](index_t tree, int32_t leaf) { out.one(row, tree, leaf); });
        }
        return;
    }
    const index_t step = block_rows(model);
    const int threads =
        worthwhile_threads(X.rows * (trees.last - trees.first), grain, n_threads);
    parallel_blocks(ceil_div(X.rows, step), threads, [&](index_t number, int thread) {
        const index_t first = number * step;
        int8_t* const planes = scratch.bytes + thread * own.bytes;
        int8_t* const leaves = planes + model.bytes.most_planes * plane_rows;
        int8_t* const operands = leaves + chunk_trees * plane_rows;
        const index_t n = std::min(step, X.rows - first);
        const Block<T> block{X,
                             first,
                             n,
                             planes,
                             leaves,
                             operands,
                             scratch.values + thread * own.values};
        run_block(model, trees, block, out);
    });
}

} // namespace

template <class T>
void add_margins_of_row(const Forest& forest, TreeRange trees, const T* x,
                        double* margins, double* values) noexcept {
    fill_slots(forest, x, values);
    walk_row(forest, trees, values, [&](index_t tree, int32_t leaf) {
        margins[forest.output[place(tree)]] += forest.value[place(leaf)];
    });
}

BatchSize batch_scratch(const Model& model, int n_threads) noexcept {
    const BatchSize own = thread_scratch(model);
    return {own.bytes * n_threads, own.values * n_threads};
}

template <class T>
void add_margins(const Model& model, TreeRange trees, View2<const T> X,
                 View2<double> margins, const BatchScratch& scratch,
                 int n_threads) noexcept {
    run_rows(model, trees, X, scratch, n_threads, AddMargins{model, margins});
}

template <class T>
void find_leaves(const Model& model, TreeRange trees, View2<const T> X,
                 View2<int32_t> leaves, const BatchScratch& scratch,
                 int n_threads) noexcept {
    run_rows(model, trees, X, scratch, n_threads,
             WriteLeaves{model, trees.first, leaves});
}

#define FASTNOTES_INSTANTIATE(T)                                                       \
    template void add_margins_of_row<T>(const Forest&, TreeRange, const T*, double*,   \
                                        double*) noexcept;                             \
    template void add_margins<T>(const Model&, TreeRange, View2<const T>,              \
                                 View2<double>, const BatchScratch&, int) noexcept;    \
    template void find_leaves<T>(const Model&, TreeRange, View2<const T>,              \
                                 View2<int32_t>, const BatchScratch&, int) noexcept;
FASTNOTES_INSTANTIATE(float)
FASTNOTES_INSTANTIATE(double)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::boosting
