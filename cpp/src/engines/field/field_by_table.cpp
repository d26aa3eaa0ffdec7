#include "engines/field/field_by_table.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include "engines/field/field.hpp"
#include "engines/map/priors.hpp"
#include "engines/row_sums.hpp"
#include "support/runs.hpp"
#include "support/sum_over_jobs.hpp"

namespace fastfuse {
namespace {

// The sums of a table's rows, the first of which is row `first` of the board.
std::vector<double> of_rows(const std::vector<double>& sums, std::size_t first, const VoteTable& table) {
    const auto begin = sums.begin() + static_cast<std::ptrdiff_t>(first);
    return {begin, begin + static_cast<std::ptrdiff_t>(table.size())};
}

} // namespace

void FieldSums::add(const FieldSums& other) {
    for (std::size_t row = 0; row < w.size(); ++row) {
        w[row] += other.w[row];
        u[row] += other.u[row];
    }
    log_evidence += other.log_evidence;
}

template <class W, class R>
FieldByTable<W, R>::FieldByTable(const Task& task, Tabulation tabulation, BoardRows rows,
                                 const Region* region)
    : TableEngine(task, std::move(tabulation)), region_(region), board_rows_(std::move(rows)),
      by_pattern_(task.plan.m_step == MStep::em), board_(task.votes, task.options),
      plain_(static_cast<R>(board_rows_.plain_rows())), other_(static_cast<R>(board_rows_.size())) {}

template <class W, class R> Census FieldByTable<W, R>::survey() {
    if (task_.votes.prior && !board_.has_begun()) start();
    TableEngine::survey();
    census_.prior = prior_sum_;
    return census_;
}

// w starts as the mean vote.
template <class W, class R> void FieldByTable<W, R>::start() {
    std::vector<double> mean;
    Posterior posterior;
    const TableRows& table = rows_.of_table();
    for (std::int64_t b = 0; b < table.batches(); ++b) {
        const Batch batch = table.batch(b);
        mean_vote(batch, posterior);
        for (std::int64_t r = 0; r < batch.rows; ++r)
            mean.push_back(batch.count[r] > 0 ? posterior.foreground[static_cast<std::size_t>(r)] : 0.5);
    }
    board_.begin(task_.votes.prior.has_value(), task_.team);
    const Checkerboard& grid = board_.grid();
    row_.resize(static_cast<std::size_t>(grid.size()));
    task_.team.run(grid.lines(), [&](std::int64_t line, const Worker&) {
        std::fill_n(row_.begin() + grid.start_of(line), grid.stored(), other_);
    });
    std::vector<double> prior(static_cast<std::size_t>(block_count(task_.votes)));
    in_runs(block_count(task_.votes), task_.team, [&](std::int64_t first, std::int64_t end, const Worker&) {
        std::vector<std::int32_t> rows(static_cast<std::size_t>(block_voxels));
        for (std::int64_t block = first; block < end; ++block)
            prior[static_cast<std::size_t>(block)] = place_block(block, mean, rows.data());
    });
    prior_sum_ = std::accumulate(prior.begin(), prior.end(), 0.0);
}

// The rows, first w and prior of a block's voxels; returns the sum of a prior map where anybody voted.
template <class W, class R>
double FieldByTable<W, R>::place_block(std::int64_t block, const std::vector<double>& mean,
                                       std::int32_t* rows) {
    const UniformGroups uniform = tabulation_.index->rows_of_block(block, rows);
    const std::int64_t first = block * block_voxels, n = board_.grid().length();
    const std::int64_t end = std::min(first + block_voxels, task_.votes.voxels());
    std::optional<map::Priors> priors;
    if (task_.votes.prior) priors.emplace(task_.votes).read(block);
    const double* prior = nullptr; // π of the group's voxels
    double sum = 0;
    std::int64_t line = first / n, position = first % n;
    for (std::int64_t voxel = first; voxel < end; ++voxel) {
        const std::int64_t within = voxel - first, group = within / group_voxels;
        if (priors && within % group_voxels == 0)
            prior = priors->values(within, std::min(group_voxels, end - voxel));
        const std::int32_t row = uniform.zero >> group & 1      ? 0
                                 : uniform.outside >> group & 1 ? -1
                                                                : rows[within];
        const std::int64_t at = board_.grid().at(line, position);
        if (row >= 0) {
            const auto r = static_cast<std::size_t>(row);
            row_[static_cast<std::size_t>(at)] = static_cast<R>(board_rows_.number[r]);
            *board_.w(at) = static_cast<W>(mean[r]);
            if (prior) {
                const double share = prior[within % group_voxels];
                board_.put_prior(at, share, voxel);
                if (tabulation_.table.counts()[r] > 0) sum += share;
            }
        } else if (region_ && region_->agreed[static_cast<std::size_t>(voxel)]) {
            *board_.w(at) = static_cast<W>(region_->marked[static_cast<std::size_t>(voxel)]);
        }
        if (++position == n) {
            ++line;
            position = 0;
        }
    }
    return sum;
}

// Each job has its own sums. Together they take at most 4 bytes a voxel.
template <class W, class R> std::int64_t FieldByTable<W, R>::jobs() const {
    constexpr std::int64_t most_jobs = 64;
    const std::int64_t fit = task_.votes.voxels() / (8 * static_cast<std::int64_t>(board_rows_.size() + 1));
    return std::clamp<std::int64_t>(fit, 1, std::min(most_jobs, board_.grid().lines()));
}

template <class W, class R> FieldSums FieldByTable<W, R>::sweep(int colour, const Sweep& sweep) {
    const std::size_t rows = sweep.log_odds.size();
    const auto make = [&] {
        return [&](std::int64_t job, const Worker& worker) {
            FieldSums sums(2 * rows);
            Scratch scratch;
            const std::int64_t lines = board_.grid().lines(), end = lines * (job + 1) / jobs();
            for (std::int64_t line = lines * job / jobs(); line < end && !worker.stopped(); ++line)
                sweep_line(line, colour, sweep, scratch, sums);
            return sums;
        };
    };
    const FieldSums parts = sum_over_jobs(jobs(), task_.team, FieldSums(2 * rows), make);
    FieldSums sums(rows);
    for (std::size_t row = 0; row < rows; ++row) {
        sums.w[row] = parts.w[2 * row] + parts.w[2 * row + 1];
        sums.u[row] = parts.u[2 * row] + parts.u[2 * row + 1];
    }
    sums.log_evidence = parts.log_evidence;
    return sums;
}

template <class W, class R>
void FieldByTable<W, R>::sweep_line(std::int64_t line, int colour, const Sweep& sweep, Scratch& scratch,
                                    FieldSums& sums) {
    const Checkerboard& grid = board_.grid();
    const int half = grid.half_of(line, colour);
    const std::int64_t begin = grid.begin(line, half), n = grid.voxels(half);
    SweepScratch& run = scratch.sweep;
    for (std::int64_t first = 0; first < n; first += sweep_voxels) {
        const std::int64_t some = std::min(sweep_voxels, n - first);
        board_.find_logits(line, half, first, some, sweep.logit_prior, run.logit.data());
        const R* row = row_.data() + begin + first;
        W* w = board_.w(begin + first);
        const bool one_row = are_one(row, some) && !is_mixed(row[0]);
        if (one_row) {
            std::fill_n(run.w.begin(), some, sweep.log_odds[static_cast<std::size_t>(row[0])]);
        } else {
            for (std::size_t j = 0; j < static_cast<std::size_t>(some); ++j)
                run.w[j] = sweep.log_odds[static_cast<std::size_t>(row[j])];
            if (plain_ != other_) set_mixed_aside(row, some, scratch);
        }
        const Middle middle = find_w(one_row, some, run);
        sums.log_evidence += log_evidence(run, middle, some);
        if (one_row) {
            take_row(row[0], some, run, middle, sums, w);
            continue;
        }
        for (const std::size_t voxel : scratch.mixed.voxel)
            run.w[voxel] = run.u[voxel] = 0;
        take_rows(row, some, run, sums, w);
        if (!scratch.mixed.voxel.empty()) take_mixed(row, sweep, scratch, sums, w);
    }
}

// Voxels of mixed rows take no part in the run: with l = S = 0 they add nothing to the likelihood.
template <class W, class R>
void FieldByTable<W, R>::set_mixed_aside(const R* row, std::int64_t some, Scratch& scratch) const {
    scratch.mixed.clear();
    for (std::size_t j = 0; j < static_cast<std::size_t>(some); ++j) {
        if (!is_mixed(row[j])) continue;
        scratch.mixed.voxel.push_back(j);
        scratch.mixed.logit.push_back(scratch.sweep.logit[j]);
        scratch.sweep.logit[j] = 0;
    }
}

template <class W, class R>
void FieldByTable<W, R>::take_mixed(const R* row, const Sweep& sweep, Scratch& scratch, FieldSums& sums,
                                    W* w) const {
    MixedTerms& terms = scratch.terms;
    for (std::size_t n = 0; n < scratch.mixed.voxel.size(); ++n) {
        const std::size_t voxel = scratch.mixed.voxel[n];
        const auto mixed = static_cast<std::size_t>(row[voxel] - plain_);
        terms.w[voxel] = 0;
        for (std::size_t t = board_rows_.begin[mixed]; t < board_rows_.begin[mixed + 1]; ++t) {
            const auto pattern = static_cast<std::size_t>(board_rows_.pattern[t]);
            const auto k = static_cast<std::size_t>(terms.size++);
            terms.scratch.logit[k] = scratch.mixed.logit[n];
            terms.scratch.w[k] = sweep.log_odds[pattern];
            terms.weight[k] = board_rows_.weight[t];
            terms.row[k] = by_pattern_ ? pattern : static_cast<std::size_t>(row[voxel]);
            terms.voxel[k] = voxel;
            if (terms.size == sweep_voxels) take_terms(terms, sums);
        }
    }
    take_terms(terms, sums);
    for (const std::size_t voxel : scratch.mixed.voxel)
        w[voxel] = static_cast<W>(std::min(terms.w[voxel], 1.0));
}

template <class W, class R> void FieldByTable<W, R>::take_terms(MixedTerms& terms, FieldSums& sums) const {
    find_w(false, terms.size, terms.scratch);
    for (std::size_t k = 0; k < static_cast<std::size_t>(terms.size); ++k) {
        const double q = terms.weight[k];
        const std::size_t r = 2 * terms.row[k] + k % 2;
        terms.w[terms.voxel[k]] += q * terms.scratch.w[k];
        sums.w[r] += q * terms.scratch.w[k];
        sums.u[r] += q * terms.scratch.u[k];
        sums.log_evidence += q * log_evidence_of(terms.scratch, k);
    }
    terms.size = 0;
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

template <class W, class R>
void FieldByTable<W, R>::take_row(R row, std::int64_t some, const SweepScratch& scratch, const Middle& middle,
                                  FieldSums& sums, W* w) const {
    const auto r = 2 * static_cast<std::size_t>(row);
    const RunSums found = put_run(scratch, middle, some, row == other_ ? nullptr : w);
    for (std::size_t k = 0; k < 2; ++k) {
        sums.w[r + k] += found.w[k];
        sums.u[r + k] += found.u[k];
    }
}

template <class W, class R> Sums FieldByTable<W, R>::expectation(const Performance& performance) {
    if (!board_.has_begun()) start();
    task_.team.look();
    RowLogOdds odds = log_odds_of(board_rows_.plain, task_.plan.model, performance);
    double log_zero = 0;
    for (std::size_t row = 0; row < static_cast<std::size_t>(plain_); ++row)
        log_zero += board_rows_.plain.counts()[row] * odds.log_zero[row];
    odds.log_odds.resize(static_cast<std::size_t>(other_) + 1); // zeros
    const double logit_prior = std::log(performance.prior) - std::log1p(-performance.prior);
    const Sweep with{logit_prior, std::move(odds.log_odds)};
    swept_ = true;
    FieldSums by_row = sweep(0, with);
    by_row.add(sweep(1, with));
    Sums sums = sums_of(performance, by_row);
    sums.count = census_.mean_vote.count;
    sums.log_likelihood = by_row.log_evidence + log_zero;
    return sums;
}

// Those of the plain rows, then those of the mixed ones.
template <class W, class R>
Sums FieldByTable<W, R>::sums_of(const Performance& performance, const FieldSums& by_row) const {
    const auto part = [&](const VoteTable& table, std::size_t first) {
        return weighted_rows(TableRows(table, table.counts(), {}), task_.plan.model, task_.plan.m_step,
                             performance, of_rows(by_row.w, first, table), of_rows(by_row.u, first, table));
    };
    Sums sums = part(board_rows_.plain, 0);
    if (!by_pattern_ && plain_ != other_) sums.add(part(board_rows_.mixed, static_cast<std::size_t>(plain_)));
    return sums;
}

template <class W, class R> Written FieldByTable<W, R>::write(const Performance& performance) {
    if (!swept_) settle(*this, performance, task_.options);
    const auto rows = static_cast<std::size_t>(other_);
    std::vector<double> counts = board_rows_.plain.counts();
    counts.insert(counts.end(), board_rows_.mixed.counts().begin(), board_rows_.mixed.counts().end());
    const Checkerboard& grid = board_.grid();
    const std::int64_t n = grid.length();
    const auto make = [&] {
        return [&](std::int64_t job, const Worker&) {
            RowAnswers answers(rows);
            const std::int64_t end = grid.lines() * (job + 1) / jobs();
            RowRun run(answers, other_);
            for (std::int64_t line = grid.lines() * job / jobs(); line < end; ++line)
                for (std::int64_t k = 0; k < n; ++k) {
                    const std::int64_t at = grid.at(line, k);
                    const R row = row_[static_cast<std::size_t>(at)];
                    const double w = row == other_ ? 0 : static_cast<double>(*board_.w(at));
                    task_.consensus.put(line * n + k, w);
                    if (row != other_ && counts[static_cast<std::size_t>(row)] > 0) run.add(row, w);
                }
            run.close();
            return answers;
        };
    };
    const RowAnswers answers = sum_over_jobs(jobs(), task_.team, RowAnswers(rows), make);
    const auto part = [&](const VoteTable& table, std::size_t first) {
        return written_rows(table, of_rows(answers.w, first, table), of_rows(answers.u, first, table),
                            answers.range);
    };
    Written written = part(board_rows_.plain, 0);
    written.add(part(board_rows_.mixed, static_cast<std::size_t>(plain_)));
    return written;
}

namespace {

template <class W>
std::unique_ptr<Engine> make_field(const Task& task, Tabulation tabulation, BoardRows rows,
                                   const Region* region) {
    if (rows.size() <= UINT8_MAX)
        return std::make_unique<FieldByTable<W, std::uint8_t>>(task, std::move(tabulation), std::move(rows),
                                                               region);
    if (rows.size() <= UINT16_MAX)
        return std::make_unique<FieldByTable<W, std::uint16_t>>(task, std::move(tabulation), std::move(rows),
                                                                region);
    return std::make_unique<FieldByTable<W, std::int32_t>>(task, std::move(tabulation), std::move(rows),
                                                           region);
}

} // namespace

std::unique_ptr<Engine> field_by_table(const Task& task, Tabulation tabulation, const Region* region) {
    std::optional<BoardRows> rows = task.options.method == Method::soft_staple
                                        ? BoardRows::of_patterns(tabulation.table, task.team.watch())
                                        : BoardRows::of(tabulation.table);
    if (!rows) return nullptr;
    return task.consensus.wide ? make_field<double>(task, std::move(tabulation), std::move(*rows), region)
                               : make_field<float>(task, std::move(tabulation), std::move(*rows), region);
}

} // namespace fastfuse
