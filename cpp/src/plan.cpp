#include "fastfuse/plan.hpp"

#include <algorithm>
#include <cmath>

#include "em/costs.hpp"
#include "em/masses.hpp"
#include "engines/field/lanes/field_by_lanes.hpp"
#include "engines/lanes/product.hpp"
#include "posterior/model.hpp"

namespace fastfuse {
namespace {

// True if a vote, the prior map or the consensus is of doubles.
bool is_fine(const Votes& votes, bool wide) {
    return wide || (votes.prior && size_of(votes.prior->type) > 4) ||
           std::any_of(votes.raters.begin(), votes.raters.end(),
                       [](const View& view) { return view.type == Scalar::f64; });
}

bool suits_lanes(const Votes& votes, const Options& options, const Probe& probe) {
    if (options.method == Method::border_staple || options.classes > 2) return false;
    if (votes.select_label || votes.size() > kernels::most_product_raters) return false;
    if (options.method != Method::soft_staple) return true;
    if (votes.prior || votes.size() > most_mass_raters || options.expectation == Expectation::characteristic)
        return false;
    if (options.route == Route::lanes || probe.rows == 0) return true;
    const double terms_of_row = probe.terms / probe.rows;
    if (!pays_lanes(options, votes.size(), votes.voxels(), std::log2(terms_of_row))) return false;
    // Lanes compute all 2^m terms of a voxel, 64 at once; rows compute 2^f terms, one at a time, and each row
    // costs as much as some 2,000 terms in lanes before.
    constexpr double at_a_time = 64, terms_before = 2000;
    const double terms = std::ldexp(1.0, votes.size());
    return terms <= at_a_time * terms_of_row || terms * probe.voxels <= terms_before * probe.rows;
}

// Lanes of a field compute all 2^m terms of a voxel, in less time than single voxels take for a few.
bool suits_field_lanes(const Votes& votes, const Options& options, Model model) {
    if (options.route == Route::rows || votes.select_label || votes.may_miss()) return false;
    if (model == Model::product) return votes.size() <= most_field_raters;
    return model != Model::characteristic && model != Model::log_linear &&
           votes.size() <= kernels::most_series_raters;
}

// Whether EM runs on the moments of a prior map, see engines/map/moments.hpp.
bool suits_moments(const Votes& votes, const Options& options) {
    if (!votes.prior || options.route != Route::automatic) return false;
    if (options.method == Method::majority || options.method == Method::border_staple) return false;
    if (options.classes != 2) return false;
    constexpr int few_raters = 12; // whose 2^m patterns EM goes through in every iteration
    return options.method != Method::soft_staple ||
           (votes.size() <= few_raters && options.expectation != Expectation::characteristic);
}

} // namespace

Votes read_by(const Options& options, Votes votes) {
    votes.check = options.method == Method::staple ? Check::binary : Check::unit;
    votes.missing = options.missing;
    votes.select_label = options.select_label;
    return votes;
}

Plan plan_for(const Votes& votes, const Options& options, bool wide, const Probe& probe) {
    Plan plan;
    plan.model = model_of(options);
    plan.m_step = options.m_step;
    plan.fine = is_fine(votes, wide) || plan.model == Model::log_linear;
    const bool soft = options.method == Method::soft_staple;
    const bool coupled = options.mrf > 0 && options.method != Method::majority;
    if (soft && !votes.prior && !coupled) plan.masses = MassUse::when_cheaper;
    if (votes.place) {
        plan.otherwise = EngineKind::device_lanes;
        plan.engine = options.route == Route::lanes ? plan.otherwise : EngineKind::device_table;
        return plan;
    }
    const bool by_table =
        options.route == Route::patterns || (options.route == Route::automatic && probe.repeats);
    if (coupled) {
        plan.otherwise =
            suits_field_lanes(votes, options, plan.model) ? EngineKind::field_by_lanes : EngineKind::field;
        const bool in_terms = plan.model != Model::characteristic;
        plan.engine = by_table && in_terms ? EngineKind::field_by_table : plan.otherwise;
        return plan;
    }
    if (options.route != Route::rows && suits_lanes(votes, options, probe))
        plan.otherwise = EngineKind::lanes;
    if (suits_moments(votes, options)) plan.otherwise = EngineKind::map;
    plan.engine = by_table ? EngineKind::table : plan.otherwise;
    return plan;
}

Options options_to_apply(const Estimate& estimate, const Options& options, const Votes& votes) {
    Options same = options;
    same.method = estimate.method;
    if (estimate.classes) same.classes = static_cast<int>(latent_classes);
    same.m_step = estimate.m_step;
    same.likelihood = estimate.likelihood;
    same.expectation = estimate.expectation;
    if (!votes.prior) same.prior = estimate.performance.prior;
    return same;
}

Plan plan_to_apply(const Estimate& estimate, const Votes& votes, const Options& options, bool wide,
                   const Probe& probe) {
    Plan plan = plan_for(votes, options, wide, probe);
    const bool masses_known =
        estimate.by_masses && plan.masses != MassUse::never && votes.size() <= most_mass_raters;
    plan.masses = masses_known ? MassUse::known : MassUse::never;
    if (options.method == Method::soft_staple && !masses_known) // lanes need the masses p(1|B)
        for (EngineKind* kind : {&plan.engine, &plan.otherwise})
            if (*kind == EngineKind::lanes) *kind = EngineKind::voxels;
    return plan;
}

} // namespace fastfuse
