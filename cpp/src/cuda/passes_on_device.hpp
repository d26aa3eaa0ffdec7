// Votes that lie on the device and do not repeat: every pass over the voxels there, what it leaves here. The
// device's twin of tile_passes.cpp.
#pragma once

#include "cuda/engines.hpp"

#include <optional>
#include <vector>

#include "cuda/columns.hpp"
#include "cuda/kernels.hpp"

namespace fastfuse::cuda {

class PassesOnDevice : public Passes {
  public:
    PassesOnDevice(const Votes& votes, bool fine);

    Census survey(Gather gather) override;
    Masses take_masses() override { return std::move(*masses_); }
    std::optional<Sums> expectation(Step step, const Performance& performance) override;
    std::optional<Written> write(Step step, const Performance& performance, const Output& to) override;
    Written mix(const Masses& masses, const Performance& theta, const Output& to) override;

  protected:
    // The sums of a pass of the E-step; also writes w, if there is where.
    virtual std::vector<double> run(Step step, const Performance& performance, const Consensus& to);

    int raters() const { return columns_.raters; }
    // What a pass leaves: so many sums, then the least and the greatest of what it wrote or saw.
    template <class Pass> std::vector<double> sums_of(int sums, const Pass& pass) {
        const OnDevice here(scratch_.place().device);
        pass(sums_.data());
        std::vector<double> found(static_cast<std::size_t>(sums) + 2);
        copy_to_host(scratch_.place(), reinterpret_cast<const std::byte*>(sums_.data()),
                     found.size() * sizeof(double), found.data());
        return found;
    }

    Columns columns_;
    Scratch scratch_;

  private:
    template <class T> std::vector<double> run_product(Step step, const Performance&, const Consensus& to);
    Sums mean_vote_in(const double* sum) const;
    Masses gather_masses(Gather gather);
    std::vector<double> masses_of(int again);

    Check check_;
    bool fine_; // votes or consensus of double precision
    Array<double> sums_;
    double voxels_ = 0; // that count
    Range range_;       // of the votes
    std::optional<Masses> masses_;
};

// By the characteristic function, of any number of raters.
std::unique_ptr<Passes> passes_by_nodes(const Votes& votes, bool fine);

} // namespace fastfuse::cuda
