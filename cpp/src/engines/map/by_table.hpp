// Engine of a prior map on vote patterns: EM on the moments of the map's cells, see map/moments.hpp.
//
// Two passes over map and pattern index, however many iterations: one that gathers the moments, one that
// writes. The votes are read once.
#pragma once

#include <memory>
#include <optional>

#include "engines/map/moments.hpp"
#include "engines/rows.hpp"

namespace fastfuse {

class MapByTable : public VoxelEngine {
  public:
    // Null where the votes make too many patterns, or map::Moments cannot hold the map.
    static std::unique_ptr<MapByTable> make(const Task& task);

    Census survey() override;
    Sums expectation(const Performance& performance) override;
    Written write(const Performance& performance) override;
    const Tabulation* tabulation() const override { return &tabulation_; } // of the votes alone
    bool is_quick() const override { return false; } // a step takes the moments, which are many

  private:
    MapByTable(const Task& task, Tabulation tabulation, map::Moments moments,
               std::optional<map::Moments> of_patterns);
    Sums expectation_of_rows(const Performance& performance) const;
    map::Terms terms_of_rows(const Performance& performance) const;

    const Tabulation tabulation_;
    const TableRows table_rows_;
    const map::Moments moments_; // the moments of the table's rows
    // The moments of the 2^m binary patterns, on which soft-STAPLE's EM runs; other methods have none.
    const std::optional<map::Moments> of_patterns_;
};

} // namespace fastfuse
