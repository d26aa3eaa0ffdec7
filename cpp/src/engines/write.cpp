#include "engines/write.hpp"

#include <algorithm>
#include <vector>

#include "support/sum_over_jobs.hpp"

namespace fastfuse {
namespace {

class ByExpectation : public Consenter {
  public:
    ByExpectation(Model model, const Performance& performance, std::shared_ptr<const Nodes> nodes)
        : expectation_(model, MStep::paper, performance, std::move(nodes)) {}
    const Posterior& operator()(const Batch& batch, const Worker& worker) override {
        return expectation_.posterior(batch, worker);
    }

  private:
    BatchExpectation expectation_;
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
    return [model, &performance, nodes = nodes_for(model, performance)] {
        return std::make_unique<ByExpectation>(model, performance, nodes);
    };
}

MakeConsenter by_masses(const Masses& masses) {
    return [&masses] { return std::make_unique<ByMasses>(masses); };
}

Written write_patterns(const TableRows& rows, const PatternIndex& index, const MakeConsenter& make,
                       const Output& to, const Team& team, int most_consenters) {
    std::vector<double> probability(static_cast<std::size_t>(rows.batches() * batch_rows));
    const auto make_share = [&] {
        return [&, consenter = make()](std::int64_t job, const Worker& worker) {
            const Batch batch = rows.batch(job);
            const Posterior& posterior = (*consenter)(batch, worker);
            std::copy_n(posterior.foreground.begin(), batch.rows, probability.begin() + job * batch_rows);
            Written written(batch.raters);
            for (std::int64_t row = 0; row < batch.rows; ++row)
                written.add(batch, row, posterior.foreground[static_cast<std::size_t>(row)]);
            return written;
        };
    };
    const Written written =
        sum_over_jobs(rows.batches(), team, Written(rows.raters()), make_share, most_consenters);
    index.write(probability, to, team);
    return written;
}

Written write_voxels(const Votes& votes, const MakeConsenter& make, const Output& to, const Team& team,
                     int most_consenters) {
    const auto make_share = [&] {
        return [&, block = Block(votes), consenter = make()](std::int64_t job, const Worker& worker) mutable {
            read_block(votes, job, block);
            const Batch batch = batch_of(votes, block);
            const Posterior& posterior = (*consenter)(batch, worker);
            Written written(batch.raters);
            for (std::int64_t row = 0; row < batch.rows; ++row)
                written.add(batch, row, posterior.foreground[static_cast<std::size_t>(row)]);
            for (std::int64_t k = 0; k < block.voxels; ++k) {
                const std::int32_t row = block.row_of(k);
                to.put(block.first + k, row < 0 ? 0 : posterior.foreground[static_cast<std::size_t>(row)]);
            }
            return written;
        };
    };
    return sum_over_jobs(block_count(votes), team, Written(votes.size()), make_share, most_consenters);
}

} // namespace fastfuse
