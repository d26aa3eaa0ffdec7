#include "em/census.hpp"

#include <cmath>

#include "em/em.hpp"
#include "posterior/enumeration.hpp"

namespace fastfuse {
namespace {

class CensusTaker {
  public:
    CensusTaker(const BatchExpectation& expectation, int raters, bool splits) : expectation_(expectation) {
        for (int fractional = 0; fractional <= raters; ++fractional)
            cost_.push_back(std::min(enumeration_cost(fractional), characteristic_cost(fractional, splits)));
    }

    Census operator()(const Batch& batch, const Worker& worker) {
        Census census(batch.raters);
        census.mean_vote = expectation_(batch, worker);
        for (std::int64_t row = 0; row < batch.rows; ++row)
            add(batch, row, census);
        return census;
    }

  private:
    void add(const Batch& batch, std::int64_t row, Census& census) const {
        const double count = batch.count[row];
        if (count == 0) return;
        double sum = 0;
        int read = 0;
        for (int i = 0; i < batch.raters; ++i) {
            const double q = batch.votes_of(i)[row];
            if (is_missing(q)) continue;
            census.volume[static_cast<std::size_t>(i)] += count * q;
            census.unmarked[static_cast<std::size_t>(i)] += count * (1 - q);
            census.read[static_cast<std::size_t>(i)] += count;
            sum += q;
            ++read;
        }
        if (batch.prior) census.prior += count * batch.prior[row];
        if (sum != 0 && sum != read) census.disputed += count;
        const int fractional = fractional_votes(batch, row);
        census.terms += std::ldexp(1.0, fractional);
        census.row_cost += cost_[static_cast<std::size_t>(fractional)];
        census.most_fractional = std::max(census.most_fractional, fractional);
    }

    BatchExpectation expectation_;
    std::vector<double> cost_; // of a row, by its number of fractional votes
};

} // namespace

void Census::add(const Census& other) {
    mean_vote.add(other.mean_vote);
    for (std::size_t i = 0; i < volume.size(); ++i)
        volume[i] += other.volume[i];
    for (std::size_t i = 0; i < unmarked.size(); ++i)
        unmarked[i] += other.unmarked[i];
    for (std::size_t i = 0; i < read.size(); ++i)
        read[i] += other.read[i];
    prior += other.prior;
    disputed += other.disputed;
    row_cost += other.row_cost;
    terms += other.terms;
    most_fractional = std::max(most_fractional, other.most_fractional);
}

Census take_census(const Rows& rows, bool splits, const Team& team) {
    const Performance none;
    return sum_over(rows, team, Census(rows.raters()), [&] {
        return CensusTaker(BatchExpectation(Model::mean_vote, MStep::paper, none), rows.raters(), splits);
    });
}

void check_voters(const Census& census, int least, BadInput::Kind kind) {
    const auto voters =
        std::count_if(census.read.begin(), census.read.end(), [](double voxels) { return voxels > 0; });
    if (voters < least) throw BadInput(kind, -1, -1, static_cast<double>(voters));
}

} // namespace fastfuse
