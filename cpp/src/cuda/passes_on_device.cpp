#include "cuda/passes_on_device.hpp"

#include <algorithm>

#include "engines/lanes/lane_rates.hpp"
#include "engines/lanes/masses/mass_tables.hpp"

namespace fastfuse::cuda {
namespace {

Consensus consensus_at(const Output& to) { return {static_cast<void*>(to.place<std::byte>(0)), to.wide}; }

// Of the sums that a pass left.
Range range_in(const std::vector<double>& sums) {
    Range range;
    range.lowest = sums[sums.size() - 2];
    range.highest = sums[sums.size() - 1];
    return range;
}

} // namespace

PassesOnDevice::PassesOnDevice(const Votes& votes, bool fine)
    : columns_(columns_of(votes)), scratch_(*votes.place), check_(votes.check), fine_(fine),
      sums_(*votes.place,
            static_cast<std::size_t>(inspected_sums(votes.size()) + mean_sums(votes.size()) + 2)) {}

Census PassesOnDevice::survey(Gather gather) {
    const Place& place = scratch_.place();
    Array<Strays> found(place, 1);
    found.fill_with_zeros();
    const bool few = raters() <= most_dense_raters;
    const int findings = inspected_sums(raters());
    const std::vector<double> sum = sums_of(findings + (few ? mean_sums(raters()) : 0), [&](double* sums) {
        inspect(columns_, check_ == Check::binary, fine_, sums, found.data(), scratch_);
    });
    refuse(columns_, found.values()[0], check_, place);
    range_ = range_in(sum);
    voxels_ = sum[0];
    Census census(raters());
    census.disputed = sum[1];
    if (sum[2] > 0) census.most_fractional = 1; // or more
    for (std::size_t i = 0; i < census.volume.size(); ++i) {
        census.volume[i] = sum[fixed_findings + 2 * i];
        census.unmarked[i] = sum[fixed_findings + 2 * i + 1];
        census.read[i] = voxels_;
    }
    if (voxels_ > 0)
        census.mean_vote =
            few ? mean_vote_in(sum.data() + findings) : *expectation(Step::mean_vote, Performance(raters()));
    if (voxels_ > 0 && gather != Gather::mean_vote) masses_.emplace(gather_masses(gather));
    return census;
}

Sums PassesOnDevice::mean_vote_in(const double* sum) const {
    Sums sums(raters());
    sums.count = voxels_;
    sums.foreground = sum[0];
    sums.background = sum[1];
    for (std::size_t i = 0; i < sums.true_positive.size(); ++i) {
        sums.false_negative[i] = sum[2 + 2 * i];
        sums.false_positive[i] = sum[3 + 2 * i];
        sums.true_positive[i] = std::max(0.0, sums.foreground - sums.false_negative[i]);
        sums.true_negative[i] = std::max(0.0, sums.background - sums.false_positive[i]);
    }
    return sums;
}

std::optional<Sums> PassesOnDevice::expectation(Step step, const Performance& performance) {
    const std::vector<double> sum = run(step, performance, {});
    Sums sums(raters());
    sums.count = voxels_;
    sums.foreground = sum[0];
    sums.background = sum[1];
    sums.log_likelihood = step == Step::mean_vote ? 0 : sum[2];
    for (std::size_t i = 0; i < sums.true_positive.size(); ++i) {
        const double one = sum[fixed_sums + 2 * i], zero = sum[fixed_sums + 2 * i + 1];
        kernels::complete(one, sums.foreground, likelier_where_one(performance, i), sums.true_positive[i],
                          sums.false_negative[i]);
        kernels::complete(zero, sums.background, likelier_where_zero(performance, i), sums.false_positive[i],
                          sums.true_negative[i]);
    }
    return sums;
}

std::optional<Written> PassesOnDevice::write(Step step, const Performance& performance, const Output& to) {
    const Step seen = step == Step::marks ? Step::votes : step; // w is one for both
    const std::vector<double> sum = run(seen, performance, consensus_at(to));
    Written written(raters());
    written.range = range_in(sum);
    for (std::size_t i = 0; i < written.seen_by.size(); ++i) {
        double other;
        kernels::complete(sum[fixed_sums + 2 * i], sum[0], likelier_where_one(performance, i),
                          written.marked_by[i], other);
        kernels::complete(sum[fixed_sums + 2 * i + 1], sum[1], likelier_where_zero(performance, i), other,
                          written.neither[i]);
        written.seen_by[i] = sum[0];
    }
    return written;
}

std::vector<double> PassesOnDevice::run(Step step, const Performance& performance, const Consensus& to) {
    if (raters() > most_dense_raters)
        return sums_of(product_sums(raters()), [&](double* sums) {
            expect_of_many(columns_, rates_of<double, most_raters>(performance), step, to, sums, scratch_);
        });
    const double prior = std::min(performance.prior, 1 - performance.prior);
    const double least =
        step == Step::mean_vote ? 1 : least_evidence(performance, range_.lowest, range_.highest, prior);
    constexpr double least_float = 1e-30, least_double = 1e-280;
    if (!(least > least_double))
        throw DeviceError(
            "CUDA: the prior and the rates leave no digit of a product over the raters; fuse on "
            "the CPU (device='cpu')");
    const bool wide = fine_ || !(least > least_float);
    return wide ? run_product<double>(step, performance, to) : run_product<float>(step, performance, to);
}

template <class T>
std::vector<double> PassesOnDevice::run_product(Step step, const Performance& performance,
                                                const Consensus& to) {
    return sums_of(product_sums(raters()), [&](double* sums) {
        expect(columns_, rates_of<T, most_dense_raters>(performance), step, to, sums, scratch_);
    });
}

// N(B) of all patterns, and Σ q_i (1 − q_i) of the others' patterns for each rater, as MassShares lays them
// out.
Masses PassesOnDevice::gather_masses(Gather gather) {
    const bool with_moments = gather == Gather::masses_and_moments;
    std::vector<double> table = masses_of(-1);
    for (int i = 0; i < raters() && with_moments; ++i) {
        const std::vector<double> half = masses_of(i);
        table.insert(table.end(), half.begin(), half.end());
    }
    return Masses(raters(), with_moments ? with_all_moments(table, raters()) : std::move(table));
}

std::vector<double> PassesOnDevice::masses_of(int again) {
    const OnDevice here(scratch_.place().device);
    Columns columns = columns_;
    if (again >= 0) { // behind the others
        std::rotate(columns.vote + again, columns.vote + again + 1, columns.vote + raters());
        std::rotate(columns.type + again, columns.type + again + 1, columns.type + raters());
        --columns.raters;
    }
    const Array<double> mass(scratch_.place(), std::size_t{1} << columns.raters);
    find_masses(columns, again >= 0, mass.data(), scratch_);
    return mass.values();
}

Written PassesOnDevice::mix(const Masses& masses, const Performance& /*theta*/, const Output& to) {
    const std::vector<double> sum = sums_of(mixed_sums(raters()), [&](double* sums) {
        fastfuse::cuda::mix(columns_, masses.posterior(), fine_, consensus_at(to), sums, scratch_);
    });
    Written written(raters());
    written.range = range_in(sum);
    std::fill(written.seen_by.begin(), written.seen_by.end(), sum[0]);
    for (std::size_t i = 0; i < written.marked_by.size(); ++i) {
        written.marked_by[i] = sum[1 + 2 * i];
        written.neither[i] = sum[2 + 2 * i];
    }
    return written;
}

std::unique_ptr<Passes> passes(const Votes& votes, bool fine, bool by_nodes) {
    if (by_nodes) return passes_by_nodes(votes, fine);
    return std::make_unique<PassesOnDevice>(votes, fine);
}

} // namespace fastfuse::cuda
