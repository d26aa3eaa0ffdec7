// Sums of an E-step over a prior map, from the moments of its cells: no pass over the voxels.
//
// a and b: likelihoods of a row's votes where truth is 1 and where it is 0; the other way round for cells of
// 1 − π. With x = c + h d, and what cells.hpp defines,
//
//   evidence   a x + b (1 − x) = e (1 − t d),   e = a c + b (1 − c),   t = h (b − a) / e,   |t| < 1/62
//   Σ w        a / e Σ_j t^j (c m_j + h m_{j+1})
//   Σ log      m_0 log e − Σ_j t^j m_j / j
//
// The series end at j = 7, with terms below 2^-47: as exact as the rounding of a long sum.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "engines/map/cells.hpp"
#include "fastfuse/threads.hpp"
#include "fastfuse/votes.hpp"
#include "votes/tabulation.hpp"

namespace fastfuse::map {

// What a row's votes may be, with weights q that sum to 1: of a row of soft-STAPLE, the binary patterns in
// which its fractional votes take part, eq. (8); else the votes themselves.
struct Terms {
    std::size_t rows() const { return begin.size() - 1; }
    void add(double q, double a, double b) {
        weight.push_back(q);
        one.push_back(a);
        zero.push_back(b);
    }
    void end_row() { begin.push_back(weight.size()); }

    std::vector<std::size_t> begin{0};     // of each row's terms, and the end of the last row's
    std::vector<double> weight, one, zero; // q, a, b; the larger one of a and b is 1
    std::size_t scored = SIZE_MAX;         // the evidence of so many rows counts, the first
};

// Rows of the binary patterns' moments: 2^m, and with votes 2^(m−1) for each rater.
constexpr std::size_t pattern_rows(int raters, bool with_votes) {
    return (std::size_t{1} << raters) + (with_votes ? static_cast<std::size_t>(raters) << raters >> 1 : 0);
}

// Row of V_i(B), `others` the marks of the other raters.
constexpr std::size_t row_of_votes(int raters, int i, std::size_t others) {
    return (std::size_t{1} << raters) + (static_cast<std::size_t>(i) << raters >> 1) + others;
}

// Σ w and Σ (1 − w) of each row, and Σ log evidence of all that are scored.
struct RowSums {
    explicit RowSums(std::size_t rows) : w(rows), u(rows) {}
    std::vector<double> w, u;
    double log_evidence = 0;
};

struct CellSums; // scratch

class Moments {
  public:
    // One pass over map and pattern index. Nullopt where some π is too near 0 or 1, or where there are too
    // many cells for the memory. Voxels of rows that nobody voted on do not count. Throws BadInput.
    static std::optional<Moments> gather(const Votes& votes, const Tabulation& table, const Team& team);

    // Those of the 2^m binary patterns, for soft-STAPLE, whose votes enter only through the patterns' weights
    // q_t(B), as in em/masses.hpp: Σ_t q_t(B) d^j. With `votes`, then what the paper's M-step needs: those of
    // V_i(B) = q_it q_t(B) − b_i q_t(B) for each rater i and each B without a mark of i. With the mark, only
    // the sign differs: q_t(B) is q_it r there, r of the other raters, and V_i(B) is −q_it (1 − q_it) r.
    // Nullopt where there are too many.
    std::optional<Moments> of_patterns(const VoteTable& table, bool votes, Watch& watch) const;
    // The same of votes that do not repeat: in one pass, see dense.cpp.
    static std::optional<Moments> of_dense(const Votes& votes, bool with_votes, const Team& team);

    RowSums sums(const Terms& terms, const Team& team) const;
    std::size_t rows() const { return count_.size(); }
    double count(std::size_t row) const { return count_[row]; } // its voxels
    double prior() const { return prior_; }                     // Σ π

  private:
    // Cells of one row and side: they follow each other.
    struct Segment {
        std::size_t row;
        bool of_complement;
        std::size_t begin, end;
    };

    struct Found {
        double w, u, log_evidence;
    };

    Found sums_of(const Segment& segment, const Terms& terms, CellSums& scratch) const;
    // The rows lie in ascending order, and so do a row's cells.
    void add(std::size_t row, std::uint32_t cell, const std::array<double, orders>& moment);

    std::vector<double> count_; // of each row
    double prior_ = 0;
    std::size_t most_ = 0; // cells
    std::vector<std::uint32_t> cell_;
    std::vector<Segment> segments_;
    std::vector<double> middle_, width_;             // c and h of each cell
    std::array<std::vector<double>, orders> moment_; // m_j
};

} // namespace fastfuse::map
