#include "engines/field/field_by_table.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "engines/field/field.hpp"
#include "engines/row_sums.hpp"
#include "support/runs.hpp"
#include "support/sum_over_jobs.hpp"

namespace fastfuse {

void FieldSums::add(const FieldSums& other) {
    for (std::size_t row = 0; row < w.size(); ++row) {
        w[row] += other.w[row];
        u[row] += other.u[row];
    }
    log_evidence += other.log_evidence;
}

template <class W, class R>
FieldByTable<W, R>::FieldByTable(const Task& task, Tabulation tabulation, const Region* region)
    : TableEngine(task, std::move(tabulation)), region_(region), coupling_(coupling_of(task.options)),
      board_(task.votes.shape), other_(static_cast<R>(tabulation_.table.size())),
      nobody_(static_cast<std::size_t>(board_.length()), W(0.5)) {}

// w starts as the mean vote.
template <class W, class R> void FieldByTable<W, R>::start() {
    std::vector<double> mean;
    Posterior posterior;
    for (std::int64_t b = 0; b < rows_.batches(); ++b) {
        const Batch batch = rows_.batch(b);
        mean_vote(batch, posterior);
        for (std::int64_t r = 0; r < batch.rows; ++r)
            mean.push_back(batch.count[r] > 0 ? posterior.foreground[static_cast<std::size_t>(r)] : 0.5);
    }
    row_.resize(static_cast<std::size_t>(board_.size()));
    w_.resize(row_.size());
    task_.team.run(board_.lines(), [&](std::int64_t line, const Worker&) {
        std::fill_n(row_.begin() + board_.start_of(line), board_.stored(), other_);
        std::fill_n(w_.begin() + board_.start_of(line), board_.stored(), W(0.5));
    });
    in_runs(block_count(task_.votes), task_.team, [&](std::int64_t first, std::int64_t end, const Worker&) {
        std::vector<std::int32_t> rows(static_cast<std::size_t>(block_voxels));
        for (std::int64_t block = first; block < end; ++block)
            place_block(block, mean, rows.data());
    });
}

// The rows and first w of a block's voxels.
template <class W, class R>
void FieldByTable<W, R>::place_block(std::int64_t block, const std::vector<double>& mean,
                                     std::int32_t* rows) {
    const UniformGroups uniform = tabulation_.index->rows_of_block(block, rows);
    const std::int64_t first = block * block_voxels, n = board_.length();
    const std::int64_t end = std::min(first + block_voxels, task_.votes.voxels());
    std::int64_t line = first / n, position = first % n;
    for (std::int64_t voxel = first; voxel < end; ++voxel) {
        const std::int64_t group = (voxel - first) / group_voxels;
        const std::int32_t row = uniform.zero >> group & 1      ? 0
                                 : uniform.outside >> group & 1 ? -1
                                                                : rows[voxel - first];
        const auto at = static_cast<std::size_t>(board_.at(line, position));
        if (row >= 0) {
            row_[at] = static_cast<R>(row);
            w_[at] = static_cast<W>(mean[static_cast<std::size_t>(row)]);
        } else if (region_ && region_->agreed[static_cast<std::size_t>(voxel)]) {
            w_[at] = static_cast<W>(region_->marked[static_cast<std::size_t>(voxel)]);
        }
        if (++position == n) {
            ++line;
            position = 0;
        }
    }
}

// Each job has its own sums. Together they take at most 4 bytes a voxel.
template <class W, class R> std::int64_t FieldByTable<W, R>::jobs() const {
    constexpr std::int64_t most_jobs = 64;
    const std::int64_t fit = task_.votes.voxels() / (8 * tabulation_.table.size());
    return std::clamp<std::int64_t>(fit, 1, std::min(most_jobs, board_.lines()));
}

template <class W, class R>
FieldSums FieldByTable<W, R>::sweep(int colour, double logit_prior, const std::vector<double>& log_odds) {
    const auto make = [&] {
        return [&](std::int64_t job, const Worker& worker) {
            FieldSums sums(2 * log_odds.size());
            SweepScratch scratch;
            const std::int64_t end = board_.lines() * (job + 1) / jobs();
            for (std::int64_t line = board_.lines() * job / jobs(); line < end && !worker.stopped(); ++line)
                sweep_line(line, colour, logit_prior, log_odds, scratch, sums);
            return sums;
        };
    };
    const FieldSums parts = sum_over_jobs(jobs(), task_.team, FieldSums(2 * log_odds.size()), make);
    FieldSums sums(log_odds.size());
    for (std::size_t row = 0; row < log_odds.size(); ++row) {
        sums.w[row] = parts.w[2 * row] + parts.w[2 * row + 1];
        sums.u[row] = parts.u[2 * row] + parts.u[2 * row + 1];
    }
    sums.log_evidence = parts.log_evidence;
    return sums;
}

template <class W, class R>
void FieldByTable<W, R>::sweep_line(std::int64_t line, int colour, double logit_prior,
                                    const std::vector<double>& log_odds, SweepScratch& scratch,
                                    FieldSums& sums) {
    const int half = board_.half_of(line, colour);
    const std::int64_t begin = board_.begin(line, half), n = board_.voxels(half);
    for (std::int64_t first = 0; first < n; first += sweep_voxels) {
        const std::int64_t some = std::min(sweep_voxels, n - first);
        find_logits(line, half, first, some, logit_prior, scratch.logit.data());
        const R* row = row_.data() + begin + first;
        const bool one_row = are_one(row, some);
        if (one_row)
            std::fill_n(scratch.w.begin(), some, log_odds[static_cast<std::size_t>(row[0])]);
        else
            for (std::size_t j = 0; j < static_cast<std::size_t>(some); ++j)
                scratch.w[j] = log_odds[static_cast<std::size_t>(row[j])];
        const Middle middle = find_w(one_row, some, scratch);
        sums.log_evidence += log_evidence(scratch, middle, some);
        W* w = w_.data() + begin + first;
        if (one_row)
            take_row(row[0], some, scratch, middle, sums, w);
        else
            take_rows(row, some, scratch, sums, w);
    }
}

// l of voxels first … first + some − 1 of a half of a line.
template <class W, class R>
void FieldByTable<W, R>::find_logits(std::int64_t line, int half, std::int64_t first, std::int64_t some,
                                     double logit_prior, double* logit) const {
    const auto values = [&](std::int64_t of) {
        return (of < 0 ? nobody_.data() : w_.data() + board_.begin(of, half)) + first;
    };
    const W* beside = w_.data() + board_.begin(line, 1 - half) + first; // neighbours on both sides
    const Beside<W> last{half == 0 ? beside - 1 : beside, half == 0 ? beside : beside + 1, coupling_.back()};
    const auto along = [&](std::size_t axis) {
        const auto [before, behind] = board_.neighbours(line, axis);
        return Beside<W>{values(before), values(behind), coupling_[axis]};
    };
    if (board_.axes() == 3) return pull_along_three(logit_prior, {along(0), along(1), last}, some, logit);
    std::fill_n(logit, some, logit_prior);
    for (std::size_t axis = 0; axis + 1 < board_.axes(); ++axis)
        add_pull(along(axis), some, logit);
    add_pull(last, some, logit);
}

template <class W, class R>
void FieldByTable<W, R>::take_rows(const R* row, std::int64_t some, const SweepScratch& scratch,
                                   FieldSums& sums, W* w) const {
    for (std::int64_t j = 0; j < some; ++j) {
        const auto k = static_cast<std::size_t>(j);
        const auto r = 2 * static_cast<std::size_t>(row[j]) + k % 2;
        sums.w[r] += scratch.w[k];
        sums.u[r] += scratch.u[k];
        w[j] = row[j] == other_ ? w[j] : static_cast<W>(scratch.w[k]);
    }
}

// The same, with the sums in registers, and those in the middle at once.
template <class W, class R>
void FieldByTable<W, R>::take_row(R row, std::int64_t some, const SweepScratch& scratch, const Middle& middle,
                                  FieldSums& sums, W* w) const {
    const auto r = 2 * static_cast<std::size_t>(row), n = static_cast<std::size_t>(some);
    std::array<double, 2> of_w{}, of_u{};
    const auto take = [&](std::size_t begin, std::size_t end) {
        for (std::size_t k = begin; k < end; ++k) {
            of_w[k % 2] += scratch.w[k];
            of_u[k % 2] += scratch.u[k];
            if (row != other_) w[k] = static_cast<W>(scratch.w[k]);
        }
    };
    take(0, middle.begin);
    take(middle.end, n);
    if (row != other_) std::fill(w + middle.begin, w + middle.end, static_cast<W>(scratch.w[middle.like]));
    sums.w[r] += of_w[0] + middle.size() * scratch.w[middle.like];
    sums.w[r + 1] += of_w[1];
    sums.u[r] += of_u[0] + middle.size() * scratch.u[middle.like];
    sums.u[r + 1] += of_u[1];
}

template <class W, class R> Sums FieldByTable<W, R>::expectation(const Performance& performance) {
    if (w_.empty()) start();
    task_.team.look();
    const RowLogOdds odds = log_odds_of(tabulation_.table, task_.plan.model, performance);
    const double logit_prior = std::log(performance.prior) - std::log1p(-performance.prior);
    FieldSums by_row = sweep(0, logit_prior, odds.log_odds);
    by_row.add(sweep(1, logit_prior, odds.log_odds));
    Sums sums =
        weighted_rows(rows_.of_table(), task_.plan.model, task_.plan.m_step, performance, by_row.w, by_row.u);
    sums.count = census_.mean_vote.count;
    sums.log_likelihood = by_row.log_evidence;
    for (std::size_t row = 0; row < static_cast<std::size_t>(other_); ++row)
        sums.log_likelihood += tabulation_.table.counts()[row] * odds.log_zero[row];
    return sums;
}

template <class W, class R> Written FieldByTable<W, R>::write(const Performance& performance) {
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
                    const double w = inside ? static_cast<double>(w_[at]) : 0;
                    task_.consensus.put(line * n + k, w);
                    if (inside && counts[static_cast<std::size_t>(row_[at])] > 0) run.add(row_[at], w);
                }
            run.close();
            return answers;
        };
    };
    const RowAnswers answers = sum_over_jobs(jobs(), task_.team, RowAnswers(counts.size()), make);
    return written_rows(tabulation_.table, answers.w, answers.u, answers.range);
}

namespace {

template <class W>
std::unique_ptr<Engine> make_field(const Task& task, Tabulation tabulation, const Region* region) {
    const std::int64_t rows = tabulation.table.size();
    if (rows <= UINT8_MAX)
        return std::make_unique<FieldByTable<W, std::uint8_t>>(task, std::move(tabulation), region);
    if (rows <= UINT16_MAX)
        return std::make_unique<FieldByTable<W, std::uint16_t>>(task, std::move(tabulation), region);
    return std::make_unique<FieldByTable<W, std::int32_t>>(task, std::move(tabulation), region);
}

} // namespace

std::unique_ptr<Engine> field_by_table(const Task& task, Tabulation tabulation, const Region* region) {
    return task.consensus.wide ? make_field<double>(task, std::move(tabulation), region)
                               : make_field<float>(task, std::move(tabulation), region);
}

} // namespace fastfuse
