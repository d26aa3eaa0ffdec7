#include "labels/factors.hpp"

#include <algorithm>

namespace fastfuse {

Factors::Factors(const LabelTable& table, const RowTruths& truths, Watch& watch) : raters_(table.raters) {
    sort(table, truths);
    number(table, truths, watch);
}

// Rows with one number of candidates lie together, so that loops over candidates end where the processor
// expects it.
void Factors::sort(const LabelTable& table, const RowTruths& truths) {
    const auto candidates = [&](std::int64_t row) {
        return truths.first[static_cast<std::size_t>(row) + 1] - truths.first[static_cast<std::size_t>(row)];
    };
    for (std::int64_t row = 0; row < table.size(); ++row)
        if (table.counts[static_cast<std::size_t>(row)] > 0)
            (candidates(row) > most_candidates ? other_rows_ : rows_).push_back(row);
    std::stable_sort(rows_.begin(), rows_.end(),
                     [&](std::int64_t one, std::int64_t two) { return candidates(one) < candidates(two); });
    first_.push_back(0);
    for (const std::int64_t row : rows_)
        first_.push_back(first_.back() + candidates(row));
}

void Factors::number(const LabelTable& table, const RowTruths& truths, Watch& watch) {
    code_.reserve(static_cast<std::size_t>(first_.back()));
    for (const std::int64_t row : rows_)
        code_.insert(code_.end(), truths.code.begin() + truths.first[static_cast<std::size_t>(row)],
                     truths.code.begin() + truths.first[static_cast<std::size_t>(row) + 1]);
    number_.resize(code_.size() * static_cast<std::size_t>(raters_), no_vote);
    place_.push_back(0); // of votes that are not there
    const std::size_t labels = table.kinds();
    Patience patience(watch);
    for (int i = 0; i < table.raters; ++i) {
        of_rater_.push_back(place_.size());
        std::vector<Number> at(labels * labels, no_vote);
        for (std::size_t r = 0; r < rows_.size(); ++r) {
            const Code vote = table.codes_of(i)[rows_[r]];
            if (vote == no_code) continue;
            patience.after(first_[r + 1] - first_[r]);
            for (auto k = static_cast<std::size_t>(first_[r]); k < static_cast<std::size_t>(first_[r + 1]);
                 ++k) {
                const std::size_t place = vote * labels + code_[k];
                if (at[place] == no_vote) {
                    at[place] = static_cast<Number>(place_.size());
                    place_.push_back(place);
                }
                number_[k * static_cast<std::size_t>(raters_) + static_cast<std::size_t>(i)] = at[place];
            }
        }
    }
    of_rater_.push_back(place_.size());
}

std::vector<double> Factors::of(const Matrices& theta) const {
    std::vector<double> factor(size(), 1);
    for (int i = 0; i < raters_; ++i)
        for (std::size_t f = of_rater_[static_cast<std::size_t>(i)];
             f < of_rater_[static_cast<std::size_t>(i) + 1]; ++f)
            factor[f] = theta.of_rater(i)[place_[f]];
    return factor;
}

void Factors::add(const std::vector<double>& counted, int rater, double* counts) const {
    for (std::size_t f = of_rater_[static_cast<std::size_t>(rater)];
         f < of_rater_[static_cast<std::size_t>(rater) + 1]; ++f)
        counts[place_[f]] += counted[f];
}

} // namespace fastfuse
