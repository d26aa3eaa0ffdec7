// Performances in the form that the kernels take, in lanes and on the device.
#pragma once

namespace fastfuse::kernels {

// How w of a voxel is found, and what the M-step sees of a vote.
enum class Step {
    mean_vote, // w = Σ_i q_i / m
    votes,     // eqs. (12), (13); the M-step sees the votes
    marks,     // eqs. (12), (13); the M-step sees the expected marks
    logs,      // votes weigh the log-likelihoods; the M-step sees the votes
};

// One rater's likelihood for one truth: a = base + slope x, x the vote for the likelier mark, q or 1 − q.
// Base and slope are positive, so that no digit is lost by subtraction. Where votes weigh log-likelihoods,
// log a.
template <class T> struct Rate {
    T base, slope; // the smaller of θ and 1 − θ, or of their logarithms, and the difference to the larger
    bool towards_yes;
};

// Rates of all raters, at most `most`.
template <class T, int most> struct RatesOf {
    Rate<T> one[most], zero[most];
    T prior, prior_complement; // π, 1 − π
};

// Finds both sums of a rater from the gathered one, which is over the votes for the less likely mark.
inline void complete(double gathered, double whole, bool towards_yes, double& yes, double& no) {
    const double other = whole > gathered ? whole - gathered : 0;
    yes = towards_yes ? other : gathered;
    no = towards_yes ? gathered : other;
}

} // namespace fastfuse::kernels
