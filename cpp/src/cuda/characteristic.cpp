// The E-step by the characteristic function as an engine: host side.
#include <algorithm>
#include <cmath>

#include "cuda/characteristic/kernels.hpp"
#include "cuda/passes_on_device.hpp"
#include "engines/lanes/lane_rates.hpp"
#include "posterior/characteristic.hpp"

namespace fastfuse::cuda {
namespace {

Odds odds_of(const Performance& performance) {
    const fastfuse::Nodes nodes(performance);
    Odds odds{};
    const std::size_t raters = nodes.gain.size();
    odds.groups = static_cast<int>((raters + raters_together - 1) / raters_together);
    std::copy_n(nodes.no.begin(), raters, odds.no);
    std::copy_n(nodes.gain.begin(), raters, odds.gain);
    std::copy_n(nodes.log_false_positive.begin(), raters, odds.log_false_positive);
    std::copy_n(nodes.log_true_negative.begin(), raters, odds.log_true_negative);
    for (std::size_t i = 0; i < raters; ++i) {
        odds.one_yes[i] = likelier_where_one(performance, i);
        odds.zero_yes[i] = likelier_where_zero(performance, i);
    }
    odds.log_background = std::log1p(-performance.prior);
    odds.logit = std::log(performance.prior) - odds.log_background;
    return odds;
}

// Upper bound of |S|.
double largest_of(const Odds& odds, int raters) {
    double largest = std::abs(odds.logit);
    for (int i = 0; i < raters; ++i)
        largest += std::max(std::abs(odds.no[i]), std::abs(odds.no[i] + odds.gain[i]));
    return largest;
}

class PassesByNodes : public PassesOnDevice {
  public:
    PassesByNodes(const Votes& votes, bool fine) : PassesOnDevice(votes, fine), tables_(*votes.place) {}
    bool gathers_masses() const override { return false; }

  protected:
    std::vector<double> run(Step step, const Performance& performance, const Consensus& to) override {
        if (step == Step::mean_vote) return PassesOnDevice::run(step, performance, to);
        return sums_of(product_sums(raters()), [&](double* sums) {
            const Odds odds = odds_of(performance);
            const NodeSets sets = node_sets_for(odds, largest_of(odds, raters()));
            expect_by_nodes({columns_, odds, sets, to}, step == Step::marks, sums, tables_, scratch_);
        });
    }

  private:
    Scratch tables_; // table of nodes
};

} // namespace

std::unique_ptr<Passes> passes_by_nodes(const Votes& votes, bool fine) {
    return std::make_unique<PassesByNodes>(votes, fine);
}

} // namespace fastfuse::cuda
