#include "fastfuse/vote_table.hpp"

#include <algorithm>
#include <utility>

#include "fastfuse/votes.hpp"

namespace fastfuse {
namespace {

int compare(const VoteTable& table, std::int64_t a, std::int64_t b) {
    for (int i = 0; i < table.raters(); ++i) {
        const double* votes = table.votes_of(i);
        if (votes[a] != votes[b]) return votes[a] < votes[b] ? -1 : 1;
    }
    return 0;
}

bool has_no_vote(const VoteTable& table, std::int64_t row) {
    for (int i = 0; i < table.raters(); ++i)
        if (table.votes_of(i)[row] != 0) return false;
    return true;
}

// Whether a row has a vote that is not missing. Other rows have no voxels.
bool is_read(const VoteTable& table, std::int64_t row) {
    for (int i = 0; i < table.raters(); ++i)
        if (!is_missing(table.votes_of(i)[row])) return true;
    return false;
}

// The rows of `a`, then those of `b`.
VoteTable stacked(const VoteTable& a, const VoteTable& b, Watch& watch) {
    std::vector<double> votes, counts = a.counts();
    votes.reserve(a.votes().size() + b.votes().size());
    for (int i = 0; i < a.raters(); ++i) {
        watch.look();
        votes.insert(votes.end(), a.votes_of(i), a.votes_of(i) + a.size());
        votes.insert(votes.end(), b.votes_of(i), b.votes_of(i) + b.size());
    }
    counts.insert(counts.end(), b.counts().begin(), b.counts().end());
    return {a.raters(), std::move(votes), std::move(counts)};
}

} // namespace

VoteTable::VoteTable(int raters, std::vector<double> votes, std::vector<double> counts)
    : raters_(raters), votes_(std::move(votes)), counts_(std::move(counts)),
      may_miss_(std::any_of(votes_.begin(), votes_.end(), is_missing)) {}

VoteTable VoteTable::in_order(const VoteTable& rows, Watch& watch) {
    Patience patience(watch);
    std::vector<std::int64_t> order, kept;
    std::vector<double> counts(1); // of row 0, without any vote
    for (std::int64_t row = 0; row < rows.size(); ++row) {
        patience.after(rows.raters());
        if (has_no_vote(rows, row))
            counts[0] += rows.counts()[static_cast<std::size_t>(row)];
        else
            order.push_back(row);
    }
    std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
        patience.after(8);
        return compare(rows, a, b) < 0;
    });
    for (const std::int64_t row : order) {
        patience.after(rows.raters());
        if (kept.empty() || compare(rows, kept.back(), row) != 0) {
            kept.push_back(row);
            counts.push_back(0);
        }
        if (is_read(rows, row)) counts.back() += rows.counts()[static_cast<std::size_t>(row)];
    }
    std::vector<double> votes;
    votes.reserve((kept.size() + 1) * static_cast<std::size_t>(rows.raters()));
    for (int i = 0; i < rows.raters(); ++i) {
        votes.push_back(0);
        for (const std::int64_t row : kept) {
            patience.after(1);
            votes.push_back(rows.votes_of(i)[row]);
        }
    }
    return {rows.raters(), std::move(votes), std::move(counts)};
}

VoteTable VoteTable::add(const VoteTable& other, Watch& watch) const {
    return in_order(stacked(*this, other, watch), watch);
}

VoteTable VoteTable::drop(int rater, Watch& watch) const {
    std::vector<double> votes;
    votes.reserve(votes_.size() - counts_.size());
    for (int i = 0; i < raters_; ++i) {
        watch.look();
        if (i != rater) votes.insert(votes.end(), votes_of(i), votes_of(i) + size());
    }
    return in_order({raters_ - 1, std::move(votes), counts_}, watch);
}

bool operator==(const VoteTable& a, const VoteTable& b) {
    return a.raters_ == b.raters_ && a.votes_ == b.votes_ && a.counts_ == b.counts_;
}

} // namespace fastfuse
