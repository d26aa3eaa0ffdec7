#include "fastfuse/fuse.hpp"

#include <algorithm>
#include <climits>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>

#include "fastfuse/enumerate.hpp"
#include "fastfuse/masses.hpp"

namespace fastfuse {
namespace {

constexpr std::int64_t most_patterns = 1 << 21; // sorting more takes longer than a Ctrl-C may wait
constexpr double undefined = std::numeric_limits<double>::quiet_NaN();

// What is known of the votes before any EM.
struct Census {
    explicit Census(int raters = 0) : mean_vote(raters), volume(static_cast<std::size_t>(raters)) {}

    void add(const Census& other) {
        mean_vote.add(other.mean_vote);
        for (std::size_t i = 0; i < volume.size(); ++i)
            volume[i] += other.volume[i];
        prior += other.prior;
        disputed += other.disputed;
        terms += other.terms;
        most_fractional = std::max(most_fractional, other.most_fractional);
    }

    Sums mean_vote;             // of an E-step whose w is the mean vote
    std::vector<double> volume; // Σ c q_i
    double prior = 0;           // Σ c π of a prior map
    double disputed = 0;
    double terms = 0; // Σ 2^f over the rows, f the fractional votes of a row: the cost of enumerating them
    int most_fractional = 0;
};

class CensusTaker {
  public:
    explicit CensusTaker(const Expectation& expectation) : expectation_(expectation) {}

    Census operator()(const Batch& batch, const Worker& worker) {
        Census census(batch.raters);
        census.mean_vote = expectation_(batch, worker);
        for (std::int64_t row = 0; row < batch.rows; ++row)
            add(batch, row, census);
        return census;
    }

  private:
    static void add(const Batch& batch, std::int64_t row, Census& census) {
        const double count = batch.count[row];
        if (count == 0) return;
        double sum = 0;
        for (int i = 0; i < batch.raters; ++i) {
            const double q = batch.votes_of(i)[row];
            census.volume[static_cast<std::size_t>(i)] += count * q;
            sum += q;
        }
        if (batch.prior) census.prior += count * batch.prior[row];
        if (sum != 0 && sum != batch.raters) census.disputed += count;
        const int fractional = fractional_votes(batch, row);
        census.terms += std::ldexp(1.0, fractional);
        census.most_fractional = std::max(census.most_fractional, fractional);
    }

    Expectation expectation_;
};

Census take_census(const Rows& rows, const Team& team) {
    const Performance none;
    return sum_over(rows, team, Census(rows.raters()),
                    [&] { return CensusTaker(Expectation(Model::mean_vote, MStep::paper, none)); });
}

// Finds w of each row of a batch. Scratch of one thread.
class Consenter {
  public:
    virtual ~Consenter() = default;
    virtual const Posterior& operator()(const Batch& batch, const Worker& worker) = 0;
};

using MakeConsenter = std::function<std::unique_ptr<Consenter>()>;

class ByExpectation : public Consenter {
  public:
    ByExpectation(Model model, const Performance& performance)
        : expectation_(model, MStep::paper, performance) {}
    const Posterior& operator()(const Batch& batch, const Worker& worker) override {
        return expectation_.posterior(batch, worker);
    }

  private:
    Expectation expectation_;
};

class ByMasses : public Consenter {
  public:
    explicit ByMasses(const Masses& masses) : mixer_(masses) {}
    const Posterior& operator()(const Batch& batch, const Worker& worker) override {
        mixer_.mix(batch, posterior_, worker);
        return posterior_;
    }

  private:
    Mixer mixer_;
    Posterior posterior_;
};

// The performance must live as long as the consenters.
MakeConsenter by_expectation(Model model, const Performance& performance) {
    return [model, &performance] { return std::make_unique<ByExpectation>(model, performance); };
}

// The least and the greatest of some probabilities.
struct Range {
    double lowest = 1, highest = 0;
    void include(double probability) {
        lowest = std::min(lowest, probability);
        highest = std::max(highest, probability);
    }
    void include(const Range& other) {
        lowest = std::min(lowest, other.lowest);
        highest = std::max(highest, other.highest);
    }
};

Range write_patterns(const Patterns& patterns, const MakeConsenter& make, const Output& to, const Team& team,
                     int most_consenters) {
    std::vector<double> probability(static_cast<std::size_t>(patterns.size()));
    std::vector<std::unique_ptr<Consenter>> consenters(static_cast<std::size_t>(team.size()));
    team.run(
        patterns.batches(),
        [&](std::int64_t job, const Worker& worker) {
            const Batch batch = patterns.batch(job);
            auto& consenter = consenters[static_cast<std::size_t>(worker.thread)];
            if (!consenter) consenter = make();
            const Posterior& posterior = (*consenter)(batch, worker);
            std::copy_n(posterior.foreground.begin(), batch.rows, probability.begin() + job * batch_rows);
        },
        most_consenters);
    patterns.write(probability, to, team);
    Range range;
    for (std::size_t row = 0; row < probability.size(); ++row)
        if (patterns.count(static_cast<std::int64_t>(row)) > 0) range.include(probability[row]);
    return range;
}

Range write_voxels(const Votes& votes, const MakeConsenter& make, const Output& to, const Team& team,
                   int most_consenters) {
    struct Share {
        Block block;
        std::unique_ptr<Consenter> consenter;
        Range range;
    };
    std::vector<std::unique_ptr<Share>> shares(static_cast<std::size_t>(team.size()));
    team.run(
        block_count(votes),
        [&](std::int64_t job, const Worker& worker) {
            auto& share = shares[static_cast<std::size_t>(worker.thread)];
            if (!share) share.reset(new Share{Block(votes), make(), {}});
            read_block(votes, job, share->block);
            const Posterior& posterior = (*share->consenter)(batch_of(votes, share->block), worker);
            for (std::int64_t k = 0; k < share->block.voxels; ++k) {
                const std::int32_t row = share->block.row_of(k);
                const double probability = row < 0 ? 0 : posterior.foreground[static_cast<std::size_t>(row)];
                to.put(share->block.first + k, probability);
                if (row >= 0) share->range.include(probability);
            }
        },
        most_consenters);
    Range range;
    for (const auto& share : shares)
        if (share) range.include(share->range);
    return range;
}

// Distinct patterns that fit into 6 bytes a voxel: each costs its votes twice (arrival, sorted), counts and
// slots.
std::int64_t default_capacity(const Votes& votes) {
    const int columns = votes.size() + (votes.prior ? 1 : 0);
    const std::int64_t fit = 6 * votes.voxels() / (16 * columns + 48);
    return std::clamp<std::int64_t>(fit, 4096, most_patterns);
}

// One call of fuse, step by step.
class Fusing {
  public:
    Fusing(const Votes& votes, const Options& options, const Output& consensus, const ShouldStop& ask)
        : votes_(votes), options_(options), consensus_(consensus), team_(options.threads, ask),
          voxels_(votes) {}

    Result run() {
        const bool given = options_.pattern_capacity >= 0;
        patterns_ = Patterns::find(votes_, consensus_,
                                   given ? options_.pattern_capacity : default_capacity(votes_), team_);
        census_ = take_census(rows(), team_);
        if (census_.mean_vote.count == 0) throw BadInput(BadInput::Kind::empty_mask);
        describe();
        const bool nobody =
            std::all_of(census_.volume.begin(), census_.volume.end(), [](double v) { return v == 0; });
        if (nobody || census_.mean_vote.background == 0)
            agree_everywhere();
        else if (options_.method == Method::majority_vote)
            majority_vote();
        else if (options_.method == Method::soft_staple)
            soft_staple();
        else
            product_staple();
        return result_;
    }

  private:
    const Rows& rows() const { return patterns_ ? static_cast<const Rows&>(*patterns_) : voxels_; }

    void describe() {
        const Sums& sums = census_.mean_vote;
        const double mean_vote = sums.foreground / sums.count;
        result_.prior = votes_.prior ? census_.prior / sums.count : options_.prior.value_or(mean_vote);
        result_.voxels = sums.count;
        result_.disputed = census_.disputed;
        result_.volume = census_.volume;
    }

    // Nobody marks anything, or everybody everything: the consensus is certain, and one of the two
    // performances has nothing to show itself on.
    void agree_everywhere() {
        const bool marked = census_.mean_vote.background == 0;
        result_.sensitivity.assign(static_cast<std::size_t>(votes_.size()), marked ? 1 : undefined);
        result_.specificity.assign(static_cast<std::size_t>(votes_.size()), marked ? undefined : 1);
        result_.converged = true;
        const Performance none;
        write(by_expectation(Model::mean_vote, none));
    }

    void majority_vote() {
        const Performance performance = maximise(census_.mean_vote, Performance(votes_.size()));
        result_.sensitivity = performance.sensitivity;
        result_.specificity = performance.specificity;
        result_.converged = true;
        write(by_expectation(Model::mean_vote, performance));
    }

    void product_staple() {
        const Estimate estimate = run_em(rows(), Model::product);
        write(by_expectation(Model::product, estimate.performance));
    }

    void soft_staple() {
        if (census_.most_fractional > most_fractional)
            throw BadInput(BadInput::Kind::too_many_fractional, -1, -1, census_.most_fractional);
        // One table of 2^m masses for the whole volume, or each row's own terms anew in every iteration.
        const bool by_masses = !votes_.prior && votes_.size() <= most_mass_raters &&
                               std::ldexp(1.0, votes_.size()) <= census_.terms;
        if (!by_masses) {
            const Estimate estimate = run_em(rows(), Model::enumerated);
            return write(by_expectation(Model::enumerated, estimate.performance));
        }
        Masses masses(rows(), options_.em.m_step == MStep::paper, team_);
        const Estimate estimate = run_em(masses, Model::product); // STAPLE on 2^m weighted rows
        masses.become_posterior(estimate.performance);
        write([&masses] { return std::make_unique<ByMasses>(masses); }, Mixer::most(votes_.size()));
    }

    Estimate run_em(const Rows& rows, Model model) {
        Performance performance(votes_.size(), std::clamp(options_.init.value_or(0.5), epsilon, 1 - epsilon));
        performance.prior = result_.prior;
        if (!options_.prior && !votes_.prior) // a mean vote may round to 0 or 1
            performance.prior = std::clamp(performance.prior, epsilon, 1 - epsilon);
        const std::optional<Sums> start =
            options_.init ? std::nullopt : std::optional<Sums>(census_.mean_vote);
        Estimate estimate = em(rows, model, options_.em, performance, start, team_);
        result_.sensitivity = estimate.performance.sensitivity;
        result_.specificity = estimate.performance.specificity;
        if (!votes_.prior) result_.prior = estimate.performance.prior;
        result_.log_likelihood = estimate.log_likelihood;
        result_.iterations = estimate.iterations;
        result_.converged = estimate.converged;
        return estimate;
    }

    void write(const MakeConsenter& make, int most_consenters = INT_MAX) {
        const Range range = patterns_ ? write_patterns(*patterns_, make, consensus_, team_, most_consenters)
                                      : write_voxels(votes_, make, consensus_, team_, most_consenters);
        result_.lowest = range.lowest;
        result_.highest = range.highest;
    }

    const Votes& votes_;
    const Options& options_;
    const Output& consensus_;
    Team team_;
    VoxelRows voxels_;
    std::unique_ptr<Patterns> patterns_;
    Census census_;
    Result result_;
};

} // namespace

Result fuse(const Votes& votes, const Options& options, const Output& consensus, const ShouldStop& ask) {
    return Fusing(votes, options, consensus, ask).run();
}

} // namespace fastfuse
