#include "fastfuse/fusion.hpp"

#include <algorithm>
#include <climits>
#include <cmath>
#include <limits>
#include <memory>

#include "cuda/engines.hpp"
#include "em/fit.hpp"
#include "em/information.hpp"
#include "em/masses.hpp"
#include "engines/mean_field.hpp"
#include "engines/summary.hpp"
#include "engines/write.hpp"
#include "fastfuse/cuda.hpp"
#include "posterior/enumeration.hpp"
#include "votes/disputed.hpp"
#include "votes/probe.hpp"
#include "votes/tabulation.hpp"

namespace fastfuse {
namespace {

constexpr std::int64_t most_resampled = 1 << 17; // patterns; with more, the votes do not repeat
constexpr double undefined = std::numeric_limits<double>::quiet_NaN();

// Floats where nothing that comes in or goes out is finer.
Lane lane_for(const Votes& votes, const Output& consensus) {
    bool fine = consensus.wide || (votes.prior && size_of(votes.prior->type) > 4);
    for (const View& view : votes.raters)
        fine |= view.type == Scalar::f64;
    return fine ? Lane::double_precision : Lane::single_precision;
}

// Where anybody marks: a vote above 0.1, or an agreed voxel that all mark.
std::vector<std::uint8_t> marked_voxels(const VoteTable& table, const std::vector<std::int32_t>& pattern,
                                        const std::vector<std::uint8_t>& agreed) {
    constexpr double marked_above = 0.1; // rings of soft masks are; what a network leaves everywhere is not
    std::vector<std::uint8_t> of_row(static_cast<std::size_t>(table.size()));
    for (int i = 0; i < table.raters(); ++i)
        for (std::size_t row = 0; row < of_row.size(); ++row)
            of_row[row] |= table.votes_of(i)[row] > marked_above;
    std::vector<std::uint8_t> marked(pattern.size());
    for (std::size_t voxel = 0; voxel < marked.size(); ++voxel)
        marked[voxel] = pattern[voxel] >= 0 ? of_row[static_cast<std::size_t>(pattern[voxel])]
                                            : !agreed.empty() && agreed[voxel];
    return marked;
}

// β k of each axis: the closest neighbours have k = 1.
std::vector<double> coupling_of(const Options& options) {
    std::vector<double> coupling;
    const double least = *std::min_element(options.spacing_mm.begin(), options.spacing_mm.end());
    for (const double side : options.spacing_mm)
        coupling.push_back(options.mrf * least / side);
    return coupling;
}

// Votes, to be read as the options say.
Votes read_by(const Options& options, Votes votes) {
    votes.check = options.method == Method::staple ? Check::binary : Check::unit;
    votes.missing = options.missing;
    votes.select_label = options.select_label;
    return votes;
}

// One call of fuse, step by step.
class Fusing {
  public:
    Fusing(const Votes& votes, const Options& options, const Output& consensus, const ShouldStop& ask)
        : votes_(votes), options_(options), consensus_(consensus), team_(options.threads, ask),
          voxels_(votes_) {}

    Result run() {
        if (options_.roi == Roi::disputed) look_at_disputed_only();
        choose_route();
        if (patterns_) table_rows_.emplace(patterns_->table, patterns_->table.counts(), patterns_->priors);
        census_ =
            dense_ ? dense_->survey(to_gather()) : take_census(rows(), options_.m_step == MStep::em, team_);
        if (census_.mean_vote.count > 0)
            fuse_inside();
        else if (agreed_ > 0)
            leave_undefined();
        else
            throw BadInput(BadInput::Kind::empty_mask);
        if (options_.roi == Roi::disputed) add_agreed();
        return result_;
    }

  private:
    void fuse_inside() {
        describe();
        const bool nobody =
            std::all_of(census_.volume.begin(), census_.volume.end(), [](double v) { return v == 0; });
        if (nobody || census_.mean_vote.background == 0)
            agree_everywhere();
        else if (options_.method == Method::majority)
            majority_vote();
        else if (options_.mrf > 0)
            coupled_staple();
        else if (options_.method == Method::soft_staple)
            soft_staple();
        else
            product_staple();
        for (std::size_t i = 0; i < result_.read.size(); ++i)
            if (result_.read[i] == 0) result_.sensitivity[i] = result_.specificity[i] = undefined;
    }

    void look_at_disputed_only() {
        region_ = find_disputed(votes_, team_);
        votes_.mask = view_of(region_.disputed, votes_.shape);
        agreed_ = *std::max_element(region_.read.begin(), region_.read.end());
    }

    // All raters agree everywhere: nothing tells how good they are.
    void leave_undefined() {
        const auto raters = static_cast<std::size_t>(votes_.size());
        result_.sensitivity.assign(raters, undefined);
        result_.specificity.assign(raters, undefined);
        result_.volume.assign(raters, 0);
        result_.read = result_.volume;
        result_.prior = undefined;
        result_.converged = true;
        consensus_.fill(0, votes_.voxels(), 0);
        note(Written(votes_.size()));
    }

    // Voxels on which all agree take that value.
    void add_agreed() {
        team_.run(block_count(votes_), [&](std::int64_t job, const Worker&) {
            const std::int64_t first = job * block_voxels;
            const std::int64_t end = std::min(first + block_voxels, votes_.voxels());
            for (std::int64_t voxel = first; voxel < end; ++voxel)
                if (region_.marked[static_cast<std::size_t>(voxel)]) consensus_.put(voxel, 1);
        });
        for (std::size_t i = 0; i < region_.read.size(); ++i) {
            result_.volume[i] += region_.volume[i];
            result_.read[i] += region_.read[i];
            result_.marked_by[i] += region_.volume[i]; // w = q = 1
            result_.seen_by[i] += region_.volume[i];
        }
    }

    const Rows& rows() const { return table_rows_ ? static_cast<const Rows&>(*table_rows_) : voxels_; }

    // Distinct patterns, or the voxels themselves: in lanes where the method allows it, else as rows.
    void choose_route() {
        if (votes_.place) return choose_route_on_device();
        if (options_.mrf > 0) return; // every voxel has a prior of its own
        const Sample sample = options_.route == Route::automatic ? take_sample(votes_) : Sample{};
        const bool try_patterns =
            options_.route == Route::patterns || (options_.route == Route::automatic && sample.repeats);
        if (try_patterns) patterns_ = find_patterns(votes_, &consensus_, default_capacity(votes_), team_);
        if (patterns_ || options_.route == Route::rows || !suits_lanes(sample)) return;
        dense_ = Dense::of(votes_, lane_for(votes_, consensus_), team_);
    }

    // Masses are of floats: what is finer goes by the characteristic function.
    void choose_route_on_device() {
        cuda::Found found;
        if (options_.route != Route::lanes) found = cuda::find_patterns(votes_);
        patterns_ = std::move(found.patterns);
        if (patterns_) return;
        const bool soft = options_.method == Method::soft_staple;
        const bool few = votes_.size() <= cuda::most_dense_raters;
        const bool fine = found.few_values || lane_for(votes_, consensus_) == Lane::double_precision;
        const bool enumerates = soft && options_.expectation == Expectation::enumerate;
        if (enumerates && !few)
            throw cuda::DeviceError("CUDA: expectation 'enumerate' takes at most " +
                                    std::to_string(cuda::most_dense_raters) +
                                    " raters whose votes make many patterns; leave it out");
        const bool by_nodes =
            soft && !enumerates && (fine || !few || options_.expectation == Expectation::characteristic);
        dense_ = cuda::dense(votes_, fine, by_nodes);
    }

    bool suits_lanes(const Sample& sample) const {
        if (votes_.select_label || votes_.may_miss() || votes_.size() > kernels::most_product_raters)
            return false;
        if (options_.method != Method::soft_staple) return options_.likelihood != Likelihood::log_linear;
        if (votes_.prior || votes_.size() > most_mass_raters ||
            options_.expectation == Expectation::characteristic)
            return false;
        if (options_.route != Route::lanes && sample.rows > 0 &&
            !pays_lanes(options_, votes_, std::log2(sample.terms / sample.rows)))
            return false;
        // All 2^m terms of a voxel, many at a time, or those of its fractional votes, one after another.
        constexpr double at_a_time = 64;
        return options_.route == Route::lanes || sample.rows == 0 ||
               std::ldexp(1.0, votes_.size()) <= at_a_time * sample.terms / sample.rows;
    }

    Gather to_gather() const {
        if (options_.method != Method::soft_staple || !dense_->gathers_masses()) return Gather::mean_vote;
        return options_.m_step == MStep::paper ? Gather::masses_and_moments : Gather::masses;
    }

    void describe() {
        const Sums& sums = census_.mean_vote;
        const double mean_vote = sums.foreground / sums.count;
        result_.prior =
            votes_.prior ? census_.prior / sums.count : options_.fixed_prior().value_or(mean_vote);
        result_.voxels = sums.count;
        result_.disputed = census_.disputed;
        result_.volume = census_.volume;
        result_.read = census_.read;
    }

    // Nobody marks anything, or everybody everything: the consensus is certain, and one of the two
    // performances has nothing to show itself on.
    void agree_everywhere() {
        const bool marked = census_.mean_vote.background == 0;
        result_.sensitivity.assign(static_cast<std::size_t>(votes_.size()), marked ? 1 : undefined);
        result_.specificity.assign(static_cast<std::size_t>(votes_.size()), marked ? undefined : 1);
        result_.converged = true;
        write(Model::mean_vote, Performance(votes_.size()));
    }

    void majority_vote() {
        const Performance performance = maximise(census_.mean_vote, Performance(votes_.size()));
        result_.sensitivity = performance.sensitivity;
        result_.specificity = performance.specificity;
        result_.converged = true;
        write(Model::mean_vote, performance);
    }

    void product_staple() {
        const Model model = model_of(options_);
        const Estimate estimate = run_em(expectation_over(rows(), model));
        if (options_.intervals == Intervals::information && (model == Model::log_linear || is_maximised()))
            inform(rows(), model, model, estimate);
        write(model, estimate.performance);
    }

    void coupled_staple() {
        const std::vector<double> coupling = coupling_of(options_);
        MeanField field(votes_, coupling, options_.roi == Roi::disputed ? &region_ : nullptr, team_);
        run_em([&](const Performance& performance) {
            return field.expectation(model_of(options_), options_.m_step, performance);
        });
        note(field.write(consensus_));
    }

    // Whether EM ends at a maximum of the likelihood: with the paper's M-step only on binary votes.
    bool is_maximised() const { return options_.m_step == MStep::em || census_.most_fractional == 0; }

    // `model`: of the rows, whose curvature it is; `scored`: that by which fractional votes are scored.
    void inform(const Rows& curved, Model model, Model scored, const Estimate& estimate) {
        if (census_.most_fractional > 0) {
            constexpr double affordable = 4e9; // terms: the voxels one by one, if there is no table
            const bool enumerates = scored != Model::product && scored != Model::log_linear;
            if (dense_ && enumerates && census_.mean_vote.count * std::ldexp(1.0, votes_.size()) > affordable)
                return;
            result_.variability =
                variability(rows(), scored, estimate.performance, options_.estimates_prior(), team_);
        }
        result_.information = information(curved, model, estimate.performance, options_, team_);
    }

    void soft_staple() {
        if (dense_ && dense_->gathers_masses()) {
            Masses masses = dense_->take_masses();
            take_posterior(masses);
            return note(dense_->mix(masses, consensus_));
        }
        if (!dense_ && options_.expectation == Expectation::enumerate &&
            census_.most_fractional > most_fractional)
            throw BadInput(BadInput::Kind::too_many_fractional, -1, -1, census_.most_fractional);
        // One table of 2^m masses for the whole volume, or each row's own terms anew in every iteration.
        const bool by_table = !dense_ && !votes_.prior && !votes_.may_miss() &&
                              pays_masses(options_, votes_.size(), census_.terms, census_.row_cost);
        if (!by_table) {
            const Model model = model_of(options_);
            const Estimate estimate = run_em(expectation_over(rows(), model));
            if (options_.intervals == Intervals::information && is_maximised()) inform_soft(estimate);
            return write(model, estimate.performance);
        }
        Masses masses(rows(), options_.m_step == MStep::paper, team_);
        take_posterior(masses);
        write(by_masses(masses), Mixer::most(votes_.size()));
    }

    // Of the masses, where they can be had; of binary votes, of the rows themselves.
    void inform_soft(const Estimate& estimate) {
        constexpr double affordable = 1e9; // terms
        if (census_.most_fractional == 0) return inform(rows(), Model::product, Model::product, estimate);
        if (votes_.prior || votes_.may_miss() || votes_.size() > most_mass_raters ||
            census_.terms > affordable)
            return;
        inform(Masses(rows(), false, team_), Model::product, model_of(options_), estimate);
    }

    // STAPLE on 2^m weighted rows.
    void take_posterior(Masses& masses) {
        const Estimate estimate = run_em([&](const Performance& performance) {
            return expectation(masses, Model::product, options_.m_step, performance, team_);
        });
        if (options_.intervals == Intervals::information && is_maximised())
            inform(masses, Model::product, model_of(options_), estimate);
        masses.become_posterior(estimate.performance);
    }

    kernels::Step step_of(Model model) const {
        if (model == Model::mean_vote) return kernels::Step::mean_vote;
        return options_.m_step == MStep::em ? kernels::Step::marks : kernels::Step::votes;
    }

    EStep expectation_over(const Rows& rows, Model model) const {
        return [this, &rows, model](const Performance& performance) {
            team_.look();
            if (dense_)
                if (const auto sums = dense_->expectation(step_of(model), performance)) return *sums;
            return expectation(rows, model, options_.m_step, performance, team_);
        };
    }

    Estimate run_em(const EStep& expectation) {
        Performance performance(votes_.size(), std::clamp(options_.init.value_or(0.5), epsilon, 1 - epsilon));
        performance.prior = result_.prior;
        if (!options_.fixed_prior() && !votes_.prior) // a mean vote may round to 0 or 1
            performance.prior = std::clamp(performance.prior, epsilon, 1 - epsilon);
        const std::optional<Sums> start =
            options_.init ? std::nullopt : std::optional<Sums>(census_.mean_vote);
        Estimate estimate = em(expectation, options_, performance, start);
        result_.sensitivity = estimate.performance.sensitivity;
        result_.specificity = estimate.performance.specificity;
        if (!votes_.prior) result_.prior = estimate.performance.prior;
        result_.log_likelihood = estimate.log_likelihood;
        result_.iterations = estimate.iterations;
        result_.converged = estimate.converged;
        return estimate;
    }

    void write(Model model, const Performance& performance) {
        if (dense_)
            if (const auto written = dense_->write(step_of(model), performance, consensus_))
                return note(*written);
        write(by_expectation(model, performance));
    }

    void write(const MakeConsenter& make, int most_consenters = INT_MAX) {
        note(patterns_
                 ? write_patterns(*table_rows_, *patterns_->index, make, consensus_, team_, most_consenters)
                 : write_voxels(votes_, make, consensus_, team_, most_consenters));
    }

    void note(const Written& written) {
        result_.lowest = written.range.lowest;
        result_.highest = written.range.highest;
        result_.marked_by = written.marked_by;
        result_.seen_by = written.seen_by;
    }

    Votes votes_;
    const Options& options_;
    const Output& consensus_;
    Team team_;
    Region region_;     // where only disputed voxels are looked at
    double agreed_ = 0; // voxels on which all agree
    VoxelRows voxels_;
    std::optional<Tabulation> patterns_;
    std::optional<TableRows> table_rows_;
    std::unique_ptr<Dense> dense_;
    Census census_;
    Result result_;
};

} // namespace

Result fuse(const Votes& given, const Options& options, const Output& consensus, const ShouldStop& ask) {
    const Votes votes = read_by(options, given);
    Result result = Fusing(votes, options, consensus, ask).run();
    if (options.intervals != Intervals::bootstrap && options.intervals != Intervals::lesions) return result;
    const Team team(options.threads, ask);
    Votes inside = votes;
    Region region;
    if (options.roi == Roi::disputed) {
        region = find_disputed(votes, team);
        inside.mask = view_of(region.disputed, votes.shape);
    }
    const bool by_lesions = options.intervals == Intervals::lesions;
    std::vector<float> notes(by_lesions ? static_cast<std::size_t>(votes.voxels()) : 0);
    const Output output{reinterpret_cast<std::byte*>(notes.data()), false};
    auto found = find_patterns(inside, by_lesions ? &output : nullptr, most_resampled, team);
    if (!found) return result;
    if (by_lesions) {
        result.shape = votes.shape;
        result.pattern = found->index->rows_of_voxels(team);
        result.marked = marked_voxels(found->table, result.pattern, region.marked);
    }
    result.table = std::move(found->table);
    return result;
}

std::optional<VoteTable> tabulate(const Votes& given, const Options& options, const ShouldStop& ask) {
    const Votes votes = read_by(options, given);
    const Team team(options.threads, ask);
    Votes inside = votes;
    Region region;
    if (options.roi == Roi::disputed) {
        region = find_disputed(votes, team);
        inside.mask = view_of(region.disputed, votes.shape);
    }
    auto found = find_patterns(inside, nullptr, std::max(default_capacity(votes), most_resampled), team);
    if (!found) return std::nullopt;
    return std::move(found->table);
}

} // namespace fastfuse
