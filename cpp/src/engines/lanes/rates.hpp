// The performances as kernels take them, in lanes and on the device.
#pragma once

namespace fastfuse::kernels {

// How the posterior of a voxel comes about, and what the M-step sees of a vote.
enum class Step {
    mean_vote, // w = Σ_i q_i / m
    votes,     // eqs. (12), (13); the M-step sees the votes
    marks,     // eqs. (12), (13); the M-step sees the raters' own marks behind the votes
};

// One rater where one truth holds: a = base + slope x, both positive, where x is the vote towards the
// likelier mark, q or 1 − q. Nothing is subtracted, so that no digit is lost.
template <class T> struct Rate {
    T base, slope; // the smaller of θ and 1 − θ, and what the larger has more
    bool towards_yes;
};

// All raters' rates, of at most so many.
template <class T, int most> struct RatesOf {
    Rate<T> one[most], zero[most];
    T prior, prior_complement; // π, 1 − π
};

// The sum that was gathered, of votes away from the likelier mark, and the other one.
inline void complete(double gathered, double whole, bool towards_yes, double& yes, double& no) {
    const double other = whole > gathered ? whole - gathered : 0;
    yes = towards_yes ? other : gathered;
    no = towards_yes ? gathered : other;
}

} // namespace fastfuse::kernels
