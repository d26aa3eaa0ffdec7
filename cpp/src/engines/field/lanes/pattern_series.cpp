#include "engines/field/lanes/pattern_series.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace fastfuse {
namespace {

using kernels::bins_a_unit, kernels::series_degree, kernels::series_powers;

// p_0 … p_degree of σ(z + δ), and one more to tell the error. With s = σ: s' = s (1 − s) = g, and
// g' = g c, c = 1 − 2 s, c' = −2 g: coefficients of g and c follow from those before, without a difference.
template <int powers> std::array<double, powers + 1> sigmoid_series(double s, double rest) {
    std::array<double, powers + 1> p{}, g{}, c{};
    p[0] = s;
    g[0] = s * rest;
    c[0] = rest - s;
    for (std::size_t n = 1; n <= powers; ++n) {
        p[n] = g[n - 1] / static_cast<double>(n);
        for (std::size_t i = 0; i < n; ++i)
            g[n] += g[i] * c[n - 1 - i];
        g[n] /= static_cast<double>(n);
        c[n] = -2 * g[n - 1] / static_cast<double>(n);
    }
    return p;
}

// Bends the last but one coefficient by the one that is left out, δ^n ≈ (n/4) a² δ^(n − 2) in [−a, a], as
// Chebyshev's polynomials do: that spreads the error.
template <class T> void put_series(double z, T* to, double& log_sum) {
    constexpr int powers = series_powers<T>;
    const double e = std::exp(-std::abs(z)), larger = 1 / (1 + e), smaller = e / (1 + e);
    log_sum = std::max(z, 0.0) + std::log1p(e);
    auto p = sigmoid_series<powers>(z < 0 ? smaller : larger, z < 0 ? larger : smaller);
    constexpr double reach = 0.5 / bins_a_unit;
    p[powers - 2] += p[powers] * powers / 4 * reach * reach;
    for (std::size_t j = 0; j < powers; ++j)
        to[j] = static_cast<T>(p[j]);
}

constexpr std::size_t most_bytes = std::size_t{1} << 22; // of the bins that a thread holds

} // namespace

template <class T>
PatternSeries<T>::PatternSeries(int raters, bool with_marks)
    : first_(raters / 2), second_(raters - raters / 2), with_marks_(with_marks),
      size_(static_cast<std::size_t>(series_powers<T> + 1 + (with_marks ? series_powers<T> : 0)) << raters),
      room_(std::max<std::size_t>(1, most_bytes / (size_ * sizeof(T)))),
      held_(static_cast<std::size_t>(all_bins), -1) {}

template <class T> void PatternSeries<T>::begin(const std::vector<double>& log_odds, std::int64_t sweep) {
    if (sweep == sweep_) return;
    sweep_ = sweep;
    log_odds_ = log_odds;
    forget();
}

template <class T> void PatternSeries<T>::forget() {
    bins_.clear();
    std::fill(held_.begin(), held_.end(), -1);
}

template <class T> const kernels::SeriesTable<T>& PatternSeries<T>::of(std::int32_t bin) {
    const auto k = static_cast<std::size_t>(bin);
    if (held_[k] < 0) {
        if (bins_.size() == room_) forget();
        held_[k] = static_cast<std::int32_t>(bins_.size());
        bins_.push_back(find(bin));
    }
    return bins_[static_cast<std::size_t>(held_[k])].table;
}

template <class T> typename PatternSeries<T>::Bin PatternSeries<T>::find(std::int32_t bin) const {
    constexpr std::size_t powers = series_powers<T>, row = powers + 1;
    const std::size_t firsts = std::size_t{1} << first_, seconds = std::size_t{1} << second_;
    Bin found{{}, std::vector<T>(size_)};
    T* by_first = found.values.data();
    T* by_second = by_first + row * firsts * seconds;
    found.table.by_first = by_first;
    found.table.by_second = with_marks_ ? by_second : nullptr;
    const double middle = middle_of(bin);
    double without = 0, with = 0;
    put_series(middle, found.table.p, without);
    for (std::size_t a = 0; a < firsts; ++a)
        for (std::size_t c = 0; c < seconds; ++c) {
            T* at = by_first + (a * seconds + c) * row;
            put_series(middle + log_odds_[a + (c << first_)], at, with);
            at[powers] = static_cast<T>(with - without);
            if (with_marks_) std::copy_n(at, powers, by_second + (c * firsts + a) * powers);
        }
    return found;
}

template class PatternSeries<float>;
template class PatternSeries<double>;

} // namespace fastfuse
