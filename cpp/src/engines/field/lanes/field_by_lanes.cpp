#include "engines/field/lanes/field_by_lanes.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "engines/field/field.hpp"
#include "engines/lanes/kernels.hpp"
#include "engines/lanes/lane_rates.hpp"
#include "engines/lanes/survey.hpp"
#include "engines/row_sums.hpp"
#include "support/dot.hpp"
#include "support/simd.hpp"
#include "support/sum_over_jobs.hpp"

namespace fastfuse {
namespace {

constexpr std::int64_t part_voxels = 32; // a line is divided into parts of so many voxels
constexpr std::int64_t parts_of_run = run_voxels / part_voxels;

bool is_zero(const std::vector<const double*>& votes, std::int64_t begin, std::int64_t end) {
    return std::all_of(votes.begin(), votes.end(), [&](const double* vote) {
        return std::all_of(vote + begin, vote + end, [](double q) { return q == 0; });
    });
}

using RunOfDoubles = std::array<double, run_voxels>;

RunOfDoubles doubles_of(const std::uint8_t* inside, std::int64_t n) {
    RunOfDoubles values;
    if (inside)
        std::copy_n(inside, n, values.begin());
    else
        std::fill_n(values.begin(), n, 1.0);
    return values;
}

// Adds the votes, and finds 1 − q of each.
FASTFUSE_CLONES void take_votes(const double* vote, const double* inside, std::int64_t n, double* sum,
                                double* rest) {
    for (std::int64_t k = 0; k < n; ++k) {
        sum[k] += vote[k];
        rest[k] = inside[k] - vote[k];
    }
}

} // namespace

template <class W>
FieldByLanes<W>::FieldByLanes(const Task& task, const Region* region)
    : LanesEngine(task, Passes::of(task.votes, task.plan.fine, task.team)), region_(region),
      board_(task.votes, task.options), by_terms_(task.plan.model != Model::product),
      votes_(task.votes.size()), floats_(task.team), doubles_(task.team) {}

// Lines go to jobs, whose number depends on the volume alone.
template <class W> std::int64_t FieldByLanes<W>::jobs() const {
    constexpr std::int64_t voxels_of_job = 1 << 15, most_jobs = 256;
    return std::clamp<std::int64_t>(task_.votes.voxels() / voxels_of_job, 1,
                                    std::min(most_jobs, board_.grid().lines()));
}

template <class W> std::int64_t FieldByLanes<W>::parts_of_line() const {
    return (board_.grid().length() + part_voxels - 1) / part_voxels;
}

template <class W> const typename FieldByLanes<W>::Part* FieldByLanes<W>::parts(std::int64_t line) const {
    return parts_.data() + line * parts_of_line();
}

// w starts as the mean vote.
template <class W> void FieldByLanes<W>::start() {
    board_.begin(task_.votes.prior.has_value(), task_.team);
    parts_.resize(static_cast<std::size_t>(board_.grid().lines() * parts_of_line()));
    const auto make = [&] {
        return [&, reader = RunReader<double>(task_.votes)](std::int64_t job, const Worker& worker) mutable {
            Sums votes(task_.votes.size());
            const std::int64_t lines = board_.grid().lines(), length = board_.grid().length();
            const std::int64_t end = lines * (job + 1) / jobs();
            for (std::int64_t line = lines * job / jobs(); line < end && !worker.stopped(); ++line)
                for (std::int64_t first = 0; first < length; first += run_voxels)
                    place_run(reader, line, first, std::min(run_voxels, length - first), votes);
            return votes;
        };
    };
    votes_ = sum_over_jobs(jobs(), task_.team, Sums(task_.votes.size()), make);
    last_ = census_.mean_vote;
}

// The first w and the prior of a line's voxels first … first + n − 1, and what its parts hold. Adds up the
// votes.
template <class W>
void FieldByLanes<W>::place_run(RunReader<double>& reader, std::int64_t line, std::int64_t first,
                                std::int64_t n, Sums& votes) {
    const std::int64_t voxel = line * board_.grid().length() + first;
    reader.begin(voxel, n);
    const RunOfDoubles inside = doubles_of(reader.inside(), n);
    RunOfDoubles sum{}, rest;
    std::vector<const double*> columns;
    for (int i = 0; i < task_.votes.size(); ++i) {
        const auto rater = static_cast<std::size_t>(i);
        columns.push_back(reader.votes_of(i));
        take_votes(columns.back(), inside.data(), n, sum.data(), rest.data());
        votes.true_positive[rater] += dot(inside.data(), columns.back(), n);
        votes.false_negative[rater] += dot(inside.data(), rest.data(), n);
    }
    const double* prior = task_.votes.prior ? reader.prior() : nullptr;
    for (std::int64_t k = 0; k < n; ++k) {
        const std::int64_t place = board_.grid().at(line, first + k);
        const auto at = static_cast<std::size_t>(voxel + k), from = static_cast<std::size_t>(k);
        if (inside[from] != 0) {
            *board_.w(place) = static_cast<W>(sum[from] / task_.votes.size());
            if (prior) board_.put_prior(place, prior[k], voxel + k);
        } else if (region_ && region_->agreed[at]) {
            *board_.w(place) = static_cast<W>(region_->marked[at]);
        }
    }
    Part* part = parts_.data() + line * parts_of_line() + first / part_voxels;
    for (std::int64_t begin = 0; begin < n; begin += part_voxels) {
        const std::int64_t end = std::min(begin + part_voxels, n);
        const auto within = std::count(inside.begin() + begin, inside.begin() + end, 1.0);
        *part++ = within == 0                    ? Part::outside
                  : within < end - begin         ? Part::mixed
                  : is_zero(columns, begin, end) ? Part::empty
                                                 : Part::whole;
    }
}

template <class W> bool FieldByLanes<W>::fits_floats(const Performance& performance) const {
    if (task_.plan.fine) return false;
    if (!by_terms_) {
        double one = 1, zero = 1;
        for (std::size_t i = 0; i < performance.sensitivity.size(); ++i) {
            one *= std::min(performance.sensitivity[i], performance.false_negative_rate[i]);
            zero *= std::min(performance.specificity[i], performance.false_positive_rate[i]);
        }
        constexpr double least_product = 1e-30;
        return std::min(one, zero) > least_product;
    }
    // Votes less the true positives are the false ones: too little is left where nearly all are true.
    constexpr double least_false = 1e-3, least_truth = 1e-9;
    for (std::size_t i = 0; i < last_.true_positive.size(); ++i)
        if (last_.false_positive[i] < least_false * last_.true_positive[i] ||
            last_.true_negative[i] < least_false * last_.false_negative[i])
            return false;
    return std::min(last_.foreground, last_.background) >= least_truth * last_.count;
}

template <class W> Sums FieldByLanes<W>::expectation(const Performance& performance) {
    task_.team.look();
    if (!board_.has_begun()) start();
    Sweep sweep{performance, std::log(performance.prior) - std::log1p(-performance.prior), 0, 0, {}};
    for (std::size_t i = 0; i < performance.specificity.size(); ++i) {
        const double log_zero = std::log(performance.specificity[i]);
        sweep.empty_log_odds += std::log(performance.false_negative_rate[i]) - log_zero;
        sweep.empty_log_zero += log_zero;
    }
    if (by_terms_) sweep.log_odds = log_odds_of_patterns(performance).log_odds;
    last_ = fits_floats(performance) ? sweep_all(sweep, floats_) : sweep_all(sweep, doubles_);
    last_.count = census_.mean_vote.count;
    if (by_terms_) complete_by_votes(performance, last_);
    return last_;
}

template <class W> void FieldByLanes<W>::complete_by_votes(const Performance& performance, Sums& sums) const {
    sums.background = std::max(sums.count - sums.foreground, 0.0);
    for (std::size_t i = 0; i < sums.true_positive.size(); ++i) {
        const double positive = votes_.true_positive[i], negative = votes_.false_negative[i];
        sums.false_positive[i] = std::max(positive - sums.true_positive[i], 0.0);
        sums.true_negative[i] = std::max(negative - sums.false_negative[i], 0.0);
        sums.log_likelihood += positive * std::log(performance.false_positive_rate[i]) +
                               negative * std::log(performance.specificity[i]);
    }
}

template <class W>
template <class T>
Sums FieldByLanes<W>::sweep_all(const Sweep& sweep, PerThread<Scratch<T>>& scratch) {
    ++sweeps_;
    Sums sums(task_.votes.size());
    for (int colour = 0; colour < 2; ++colour) {
        const auto make = [&] {
            return [&](std::int64_t job, const Worker& worker) {
                Sums part(task_.votes.size());
                Scratch<T>& own = scratch.of(worker, [&] { return Scratch<T>(task_); });
                if (by_terms_) own.series.begin(sweep.log_odds, sweeps_);
                const std::int64_t lines = board_.grid().lines(), end = lines * (job + 1) / jobs();
                for (std::int64_t line = lines * job / jobs(); line < end && !worker.stopped(); ++line)
                    sweep_line(line, board_.grid().half_of(line, colour), sweep, own, part);
                sweep_batch(sweep, own, part);
                return part;
            };
        };
        sums.add(sum_over_jobs(jobs(), task_.team, Sums(task_.votes.size()), make));
    }
    return sums;
}

template <class W>
template <class T>
void FieldByLanes<W>::sweep_line(std::int64_t line, int half, const Sweep& sweep, Scratch<T>& scratch,
                                 Sums& sums) {
    const std::int64_t voxels = board_.grid().voxels(half), all = parts_of_line();
    const Part* part = parts(line);
    for (std::int64_t p = 0, next = 0; p < all; p = next) {
        for (next = p + 1; next < all && next < p + parts_of_run && part[next] == part[p];)
            ++next;
        const std::int64_t first = p * part_voxels / 2, end = std::min(next * part_voxels / 2, voxels);
        if (part[p] == Part::outside || first >= end) continue;
        if (part[p] == Part::empty) {
            sweep_empty(line, half, first, end, sweep, scratch.run, sums);
            continue;
        }
        if (!scratch.batch.has_room(end - first)) sweep_batch(sweep, scratch, sums);
        double* logit = scratch.run.logit.data();
        board_.find_logits(line, half, first, end - first, sweep.logit_prior, logit);
        const std::int64_t voxel = line * board_.grid().length() + 2 * first + half;
        const std::uint8_t* inside = nullptr;
        if (part[p] == Part::mixed) {
            scratch.reader.begin(voxel, 2 * (end - first) - 1);
            inside = scratch.reader.inside();
        }
        scratch.batch.add(board_.grid().begin(line, half) + first, voxel, logit, end - first, inside);
    }
}

template <class W>
void FieldByLanes<W>::sweep_empty(std::int64_t line, int half, std::int64_t first, std::int64_t end,
                                  const Sweep& sweep, SweepScratch& run, Sums& to) {
    const std::int64_t n = end - first;
    board_.find_logits(line, half, first, n, sweep.logit_prior, run.logit.data());
    std::fill_n(run.w.begin(), n, sweep.empty_log_odds);
    const Middle middle = find_w(true, n, run);
    const RunSums found = put_run(run, middle, n, board_.w(board_.grid().begin(line, half) + first));
    const double w = found.w[0] + found.w[1], u = found.u[0] + found.u[1];
    to.log_likelihood += log_evidence(run, middle, n);
    if (!by_terms_) to.log_likelihood += static_cast<double>(n) * sweep.empty_log_zero;
    to.foreground += w;
    to.background += u;
    for (std::size_t i = 0; i < to.false_negative.size(); ++i) {
        to.false_negative[i] += w;
        to.true_negative[i] += u;
    }
}

template <class W>
template <class T>
void FieldByLanes<W>::sweep_batch(const Sweep& sweep, Scratch<T>& scratch, Sums& sums) {
    if (scratch.batch.is_empty()) return;
    if (by_terms_)
        take_terms(scratch, sums);
    else
        take_products(sweep, scratch, sums);
    scratch.batch.put_w(board_);
}

template <class W> template <class T> void FieldByLanes<W>::take_terms(Scratch<T>& scratch, Sums& sums) {
    const int raters = task_.votes.size(), first = raters / 2, second = raters - first;
    kernels::SeriesSums found;
    scratch.batch.each_bin(scratch.reader, [&](std::int32_t bin, const kernels::SeriesRun<T>& run) {
        kernels::best<T>().mix_series(scratch.series.of(bin), run, found);
    });
    sums.foreground += found.w;
    sums.log_likelihood += found.log_evidence;
    const auto add_marks = [&](int from, int count, const double* shares) { // bit i: rater from + i
        for (int i = 0; i < count; ++i)
            for (int b = 0; b < 1 << count; ++b)
                (b >> i & 1 ? sums.true_positive : sums.false_negative)[static_cast<std::size_t>(from + i)] +=
                    shares[b];
    };
    if (task_.plan.m_step == MStep::em) {
        add_marks(0, first, found.first);
        add_marks(first, second, found.second);
        return;
    }
    for (std::size_t i = 0; i < sums.true_positive.size(); ++i) {
        sums.true_positive[i] += found.with_vote[i];
        sums.false_negative[i] += found.without_vote[i];
    }
}

template <class W>
template <class T>
void FieldByLanes<W>::take_products(const Sweep& sweep, Scratch<T>& scratch, Sums& sums) {
    using kernels::Step;
    const Step step = task_.plan.m_step == MStep::em ? Step::marks : Step::votes;
    const kernels::Rates<T> rates = rates_of<T>(sweep.performance);
    scratch.batch.each_tile(scratch.reader, scratch.run, [&](const kernels::Columns<T>& columns, T* w) {
        kernels::ProductSums found;
        kernels::best<T>().expect(columns, rates, step, found);
        kernels::best<T>().posterior(columns, rates, step, w);
        add(found, sums);
    });
}

template <class W> Written FieldByLanes<W>::write(const Performance& performance) {
    if (sweeps_ == 0) settle(*this, performance, task_.options);
    const auto make = [&] {
        return [&, reader = RunReader<double>(task_.votes)](std::int64_t job, const Worker& worker) mutable {
            Written written(task_.votes.size());
            const std::int64_t lines = board_.grid().lines(), end = lines * (job + 1) / jobs();
            for (std::int64_t line = lines * job / jobs(); line < end && !worker.stopped(); ++line)
                write_line(line, reader, written);
            return written;
        };
    };
    return sum_over_jobs(jobs(), task_.team, Written(task_.votes.size()), make);
}

template <class W>
void FieldByLanes<W>::write_line(std::int64_t line, RunReader<double>& reader, Written& written) const {
    const std::int64_t length = board_.grid().length();
    RunOfDoubles w, u, sum{}, rest;
    for (std::int64_t first = 0; first < length; first += run_voxels) {
        const std::int64_t n = std::min(run_voxels, length - first), voxel = line * length + first;
        reader.begin(voxel, n);
        const RunOfDoubles inside = doubles_of(reader.inside(), n);
        for (std::int64_t k = 0; k < n; ++k) {
            const auto at = static_cast<std::size_t>(k);
            w[at] = inside[at] * static_cast<double>(*board_.w(board_.grid().at(line, first + k)));
            u[at] = inside[at] - w[at];
            if (inside[at] != 0) written.range.include(w[at]);
            task_.consensus.put(voxel + k, w[at]);
        }
        const double seen = dot(inside.data(), w.data(), n);
        for (int i = 0; i < task_.votes.size(); ++i) {
            const auto rater = static_cast<std::size_t>(i);
            const double* vote = reader.votes_of(i);
            take_votes(vote, inside.data(), n, sum.data(), rest.data());
            written.seen_by[rater] += seen;
            written.marked_by[rater] += dot(w.data(), vote, n);
            written.neither[rater] += dot(u.data(), rest.data(), n);
        }
    }
}

std::unique_ptr<Engine> field_by_lanes(const Task& task, const Region* region) {
    if (task.consensus.wide) return std::make_unique<FieldByLanes<double>>(task, region);
    return std::make_unique<FieldByLanes<float>>(task, region);
}

} // namespace fastfuse
