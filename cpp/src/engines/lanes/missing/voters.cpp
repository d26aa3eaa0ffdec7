#include "engines/lanes/missing/voters.hpp"

#include "support/lanes.hpp"
#include "support/simd.hpp"

namespace fastfuse {
namespace {

template <class T>
FASTFUSE_INLINE void drop_where_nan(const T* vote, Voters rater, std::int64_t n, Voters* voters) {
    for (std::int64_t k = 0; k < n; ++k)
        voters[k] &= ~(vote[k] != vote[k] ? rater : 0);
}

template <class T>
FASTFUSE_INLINE double keep_weight_of(const T* weight, const Voters* voters, Voters all, std::int64_t n,
                                      T* to) {
    std::int32_t kept = 0;
    for (std::int64_t k = 0; k < n; ++k) {
        to[k] = voters[k] == all ? weight[k] : T(0);
        kept += to[k] != 0 ? 1 : 0;
    }
    return kept;
}

template <class T>
FASTFUSE_INLINE void keep_value(const T* from, const T* weight, T elsewhere, std::int64_t n, T* to) {
    for (std::int64_t k = 0; k < n; ++k)
        to[k] = weight[k] != 0 ? from[k] : elsewhere;
}

} // namespace

std::vector<std::size_t> raters_of(Voters voters) {
    std::vector<std::size_t> raters;
    for (std::size_t i = 0; i < 64; ++i)
        if (voters >> i & 1) raters.push_back(i);
    return raters;
}

Performance of_raters(const Performance& performance, const std::vector<std::size_t>& raters) {
    Performance part(static_cast<int>(raters.size()));
    part.prior = performance.prior;
    for (std::size_t k = 0; k < raters.size(); ++k) {
        const std::size_t i = raters[k];
        part.sensitivity[k] = performance.sensitivity[i];
        part.false_negative_rate[k] = performance.false_negative_rate[i];
        part.specificity[k] = performance.specificity[i];
        part.false_positive_rate[k] = performance.false_positive_rate[i];
    }
    return part;
}

void add_of_raters(const Sums& from, const std::vector<std::size_t>& raters, Sums& to) {
    to.count += from.count;
    to.foreground += from.foreground;
    to.background += from.background;
    to.log_likelihood += from.log_likelihood;
    for (std::size_t k = 0; k < raters.size(); ++k) {
        const std::size_t i = raters[k];
        to.true_positive[i] += from.true_positive[k];
        to.false_negative[i] += from.false_negative[k];
        to.false_positive[i] += from.false_positive[k];
        to.true_negative[i] += from.true_negative[k];
    }
}

FASTFUSE_CLONES void drop_nan(const float* vote, Voters rater, std::int64_t n, Voters* voters) {
    drop_where_nan(vote, rater, n, voters);
}

FASTFUSE_CLONES void drop_nan(const double* vote, Voters rater, std::int64_t n, Voters* voters) {
    drop_where_nan(vote, rater, n, voters);
}

FASTFUSE_CLONES void drop_unseen(const std::uint8_t* seen, Voters rater, std::int64_t n, Voters* voters) {
    for (std::int64_t k = 0; k < n; ++k)
        voters[k] &= ~(seen[k] == 0 ? rater : 0);
}

FASTFUSE_CLONES double keep_weight(const float* weight, const Voters* voters, Voters all, std::int64_t n,
                                   float* to) {
    return keep_weight_of(weight, voters, all, n, to);
}

FASTFUSE_CLONES double keep_weight(const double* weight, const Voters* voters, Voters all, std::int64_t n,
                                   double* to) {
    return keep_weight_of(weight, voters, all, n, to);
}

FASTFUSE_CLONES void keep(const float* from, const float* weight, float elsewhere, std::int64_t n,
                          float* to) {
    keep_value(from, weight, elsewhere, n, to);
}

FASTFUSE_CLONES void keep(const double* from, const double* weight, double elsewhere, std::int64_t n,
                          double* to) {
    keep_value(from, weight, elsewhere, n, to);
}

} // namespace fastfuse
