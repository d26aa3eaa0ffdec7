#include "write.hpp"

#include <algorithm>
#include <vector>

namespace fastfuse {
namespace {

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

} // namespace

MakeConsenter by_expectation(Model model, const Performance& performance) {
    return [model, &performance] { return std::make_unique<ByExpectation>(model, performance); };
}

MakeConsenter by_masses(const Masses& masses) {
    return [&masses] { return std::make_unique<ByMasses>(masses); };
}

Range write_patterns(const Patterns& patterns, const MakeConsenter& make, const Output& to, const Team& team,
                     int most_consenters) {
    std::vector<double> probability(static_cast<std::size_t>(patterns.size()));
    PerThread<std::unique_ptr<Consenter>> consenters(team);
    team.run(
        patterns.batches(),
        [&](std::int64_t job, const Worker& worker) {
            const Batch batch = patterns.batch(job);
            const Posterior& posterior = (*consenters.of(worker, make))(batch, worker);
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
    PerThread<Share> shares(team);
    team.run(
        block_count(votes),
        [&](std::int64_t job, const Worker& worker) {
            Share& share = shares.of(worker, [&] { return Share{Block(votes), make(), {}}; });
            read_block(votes, job, share.block);
            const Posterior& posterior = (*share.consenter)(batch_of(votes, share.block), worker);
            for (std::int64_t k = 0; k < share.block.voxels; ++k) {
                const std::int32_t row = share.block.row_of(k);
                const double probability = row < 0 ? 0 : posterior.foreground[static_cast<std::size_t>(row)];
                to.put(share.block.first + k, probability);
                if (row >= 0) share.range.include(probability);
            }
        },
        most_consenters);
    Range range;
    shares.each([&](const Share& share) { range.include(share.range); });
    return range;
}

} // namespace fastfuse
