#include "engines/field_by_table.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engines/field.hpp"
#include "engines/row_sums.hpp"
#include "support/sum_over_jobs.hpp"

namespace fastfuse {

void FieldByTable::RowSums::add(const RowSums& other) {
    for (std::size_t row = 0; row < w.size(); ++row) {
        w[row] += other.w[row];
        u[row] += other.u[row];
    }
    log_evidence += other.log_evidence;
}

FieldByTable::FieldByTable(const Task& task, Tabulation tabulation, const Region* region)
    : TableEngine(task, std::move(tabulation)), region_(region), coupling_(coupling_of(task.options)),
      board_(task.votes.shape), other_(static_cast<std::int32_t>(tabulation_.table.size())),
      nobody_(static_cast<std::size_t>(board_.length()), 0.5) {}

// w starts as the mean vote.
void FieldByTable::start() {
    std::vector<double> mean;
    Posterior posterior;
    for (std::int64_t b = 0; b < rows_.batches(); ++b) {
        const Batch batch = rows_.batch(b);
        mean_vote(batch, posterior);
        for (std::int64_t r = 0; r < batch.rows; ++r)
            mean.push_back(batch.count[r] > 0 ? posterior.foreground[static_cast<std::size_t>(r)] : 0.5);
    }
    RawVector<std::int32_t> rows(static_cast<std::size_t>(task_.votes.voxels()));
    tabulation_.index->rows_of_voxels(rows.data(), task_.team);
    row_.resize(static_cast<std::size_t>(board_.size()));
    w_.resize(row_.size());
    const std::int64_t n = board_.length();
    task_.team.run(board_.lines(), [&](std::int64_t line, const Worker&) {
        std::fill_n(row_.begin() + board_.start_of(line), board_.stored(), other_);
        std::fill_n(w_.begin() + board_.start_of(line), board_.stored(), 0.5);
        for (std::int64_t k = 0; k < n; ++k) {
            const auto voxel = static_cast<std::size_t>(line * n + k);
            const auto at = static_cast<std::size_t>(board_.at(line, k));
            if (rows[voxel] >= 0) {
                row_[at] = rows[voxel];
                w_[at] = mean[static_cast<std::size_t>(rows[voxel])];
            } else if (region_ && region_->agreed[voxel]) {
                w_[at] = region_->marked[voxel];
            }
        }
    });
}

// Each job has its own sums. Together they take at most 4 bytes a voxel.
std::int64_t FieldByTable::jobs() const {
    constexpr std::int64_t most_jobs = 64;
    const std::int64_t fit = task_.votes.voxels() / (8 * tabulation_.table.size());
    return std::clamp<std::int64_t>(fit, 1, std::min(most_jobs, board_.lines()));
}

FieldByTable::RowSums FieldByTable::sweep(int colour, double logit_prior,
                                          const std::vector<double>& log_odds) {
    const auto make = [&] {
        return [&](std::int64_t job, const Worker& worker) {
            RowSums sums(2 * log_odds.size());
            SweepScratch scratch;
            const std::int64_t end = board_.lines() * (job + 1) / jobs();
            for (std::int64_t line = board_.lines() * job / jobs(); line < end && !worker.stopped(); ++line)
                sweep_line(line, colour, logit_prior, log_odds, scratch, sums);
            return sums;
        };
    };
    const RowSums parts = sum_over_jobs(jobs(), task_.team, RowSums(2 * log_odds.size()), make);
    RowSums sums(log_odds.size());
    for (std::size_t row = 0; row < log_odds.size(); ++row) {
        sums.w[row] = parts.w[2 * row] + parts.w[2 * row + 1];
        sums.u[row] = parts.u[2 * row] + parts.u[2 * row + 1];
    }
    sums.log_evidence = parts.log_evidence;
    return sums;
}

void FieldByTable::sweep_line(std::int64_t line, int colour, double logit_prior,
                              const std::vector<double>& log_odds, SweepScratch& scratch, RowSums& sums) {
    const int half = board_.half_of(line, colour);
    const std::int64_t begin = board_.begin(line, half), n = board_.voxels(half);
    for (std::int64_t first = 0; first < n; first += sweep_voxels) {
        const std::int64_t some = std::min(sweep_voxels, n - first);
        find_logits(line, half, first, some, logit_prior, scratch.logit.data());
        const std::int32_t* row = row_.data() + begin + first;
        const bool one_row = have_one_row(row, some);
        find_w(row, one_row, log_odds.data(), some, scratch);
        sums.log_evidence += log_evidence(scratch, some);
        double* w = w_.data() + begin + first;
        if (one_row)
            take_row(row[0], some, scratch, sums, w);
        else
            take_rows(row, some, scratch, sums, w);
    }
}

// l of voxels first … first + some − 1 of a half of a line.
void FieldByTable::find_logits(std::int64_t line, int half, std::int64_t first, std::int64_t some,
                               double logit_prior, double* logit) const {
    const auto values = [&](std::int64_t of) {
        return (of < 0 ? nobody_.data() : w_.data() + board_.begin(of, half)) + first;
    };
    const double* beside = w_.data() + board_.begin(line, 1 - half) + first; // neighbours on both sides
    const Beside last{half == 0 ? beside - 1 : beside, half == 0 ? beside : beside + 1, coupling_.back()};
    const auto along = [&](std::size_t axis) {
        const auto [before, behind] = board_.neighbours(line, axis);
        return Beside{values(before), values(behind), coupling_[axis]};
    };
    if (board_.axes() == 3) return pull_along_three(logit_prior, {along(0), along(1), last}, some, logit);
    std::fill_n(logit, some, logit_prior);
    for (std::size_t axis = 0; axis + 1 < board_.axes(); ++axis) {
        const Beside at = along(axis);
        add_pull(at.a, at.b, at.coupling, some, logit);
    }
    add_pull(last.a, last.b, last.coupling, some, logit);
}

void FieldByTable::take_rows(const std::int32_t* row, std::int64_t some, const SweepScratch& scratch,
                             RowSums& sums, double* w) const {
    for (std::int64_t j = 0; j < some; ++j) {
        const auto k = static_cast<std::size_t>(j);
        const auto r = 2 * static_cast<std::size_t>(row[j]) + k % 2;
        sums.w[r] += scratch.w[k];
        sums.u[r] += scratch.u[k];
        w[j] = row[j] == other_ ? w[j] : scratch.w[k];
    }
}

// The same, in the same order, with the sums in registers.
void FieldByTable::take_row(std::int32_t row, std::int64_t some, const SweepScratch& scratch, RowSums& sums,
                            double* w) const {
    const auto r = 2 * static_cast<std::size_t>(row), n = static_cast<std::size_t>(some);
    double even_w = sums.w[r], odd_w = sums.w[r + 1], even_u = sums.u[r], odd_u = sums.u[r + 1];
    for (std::size_t k = 0; k + 1 < n; k += 2) {
        even_w += scratch.w[k];
        odd_w += scratch.w[k + 1];
        even_u += scratch.u[k];
        odd_u += scratch.u[k + 1];
    }
    if (n % 2 == 1) {
        even_w += scratch.w[n - 1];
        even_u += scratch.u[n - 1];
    }
    sums.w[r] = even_w;
    sums.w[r + 1] = odd_w;
    sums.u[r] = even_u;
    sums.u[r + 1] = odd_u;
    if (row != other_) std::copy_n(scratch.w.begin(), n, w);
}

Sums FieldByTable::expectation(const Performance& performance) {
    if (w_.empty()) start();
    task_.team.look();
    const RowLogOdds odds = log_odds_of(tabulation_.table, task_.plan.model, performance);
    const double logit_prior = std::log(performance.prior) - std::log1p(-performance.prior);
    RowSums by_row = sweep(0, logit_prior, odds.log_odds);
    by_row.add(sweep(1, logit_prior, odds.log_odds));
    Sums sums = weighted_rows(rows_, task_.plan.model, task_.plan.m_step, performance, by_row.w, by_row.u);
    sums.count = census_.mean_vote.count;
    sums.log_likelihood = by_row.log_evidence;
    for (std::size_t row = 0; row < static_cast<std::size_t>(other_); ++row)
        sums.log_likelihood += tabulation_.table.counts()[row] * odds.log_zero[row];
    return sums;
}

Written FieldByTable::write(const Performance& performance) {
    if (w_.empty()) settle(*this, performance, task_.options);
    const std::vector<double>& counts = tabulation_.table.counts();
    const std::int64_t n = board_.length();
    const auto make = [&] {
        return [&](std::int64_t job, const Worker&) {
            RowAnswers answers(counts.size());
            const std::int64_t end = board_.lines() * (job + 1) / jobs();
            RowRun run(answers, other_);
            for (std::int64_t line = board_.lines() * job / jobs(); line < end; ++line)
                for (std::int64_t k = 0; k < n; ++k) {
                    const auto at = static_cast<std::size_t>(board_.at(line, k));
                    const bool inside = row_[at] != other_;
                    task_.consensus.put(line * n + k, inside ? w_[at] : 0);
                    if (inside && counts[static_cast<std::size_t>(row_[at])] > 0) run.add(row_[at], w_[at]);
                }
            run.close();
            return answers;
        };
    };
    const RowAnswers answers = sum_over_jobs(jobs(), task_.team, RowAnswers(counts.size()), make);
    return written_rows(tabulation_.table, answers.w, answers.u, answers.range);
}

} // namespace fastfuse
