// Votes that lie on the device and do not repeat: every pass over the voxels there, what it leaves here. The
// device's twin of dense.cpp.
#include "dense.hpp"

#include <algorithm>

#include "cuda/columns.hpp"
#include "cuda/kernels.hpp"
#include "lane_rates.hpp"
#include "mass_tables.hpp"

namespace fastfuse::cuda {
namespace {

template <class T> Rates<T> rates_on_device(const Performance& performance) {
    const kernels::Rates<T> all = rates_of<T>(performance);
    Rates<T> rates{};
    std::copy_n(all.one, performance.sensitivity.size(), rates.one);
    std::copy_n(all.zero, performance.sensitivity.size(), rates.zero);
    rates.prior = all.prior;
    rates.prior_complement = all.prior_complement;
    return rates;
}

class DenseOnDevice : public Dense {
  public:
    DenseOnDevice(const Votes& votes, bool wide)
        : votes_(votes), place_(*votes.place), columns_(columns_of(votes)), fine_(wide) {
        for (const View& view : votes.raters)
            fine_ |= view.type == Scalar::f64;
    }

    Census survey(Gather gather) override {
        const OnDevice here(place_.device);
        Array<double> sums(place_, static_cast<std::size_t>(inspected_sums(raters())));
        sums.fill_with_zeros();
        const Array<double> extreme(place_, 2);
        const Array<Count> found(place_, std::vector<Count>(2, nowhere));
        inspect(columns_, sums.data(), extreme.data(), found.data(), found.data() + 1, place_);
        const std::vector<Count> strays = found.values();
        refuse_mask(columns_, strays[1], place_);
        refuse_vote(columns_, strays[0], Check::unit, place_);
        const std::vector<double> sum = sums.values(), ends = extreme.values();
        range_.lowest = ends[0];
        range_.highest = ends[1];
        voxels_ = sum[0];
        Census census(raters());
        census.disputed = sum[1];
        for (std::size_t i = 0; i < census.volume.size(); ++i) {
            census.volume[i] = sum[fixed_findings + 2 * i];
            census.read[i] = voxels_;
            if (sum[fixed_findings + 2 * i + 1] > 0) census.most_fractional = 1; // or more
        }
        if (voxels_ > 0) census.mean_vote = *expectation(Step::mean_vote, Performance(raters()));
        if (voxels_ > 0 && gather != Gather::mean_vote) masses_.emplace(gather_masses(gather));
        return census;
    }

    Masses take_masses() override { return std::move(*masses_); }

    std::optional<Sums> expectation(Step step, const Performance& performance) override {
        const std::vector<double> sum = run(step, performance, nullptr);
        Sums sums(raters());
        sums.count = voxels_;
        sums.foreground = sum[0];
        sums.background = sum[1];
        sums.log_likelihood = step == Step::mean_vote ? 0 : sum[2];
        for (std::size_t i = 0; i < sums.hit.size(); ++i) {
            const double one = sum[fixed_sums + 2 * i], zero = sum[fixed_sums + 2 * i + 1];
            const bool one_yes = performance.sensitivity[i] >= performance.miss_rate[i];
            const bool zero_yes = performance.false_alarm_rate[i] >= performance.specificity[i];
            kernels::complete(one, sums.foreground, one_yes, sums.hit[i], sums.miss[i]);
            kernels::complete(zero, sums.background, zero_yes, sums.false_alarm[i], sums.rejection[i]);
        }
        return sums;
    }

    std::optional<Written> write(Step step, const Performance& performance, const Output& to) override {
        const Step seen = step == Step::marks ? Step::votes : step; // w is one for both
        const std::vector<double> sum = run(seen, performance, &to);
        Written written(raters());
        written.range = written_;
        for (std::size_t i = 0; i < written.seen_by.size(); ++i) {
            double other;
            const bool one_yes = performance.sensitivity[i] >= performance.miss_rate[i];
            kernels::complete(sum[fixed_sums + 2 * i], sum[0], one_yes, written.marked_by[i], other);
            written.seen_by[i] = sum[0];
        }
        return written;
    }

    Written mix(const Masses& masses, const Output& to) override {
        return fine_ ? mix_as<double>(masses, to) : mix_as<float>(masses, to);
    }

  private:
    int raters() const { return votes_.size(); }

    // The sums of a pass of the E-step; with `to`, also writes w and notes its range.
    std::vector<double> run(Step step, const Performance& performance, const Output* to) {
        const double prior = std::min(performance.prior, 1 - performance.prior);
        const double least =
            step == Step::mean_vote ? 1 : least_evidence(performance, range_.lowest, range_.highest, prior);
        constexpr double least_float = 1e-30, least_double = 1e-280;
        if (!(least > least_double))
            throw DeviceError(
                "CUDA: the prior and the rates leave no digit of a product over the raters; fuse on "
                "the CPU (device='cpu')");
        const bool wide = fine_ || !(least > least_float);
        return wide ? run_as<double>(step, performance, to) : run_as<float>(step, performance, to);
    }

    template <class T>
    std::vector<double> run_as(Step step, const Performance& performance, const Output* to) {
        const OnDevice here(place_.device);
        Array<double> sums(place_, static_cast<std::size_t>(product_sums(raters())));
        sums.fill_with_zeros();
        const Array<double> extreme(place_, 2);
        void* consensus = to ? static_cast<void*>(to->place<std::byte>(0)) : nullptr;
        expect(columns_, rates_on_device<T>(performance), step, sums.data(), consensus, to && to->wide,
               extreme.data(), place_);
        std::vector<double> found = sums.values();
        if (to) note_range(extreme);
        return found;
    }

    void note_range(const Array<double>& extreme) {
        const std::vector<double> ends = extreme.values();
        written_.lowest = ends[0];
        written_.highest = ends[1];
    }

    // N(B) of all patterns, and Σ q_i (1 − q_i) of the others' patterns for each rater, as MassShares lays
    // them out.
    Masses gather_masses(Gather gather) const {
        const bool with_moments = gather == Gather::masses_and_moments;
        std::vector<double> table = masses_of(-1);
        for (int i = 0; i < raters() && with_moments; ++i) {
            const std::vector<double> half = masses_of(i);
            table.insert(table.end(), half.begin(), half.end());
        }
        return Masses(raters(), with_moments ? with_all_moments(table, raters()) : std::move(table));
    }

    std::vector<double> masses_of(int again) const {
        Listed listed{};
        listed.again = again;
        for (int i = 0; i < raters(); ++i)
            if (i != again) listed.rater[listed.size++] = i;
        Array<double> mass(place_, std::size_t{1} << listed.size);
        mass.fill_with_zeros();
        add_masses(columns_, listed, mass.data(), place_);
        return mass.values();
    }

    template <class T> Written mix_as(const Masses& masses, const Output& to) {
        const OnDevice here(place_.device);
        const std::vector<double>& posterior = masses.posterior();
        const Array<T> table(place_, std::vector<T>(posterior.begin(), posterior.end()));
        Array<double> sums(place_, static_cast<std::size_t>(1 + raters()));
        sums.fill_with_zeros();
        const Array<double> extreme(place_, 2);
        fastfuse::cuda::mix(columns_, table.data(), static_cast<void*>(to.place<std::byte>(0)), to.wide,
                            sums.data(), extreme.data(), place_);
        const std::vector<double> sum = sums.values();
        note_range(extreme);
        Written written(raters());
        written.range = written_;
        std::fill(written.seen_by.begin(), written.seen_by.end(), sum[0]);
        std::copy(sum.begin() + 1, sum.end(), written.marked_by.begin());
        return written;
    }

    const Votes& votes_;
    Place place_;
    Columns columns_;
    bool fine_ = false; // votes or consensus of double precision
    double voxels_ = 0; // that count
    Range range_;       // of the votes
    Range written_;     // of the consensus
    std::optional<Masses> masses_;
};

} // namespace

std::unique_ptr<Dense> dense(const Votes& votes, bool wide) {
    if (votes.size() > most_dense_raters)
        throw DeviceError(
            "CUDA: votes of " + std::to_string(votes.size()) +
            " raters that make too many patterns; a device takes masks of at most 22 raters, votes "
            "of three values of 13, and all other votes of " +
            std::to_string(most_dense_raters) + ": fuse on the CPU (device='cpu')");
    return std::make_unique<DenseOnDevice>(votes, wide);
}

} // namespace fastfuse::cuda
