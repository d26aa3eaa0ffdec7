// Engine of the Markov random field on votes whose patterns do not repeat: see mean_field.hpp.
//
// Voxels with votes go in lanes: of soft-STAPLE by the bins of their log-odds, see series.hpp, else as in
// product.hpp, each with a prior of its own. A run of voxels without any is swept as in field_by_table.hpp.
// Of the votes nothing is kept. Of soft-STAPLE:
//
//   Σ_t w_t               foreground
//   Σ_t w_t q_it          true positives; with the EM M-step, Σ_t Σ_B q_t(B) b_i w_t(B)
//   Σ_t q_it              what the true and the false positives add up to, in either M-step
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engines/disputed.hpp"
#include "engines/field/board.hpp"
#include "engines/field/lanes/pattern_series.hpp"
#include "engines/field/lanes/run_reader.hpp"
#include "engines/field/lanes/voxel_batch.hpp"
#include "engines/field/sweep.hpp"
#include "engines/lanes.hpp"

namespace fastfuse {

constexpr int most_field_raters = 20; // whose products are far from underflow in doubles

// Where no votes are missing: soft-STAPLE of at most kernels::most_series_raters raters, or products over at
// most most_field_raters. W: of w, float or double as the consensus is.
template <class W> class FieldByLanes : public LanesEngine {
  public:
    // `region`: its agreed voxels keep their value; may be null.
    FieldByLanes(const Task& task, const Region* region);

    Sums expectation(const Performance& performance) override;
    std::optional<Sums> sampled_expectation(const Performance& /*performance*/) override {
        return std::nullopt;
    }
    Written write(const Performance& performance) override;

  private:
    // What a stretch of a line holds.
    enum class Part : std::uint8_t { outside, empty, whole, mixed };

    struct Sweep {
        const Performance& performance;
        double logit_prior;
        double empty_log_odds;        // Σ_i log a_i1 − log a_i0 where all votes are 0
        double empty_log_zero;        // Σ_i log a_i0 there
        std::vector<double> log_odds; // of each binary pattern; filled only where sums go by terms
    };
    // One thread's.
    template <class T> struct Scratch {
        explicit Scratch(const Task& task)
            : reader(task.votes), series(task.votes.size(), task.plan.m_step == MStep::em),
              batch(task.votes.size()) {}
        RunReader<T> reader;
        PatternSeries<T> series;
        VoxelBatch<T> batch;
        SweepScratch run;
    };

    void start();
    void place_run(RunReader<double>& reader, std::int64_t line, std::int64_t first, std::int64_t n,
                   Sums& votes);
    bool fits_floats(const Performance& performance) const;
    template <class T> Sums sweep_all(const Sweep& sweep, PerThread<Scratch<T>>& scratch);
    template <class T>
    void sweep_line(std::int64_t line, int half, const Sweep& sweep, Scratch<T>& scratch, Sums& sums);
    void sweep_empty(std::int64_t line, int half, std::int64_t first, std::int64_t end, const Sweep& sweep,
                     SweepScratch& run, Sums& sums);
    template <class T> void sweep_batch(const Sweep& sweep, Scratch<T>& scratch, Sums& sums);
    template <class T> void take_terms(Scratch<T>& scratch, Sums& sums);
    template <class T> void take_products(const Sweep& sweep, Scratch<T>& scratch, Sums& sums);
    // The false positives and true negatives of soft-STAPLE, and Σ_i log a_i0.
    void complete_by_votes(const Performance& performance, Sums& sums) const;
    void write_line(std::int64_t line, RunReader<double>& reader, Written& written) const;

    std::int64_t jobs() const;
    std::int64_t parts_of_line() const;
    const Part* parts(std::int64_t line) const;

    const Region* region_;
    Board<W> board_;
    RawVector<Part> parts_;
    const bool by_terms_; // soft-STAPLE
    Sums votes_;          // of w = 1: Σ q_i and Σ (1 − q_i)
    Sums last_;           // of the last E-step
    std::int64_t sweeps_ = 0;
    PerThread<Scratch<float>> floats_;
    PerThread<Scratch<double>> doubles_;
};

std::unique_ptr<Engine> field_by_lanes(const Task& task, const Region* region);

} // namespace fastfuse
