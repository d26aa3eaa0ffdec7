#include "labels/soft/enumeration.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fastfuse {
namespace {

constexpr double least_product = 1e-250; // below it, some product may have lost digits

} // namespace

// Labels that may be true and that each voter may mean.
void Enumeration::gather(const SoftRows& rows, std::int64_t row) {
    codes_.clear();
    voters_.clear();
    said_.assign(rows.labels(), 0);
    for (int i = 0; i < rows.raters(); ++i) {
        if (rows.votes_of(i)[row] == 0) continue;
        if (choices_.size() <= voters_.size()) choices_.emplace_back();
        Choices& choices = choices_[voters_.size()];
        choices.clear();
        voters_.push_back(i);
        for (std::size_t b = 0; b < rows.labels(); ++b)
            if (const double q = rows.q(i, b)[row]; q > 0) {
                choices.emplace_back(b, q);
                said_[b] = 1;
            }
    }
    for (std::size_t a = 0; a < rows.labels(); ++a)
        if (!voted_ || voters_.empty() || said_[a]) codes_.push_back(a);
    said_.assign(rows.labels(), 0);
    chosen_.resize(voters_.size());
    for (auto* levels : {&ahead_, &below_}) {
        if (levels->size() < voters_.size() + 1) levels->resize(voters_.size() + 1);
        for (std::vector<double>& level : *levels)
            level.resize(rows.labels());
    }
}

const std::vector<double>& Enumeration::expect(const SoftRows& rows, std::int64_t row, double* counts) {
    gather(rows, row);
    counts_ = counts;
    count_ = rows.count[static_cast<std::size_t>(row)];
    evidence_ = 0;
    terms_ = 0;
    for (std::size_t c = 0; c < codes_.size(); ++c)
        ahead_[0][c] = rows.prior(codes_[c]) ? rows.prior(codes_[c])[row] : prior_[codes_[c]];
    descend(0, 1);
    return below_[0];
}

// Sums over the labels that this voter and those after them may mean.
void Enumeration::descend(std::size_t voter, double mass) {
    if (voter == voters_.size()) return end(mass);
    std::vector<double>& sum = below_[voter];
    const std::vector<double>&before = ahead_[voter], &part = below_[voter + 1];
    std::vector<double>& after = ahead_[voter + 1];
    std::fill_n(sum.begin(), codes_.size(), 0.0);
    const int rater = voters_[voter];
    for (const auto& [b, q] : choices_[voter]) {
        const double* rates = theta_.of_vote(rater, b);
        for (std::size_t c = 0; c < codes_.size(); ++c)
            after[c] = before[c] * rates[codes_[c]];
        chosen_[voter] = b;
        ++said_[b];
        descend(voter + 1, mass * q);
        --said_[b];
        double* counts =
            counts_ ? counts_ + (static_cast<std::size_t>(rater) * said_.size() + b) * said_.size() : nullptr;
        for (std::size_t c = 0; c < codes_.size(); ++c) {
            sum[c] += part[c];
            if (counts) counts[codes_[c]] += count_ * part[c];
        }
    }
}

// One tuple: q(B) p(a | B).
void Enumeration::end(double mass) {
    ++terms_;
    const std::vector<double>& product = ahead_[voters_.size()];
    std::vector<double>& part = below_[voters_.size()];
    double sum = 0;
    for (std::size_t c = 0; c < codes_.size(); ++c) {
        part[c] = !voted_ || voters_.empty() || said_[codes_[c]] ? product[c] : 0;
        sum += part[c];
    }
    double log_sum;
    if (sum < least_product) {
        log_sum = find_by_logs();
        sum = 1;
    } else
        log_sum = std::log(sum);
    evidence_ += mass * log_sum;
    for (std::size_t c = 0; c < codes_.size(); ++c)
        part[c] *= mass / sum;
}

// Sets p(a | B); all 0 where the rates call B impossible. Returns log p(B).
double Enumeration::find_by_logs() {
    std::vector<double>& part = below_[voters_.size()];
    double most = -std::numeric_limits<double>::infinity();
    for (std::size_t c = 0; c < codes_.size(); ++c) {
        const std::size_t a = codes_[c];
        const bool may_be = !voted_ || voters_.empty() || said_[a];
        part[c] = may_be ? std::log(ahead_[0][c]) : -std::numeric_limits<double>::infinity();
        for (std::size_t v = 0; v < voters_.size() && may_be; ++v)
            part[c] += std::log(theta_.of_vote(voters_[v], chosen_[v])[a]);
        most = std::max(most, part[c]);
    }
    const bool possible = std::isfinite(most);
    double sum = 0;
    for (std::size_t c = 0; c < codes_.size(); ++c) {
        part[c] = possible ? std::exp(part[c] - most) : 0;
        sum += part[c];
    }
    for (std::size_t c = 0; c < codes_.size() && possible; ++c)
        part[c] /= sum;
    return possible ? most + std::log(sum) : 0;
}

} // namespace fastfuse
