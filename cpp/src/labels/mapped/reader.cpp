#include "labels/mapped/reader.hpp"

#include <algorithm>
#include <stdexcept>

#include "labels/index.hpp"
#include "support/sum_over_jobs.hpp"

namespace fastfuse {
namespace {

constexpr std::int64_t most_jobs = 64; // the same for every team: so is the sum

const LabelTable& with_index(const SoftVotes& votes) {
    if (!votes.tuples->index || votes.tuples->index->voxels() != votes.grid.voxels())
        throw std::invalid_argument("the table knows no voxels, or others than the map of priors");
    return *votes.tuples;
}

struct PriorSums {
    std::vector<double> of; // each label
    double clamped = 0;
    void add(const PriorSums& part) {
        of.resize(std::max(of.size(), part.of.size()));
        for (std::size_t a = 0; a < part.of.size(); ++a)
            of[a] += part.of[a];
        clamped += part.clamped;
    }
};

} // namespace

MappedReader::MappedReader(const SoftVotes& votes)
    : table_(with_index(votes)), reader_(votes, block_voxels), row_(block_voxels), inside_(block_voxels),
      priors_(votes.labels * block_voxels) {}

std::int64_t MappedReader::blocks(const SoftVotes& votes) {
    return (votes.grid.voxels() + block_voxels - 1) / block_voxels;
}

void MappedReader::read(std::int64_t block) {
    first_ = block * block_voxels;
    voxels_ = std::min(block_voxels, table_.index->voxels() - first_);
    for (std::int64_t k = 0; k < voxels_; ++k) {
        row_[static_cast<std::size_t>(k)] = table_.index->row_of(first_ + k);
        inside_[static_cast<std::size_t>(k)] = row_[static_cast<std::size_t>(k)] >= 0;
    }
    clamped_ = reader_.read(first_, voxels_, inside_.data(), priors_.data());
}

Team mapped_team(const SoftVotes& votes, int threads, const ShouldStop& ask) {
    return Team(MappedReader::blocks(votes) < 4 ? 1 : threads, ask);
}

void survey_priors(const SoftVotes& votes, const Team& team, SoftSurvey& survey) {
    const std::int64_t blocks = MappedReader::blocks(votes);
    const std::int64_t jobs = std::min(blocks, most_jobs);
    PriorSums found = sum_over_jobs(jobs, team, PriorSums{}, [&] {
        return [&, reader = MappedReader(votes)](std::int64_t job, const Worker& worker) mutable {
            PriorSums part{std::vector<double>(votes.labels)};
            for (std::int64_t b = job * blocks / jobs; b < (job + 1) * blocks / jobs && !worker.stopped();
                 ++b) {
                reader.read(b);
                part.clamped += static_cast<double>(reader.clamped());
                for (std::int64_t k = 0; k < reader.voxels(); ++k)
                    if (reader.row(k) >= 0 &&
                        votes.tuples->counts[static_cast<std::size_t>(reader.row(k))] > 0)
                        for (std::size_t a = 0; a < votes.labels; ++a)
                            part.of[a] += reader.prior(a, k);
            }
            return part;
        };
    });
    for (double& sum : found.of)
        sum /= survey.voxels;
    survey.prior = std::move(found.of);
    survey.clamped = found.clamped;
}

} // namespace fastfuse
