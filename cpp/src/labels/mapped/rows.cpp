#include "labels/mapped/rows.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "labels/expectation.hpp"
#include "labels/mapped/reader.hpp"
#include "labels/truths.hpp"

namespace fastfuse {
namespace {

constexpr double least_product = 1e-250; // below it, some product may have lost digits
constexpr std::int64_t voxels_of_piece = 4096;
constexpr std::int64_t pieces_of_job = 64;
// Voxels whose evidence shares one logarithm. Scaled, evidence is at least π of some label, above 1e-7.
constexpr std::int64_t factors = 32;

double by_logs(const LabelTable& table, const Matrices& theta, std::int64_t row, const Code* code,
               std::int64_t n, double* to) {
    double most = -std::numeric_limits<double>::infinity();
    for (std::int64_t k = 0; k < n; ++k) {
        to[k] = 0;
        for (int i = 0; i < table.raters; ++i)
            if (const Code vote = table.codes_of(i)[row]; vote != no_code)
                to[k] += std::log(theta.of_vote(i, vote)[code[k]]);
        most = std::max(most, to[k]);
    }
    const bool possible = std::isfinite(most);
    for (std::int64_t k = 0; k < n; ++k)
        to[k] = possible ? std::exp(to[k] - most) : 0;
    return possible ? most : 0;
}

} // namespace

double row_likelihoods(const LabelTable& table, const Matrices& theta, std::int64_t row, const Code* code,
                       std::int64_t n, double* to) {
    std::fill_n(to, n, 1.0);
    for (int i = 0; i < table.raters; ++i)
        if (const Code vote = table.codes_of(i)[row]; vote != no_code)
            for (std::int64_t k = 0; k < n; ++k)
                to[k] *= theta.of_vote(i, vote)[code[k]];
    const double most = *std::max_element(to, to + n);
    if (most < least_product) return by_logs(table, theta, row, code, n, to);
    for (std::int64_t k = 0; k < n; ++k)
        to[k] /= most;
    return std::log(most);
}

MappedRows::MappedRows(const SoftVotes& votes, Candidates candidates, const Team& team)
    : table_(*votes.tuples), truths_(candidates_of(table_, candidates, nullptr, team.watch())),
      log_prior_(table_.counts.size()) {
    truths_.weight.resize(truths_.code.size());
    make_pieces();
    gather(votes, team.watch());
}

void MappedRows::make_pieces() {
    std::int64_t prior = 0, sum = 0;
    for (std::int64_t row = 0; row < table_.size(); ++row) {
        const auto voxels = static_cast<std::int64_t>(table_.counts[static_cast<std::size_t>(row)]);
        const std::int64_t labels = labels_of(row), step = labels > 1 ? voxels_of_piece : voxels;
        if (voxels > 0) rows_.push_back(static_cast<Factors::Row>(row));
        for (std::int64_t done = 0; done < voxels; done += step) {
            pieces_.push_back({row, std::min(step, voxels - done), prior, sum});
            prior += labels > 1 ? pieces_.back().voxels * labels : 0;
            sum += labels;
        }
    }
    priors_.resize(static_cast<std::size_t>(prior));
    sums_.resize(static_cast<std::size_t>(sum));
    evidence_.resize(pieces_.size());
}

void MappedRows::gather(const SoftVotes& votes, Watch& watch) {
    std::vector<std::int64_t> next(table_.counts.size());
    for (auto piece = pieces_.rbegin(); piece != pieces_.rend(); ++piece)
        next[static_cast<std::size_t>(piece->row)] = piece->prior; // that of the row's first piece stays
    MappedReader reader(votes);
    Patience patience(watch);
    for (std::int64_t block = 0; block < MappedReader::blocks(votes); ++block) {
        reader.read(block);
        for (std::int64_t k = 0; k < reader.voxels(); ++k) {
            const std::int64_t row = reader.row(k);
            if (row < 0 || table_.counts[static_cast<std::size_t>(row)] == 0) continue;
            const Code* code = truths_.code.data() + truths_.first[static_cast<std::size_t>(row)];
            const std::int64_t labels = labels_of(row);
            if (labels == 1) {
                log_prior_[static_cast<std::size_t>(row)] += std::log(reader.prior(code[0], k));
                continue;
            }
            std::int64_t& at = next[static_cast<std::size_t>(row)];
            for (std::int64_t c = 0; c < labels; ++c)
                priors_[static_cast<std::size_t>(at++)] = reader.prior(code[c], k);
        }
        patience.after(reader.voxels() * static_cast<std::int64_t>(votes.labels));
    }
}

// One piece: Σ w of each label, and Σ log p(votes).
void MappedRows::expect(std::size_t index, const Matrices& theta, Scratch& scratch) {
    const Piece& piece = pieces_[index];
    const std::int64_t labels = labels_of(piece.row);
    const Code* code = truths_.code.data() + truths_.first[static_cast<std::size_t>(piece.row)];
    scratch.likelihood.resize(static_cast<std::size_t>(labels));
    scratch.product.resize(static_cast<std::size_t>(labels));
    double *likelihood = scratch.likelihood.data(), *product = scratch.product.data();
    double* sum = sums_.data() + piece.sum;
    std::fill_n(sum, labels, 0.0);
    evidence_[index] = 0;
    const double log_factor = row_likelihoods(table_, theta, piece.row, code, labels, likelihood);
    if (*std::max_element(likelihood, likelihood + labels) == 0) return; // impossible: w = 0
    const auto voxels = static_cast<double>(piece.voxels);
    evidence_[index] = voxels * log_factor;
    if (labels == 1) {
        sum[0] = voxels;
        evidence_[index] += log_prior_[static_cast<std::size_t>(piece.row)];
        return;
    }
    const double* prior = priors_.data() + piece.prior;
    for (std::int64_t first = 0; first < piece.voxels; first += factors) {
        double evidence = 1;
        for (std::int64_t v = first; v < std::min(first + factors, piece.voxels); ++v, prior += labels) {
            double whole = 0;
            for (std::int64_t c = 0; c < labels; ++c)
                whole += product[c] = prior[c] * likelihood[c];
            for (std::int64_t c = 0; c < labels; ++c)
                sum[c] += product[c] / whole;
            evidence *= whole;
        }
        evidence_[index] += std::log(evidence);
    }
}

SoftSums MappedRows::sums(const Matrices& theta, const Team& team) {
    PerThread<Scratch> scratch(team);
    const auto pieces = static_cast<std::int64_t>(pieces_.size());
    team.run((pieces + pieces_of_job - 1) / pieces_of_job, [&](std::int64_t job, const Worker& worker) {
        Scratch& own = scratch.of(worker, [] { return Scratch{}; });
        for (std::int64_t p = job * pieces_of_job; p < std::min((job + 1) * pieces_of_job, pieces); ++p) {
            if (worker.stopped()) return;
            expect(static_cast<std::size_t>(p), theta, own);
        }
    });
    SoftSums found;
    found.mass.resize(theta.labels());
    std::fill(truths_.weight.begin(), truths_.weight.end(), 0.0);
    for (std::size_t p = 0; p < pieces_.size(); ++p) {
        const std::int64_t first = truths_.first[static_cast<std::size_t>(pieces_[p].row)];
        for (std::int64_t c = 0; c < labels_of(pieces_[p].row); ++c) {
            const double part = sums_[static_cast<std::size_t>(pieces_[p].sum + c)];
            truths_.weight[static_cast<std::size_t>(first + c)] += part;
            found.mass[truths_.code[static_cast<std::size_t>(first + c)]] += part;
        }
        found.log_likelihood += evidence_[p];
    }
    count(found, team);
    return found;
}

void MappedRows::count(SoftSums& sums, const Team& team) const {
    const std::size_t labels = table_.kinds(), raters = static_cast<std::size_t>(table_.raters);
    sums.counts.resize(raters * labels * labels);
    sums.seen.resize(raters * labels);
    team.run(table_.raters, [&](std::int64_t job, const Worker& worker) {
        const auto place = static_cast<std::size_t>(job) * labels * labels;
        fastfuse::count(table_, truths_, rows_, static_cast<int>(job), sums.counts.data() + place, worker);
    });
}

} // namespace fastfuse
