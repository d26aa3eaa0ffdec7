#include "labels/factors.hpp"

#include <algorithm>
#include <limits>

namespace fastfuse {
namespace {

// The rows that hold voxels. Those with one number of candidates lie together, so that loops over candidates
// end where the processor expects it.
std::vector<Factors::Row> sorted_rows(const LabelTable& table, const RowTruths& truths) {
    std::vector<Factors::Row> rows;
    rows.reserve(table.counts.size());
    for (std::int64_t row = 0; row < table.size(); ++row)
        if (table.counts[static_cast<std::size_t>(row)] > 0) rows.push_back(static_cast<Factors::Row>(row));
    std::stable_sort(rows.begin(), rows.end(), [&](Factors::Row one, Factors::Row two) {
        return truths.candidates(one) < truths.candidates(two);
    });
    return rows;
}

} // namespace

// Names factors as rows come.
class Factors::Numbering {
  public:
    Numbering(const LabelTable& table, Factors& factors)
        : table_(table), labels_(table.kinds()), factors_(factors),
          at_(static_cast<std::size_t>(table.raters) * labels_ * labels_, no_vote) {
        factors_.place_.push_back(0); // of votes that are not there
        factors_.of_rater_.resize(static_cast<std::size_t>(table.raters));
    }

    // Whether there are numbers left, whatever the row's factors are.
    bool has_room_for(std::int64_t candidates) const {
        constexpr auto most = std::numeric_limits<Number>::max();
        constexpr auto most_named = std::numeric_limits<std::uint32_t>::max();
        return static_cast<std::int64_t>(factors_.size()) + candidates * table_.raters <= most &&
               factors_.first_.back() + candidates <= most_named;
    }

    void name(std::int64_t row, const Code* code, std::int64_t candidates) {
        for (std::int64_t k = 0; k < candidates; ++k)
            for (int i = 0; i < table_.raters; ++i) {
                const Code vote = table_.codes_of(i)[row];
                factors_.number_.push_back(vote == no_code ? no_vote : number(i, vote, code[k]));
            }
    }

  private:
    Number number(int rater, Code vote, Code truth) {
        const auto i = static_cast<std::size_t>(rater);
        const std::size_t place = (i * labels_ + vote) * labels_ + truth;
        if (at_[place] == no_vote) {
            at_[place] = static_cast<Number>(factors_.size());
            factors_.place_.push_back(place);
            factors_.of_rater_[i].push_back(at_[place]);
        }
        return at_[place];
    }

    const LabelTable& table_;
    std::size_t labels_;
    Factors& factors_;
    std::vector<Number> at_;
};

Factors::Factors(const LabelTable& table, const RowTruths& truths, Watch& watch)
    : raters_(table.raters), per_rater_(table.kinds() * table.kinds()), rows_(sorted_rows(table, truths)) {
    std::int64_t named = 0;
    for (const Row row : rows_)
        if (const std::int64_t n = truths.candidates(row); n <= most_candidates) named += n;
    code_.reserve(static_cast<std::size_t>(named));
    number_.reserve(static_cast<std::size_t>(named * raters_));
    first_.reserve(rows_.size() + 1);
    first_.push_back(0);
    Numbering numbering(table, *this);
    Patience patience(watch);
    const auto names = [&](Row row) {
        const std::int64_t n = truths.candidates(row);
        patience.after(n * raters_);
        if (n > most_candidates || !numbering.has_room_for(n)) {
            other_rows_.push_back(row);
            return false;
        }
        const Code* code = truths.code.data() + truths.first[row];
        numbering.name(row, code, n);
        code_.insert(code_.end(), code, code + n);
        first_.push_back(first_.back() + static_cast<std::uint32_t>(n));
        return true;
    };
    std::size_t kept = 0;
    for (const Row row : rows_)
        if (names(row)) rows_[kept++] = row;
    rows_.resize(kept);
}

std::vector<double> Factors::of(const Matrices& theta) const {
    std::vector<double> factor(size(), 1);
    for (std::size_t f = no_vote + 1; f < size(); ++f)
        factor[f] = theta.entries()[place_[f]];
    return factor;
}

void Factors::add(const std::vector<double>& counted, int rater, double* counts) const {
    const std::size_t first = static_cast<std::size_t>(rater) * per_rater_;
    for (const Number f : of_rater_[static_cast<std::size_t>(rater)])
        counts[place_[f] - first] += counted[f];
}

} // namespace fastfuse
