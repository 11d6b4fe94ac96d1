/// The vanilla recurrent network, for the passes of pass.hpp.
///
///     h_t = f(weight_ih x_t + weight_hh h_(t-1) + bias),   f = tanh or relu
///
/// Source: Elman, "Finding Structure in Time" (1990); Goodfellow, Bengio and Courville,
/// "Deep Learning", section 10.2.
#pragma once

#include "recurrent/pass.hpp"

namespace fastnotes::recurrent {

/// Cache: gates hold h. No c.
template <class T> struct RNN {
    using Value = T;
    using Extended = RNN;
    using Normalised = RNN;
    static constexpr index_t gates = 1;
    static constexpr bool has_c = false, extended = false, normalised = false;
};

} // namespace fastnotes::recurrent
