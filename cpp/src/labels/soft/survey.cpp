// What is in soft votes: volumes, and what truncation does.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "labels/mapped/reader.hpp"
#include "labels/soft/columns.hpp"
#include "labels/soft/passes.hpp"

namespace fastfuse {
namespace {

struct Found {
    SoftSurvey survey; // mean_dropped and prior: the sums
    void add(const Found& part) {
        survey.volume.resize(std::max(survey.volume.size(), part.survey.volume.size()));
        for (std::size_t k = 0; k < part.survey.volume.size(); ++k)
            survey.volume[k] += part.survey.volume[k];
        survey.voxels += part.survey.voxels;
        survey.most_dropped = std::max(survey.most_dropped, part.survey.most_dropped);
        survey.mean_dropped += part.survey.mean_dropped;
        survey.prior.resize(std::max(survey.prior.size(), part.survey.prior.size()));
        for (std::size_t a = 0; a < part.survey.prior.size(); ++a)
            survey.prior[a] += part.survey.prior[a];
        survey.clamped += part.survey.clamped;
    }
};

void look(const SoftRows& rows, SoftSurvey& survey) {
    const std::size_t labels = rows.labels();
    survey.volume.resize(static_cast<std::size_t>(rows.raters()) * labels);
    for (int i = 0; i < rows.raters(); ++i)
        for (std::size_t b = 0; b < labels; ++b)
            survey.volume[static_cast<std::size_t>(i) * labels + b] +=
                columns::dot(rows.count.data(), rows.q(i, b), rows.size);
    for (std::int64_t r = 0; r < rows.size; ++r) {
        const auto row = static_cast<std::size_t>(r);
        survey.voxels += rows.count[row];
        survey.most_dropped = std::max(survey.most_dropped, rows.dropped[row]);
        survey.mean_dropped += rows.count[row] * rows.dropped[row];
    }
    if (rows.priors.empty()) return;
    survey.prior.resize(labels);
    for (std::size_t a = 0; a < labels; ++a)
        survey.prior[a] += columns::dot(rows.count.data(), rows.prior(a), rows.size);
    survey.clamped += static_cast<double>(rows.clamped);
}

struct Terms {
    std::vector<double> of; // each truncation
    void add(const Terms& part) {
        of.resize(std::max(of.size(), part.of.size()));
        for (std::size_t k = 0; k < part.of.size(); ++k)
            of[k] += part.of[k];
    }
};

// Votes of a rater above the truncation; the largest always is one.
double choices(const SoftRows& rows, int rater, std::int64_t r, double truncation) {
    double most = 0, above = 0;
    for (std::size_t b = 0; b < rows.labels(); ++b) {
        most = std::max(most, rows.q(rater, b)[r]);
        above += rows.q(rater, b)[r] > truncation;
    }
    return most > truncation ? above : 1;
}

} // namespace

SoftSurvey survey_soft(const SoftVotes& votes, int threads, const ShouldStop& ask) {
    const Team team = soft_team(votes, threads, ask);
    Found found = sum_over_rows<Found>(votes, team, [] {
        return [](const SoftRows& rows, Found& part, const Worker&) { look(rows, part.survey); };
    });
    if (found.survey.voxels == 0) throw BadInput(BadInput::Kind::empty_mask);
    found.survey.mean_dropped /= found.survey.voxels;
    if (votes.are_mapped()) {
        survey_priors(votes, mapped_team(votes, threads, ask), found.survey);
        return std::move(found.survey);
    }
    for (double& prior : found.survey.prior)
        prior /= found.survey.voxels;
    return std::move(found.survey);
}

std::vector<double> count_terms(const SoftVotes& votes, const std::vector<double>& truncations, int threads,
                                const ShouldStop& ask) {
    const Team team = soft_team(votes, threads, ask);
    return sum_over_rows<Terms>(votes, team,
                                [&] {
                                    return [&](const SoftRows& rows, Terms& part, const Worker&) {
                                        part.of.resize(truncations.size());
                                        for (std::size_t k = 0; k < truncations.size(); ++k)
                                            for (std::int64_t r = 0; r < rows.size; ++r) {
                                                double terms = 1;
                                                for (int i = 0; i < rows.raters(); ++i)
                                                    terms *= choices(rows, i, r, truncations[k]);
                                                part.of[k] += terms;
                                            }
                                    };
                                })
        .of;
}

} // namespace fastfuse
