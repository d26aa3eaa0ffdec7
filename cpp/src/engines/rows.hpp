// Engines whose votes are rows: the rows of a table, or the voxels.
#pragma once

#include <memory>
#include <optional>

#include "em/masses.hpp"
#include "engine.hpp"
#include "engines/consenters.hpp"
#include "votes/lone/rows.hpp"

namespace fastfuse {

// soft-STAPLE runs on the masses of the 2^m binary patterns where that is cheaper.
class RowsEngine : public Engine {
  public:
    explicit RowsEngine(const Task& task) : task_(task) {}

    Census survey() override;
    Sums expectation(const Performance& performance) override;
    Written write(const Performance& performance) override;
    Written write_mean_vote() override;
    Observed observe(const Performance& performance) override;
    bool by_masses() const override;
    bool is_quick() const override;

    virtual const Rows& rows() const = 0;
    virtual Written write_by(const MakeConsenter& make, int most_consenters) = 0;

  protected:
    virtual bool may_miss() const = 0;

    // Information of the rows `curved`, and variability with the scores of model `scored`, when EM has ended.
    Observed observe_rows(const Rows& curved, Model model, Model scored,
                          const Performance& performance) const;
    bool is_maximised() const; // EM ends at a maximum of the likelihood

    void hold_posterior(const Performance& performance); // replaces the masses by p(1|B)

    const Task task_;
    Census census_;
    std::optional<Masses> masses_;

  private:
    Observed observe_soft(const Performance& performance) const;
};

// Runs on the distinct vote patterns, and on lone voxels where there are more than the table holds. Without
// an index, it writes nothing.
class TableEngine : public RowsEngine {
  public:
    TableEngine(const Task& task, Tabulation tabulation);
    const Tabulation* tabulation() const override {
        return tabulation_.lone.empty() ? &tabulation_ : nullptr;
    }
    const Rows& rows() const override { return rows_; }
    Written write_by(const MakeConsenter& make, int most_consenters) override;

  protected:
    bool may_miss() const override {
        return tabulation_.table.may_miss() || (!tabulation_.lone.empty() && task_.votes.may_miss());
    }

    const Tabulation tabulation_;
    const TableAndLoneRows rows_;

  private:
    Written write_lone(const MakeConsenter& make, int most_consenters,
                       const std::vector<double>& probability);
};

// Runs on the voxels.
class VoxelEngine : public RowsEngine {
  public:
    explicit VoxelEngine(const Task& task) : RowsEngine(task), rows_(task.votes) {}
    const Rows& rows() const override { return rows_; }
    Written write_by(const MakeConsenter& make, int most_consenters) override;

  protected:
    bool may_miss() const override { return task_.votes.may_miss(); }

  private:
    const VoxelRows rows_;
};

} // namespace fastfuse
