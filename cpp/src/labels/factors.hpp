// The factors of the E-step, found once before EM.
//
//   θ_i[a, b_i]   factor of rater i in the product of truth a at a row; 1 where their vote is not there
//
// A row with few candidates names each of its factors by number. Those that occur at all, some ten thousand
// of a whole brain's m K² = 70,000, stand side by side, and so do their counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fastfuse/labels.hpp"
#include "fastfuse/threads.hpp"
#include "labels/matrices.hpp"

namespace fastfuse {

class Factors {
  public:
    using Number = std::uint16_t;
    using Row = std::uint32_t;                          // as ids of LabelIndex
    static constexpr std::int64_t most_candidates = 24; // of a row that names its factors

    Factors(const LabelTable& table, const RowTruths& truths, Watch& watch);

    // Of rows that hold voxels: those that name their factors, sorted by how many candidates they have.
    const std::vector<Row>& rows() const { return rows_; }
    // Of rows()[r]: the first candidate; and the end of the last.
    const std::vector<std::uint32_t>& first() const { return first_; }
    // Of each candidate.
    const Code* code() const { return code_.data(); }
    // Of candidate k, one for each rater.
    const Number* of_candidate(std::int64_t k) const { return number_.data() + k * raters_; }

    // The rows with many candidates.
    const std::vector<Row>& other_rows() const { return other_rows_; }

    std::size_t size() const { return place_.size(); }
    // θ of each factor.
    std::vector<double> of(const Matrices& theta) const;
    // Adds what was counted of rater i's factors to T, [a, b] at b K + a.
    void add(const std::vector<double>& counted, int rater, double* counts) const;

  private:
    class Numbering;

    static constexpr Number no_vote = 0;
    std::int64_t raters_;
    std::size_t per_rater_;
    std::vector<Row> rows_, other_rows_;
    std::vector<std::uint32_t> first_;
    std::vector<Code> code_;
    std::vector<Number> number_;
    std::vector<std::size_t> place_; // of each factor, among the entries of all matrices
    std::vector<std::vector<Number>> of_rater_;
};

} // namespace fastfuse
