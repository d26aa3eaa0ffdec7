// Three latent classes, background, border and foreground: Dawid and Skene with three truths and two votes.
//
//   p_ik   p(mark of rater i | class k)     ρ_k   share of class k
//   r_bk   p(class k | votes of row b)      n_b   voxels of row b      q_bi   vote
#pragma once

#include <array>
#include <vector>

#include "fastfuse/fusion.hpp"
#include "fastfuse/threads.hpp"
#include "votes/rows.hpp"

namespace fastfuse::classes {

// How much of a class is foreground: half of the border.
constexpr std::array<double, latent_classes> foreground_of{0, 0.5, 1};

struct Fit {
    Classes classes;
    std::vector<double> log_likelihood; // after each M-step
    bool converged = false;
};

Fit fit(const Rows& rows, double tol, int max_iter, const Team& team);

// r of a row. Returns ln p(votes).
class Posteriors {
  public:
    explicit Posteriors(const Classes& classes);
    double of(const Batch& batch, std::int64_t row, std::array<double, latent_classes>& r) const;
    double consensus(const Batch& batch, std::int64_t row) const;

  private:
    std::vector<std::array<double, latent_classes>> log_mark_, log_no_mark_;
    std::array<double, latent_classes> log_share_{};
};

} // namespace fastfuse::classes
