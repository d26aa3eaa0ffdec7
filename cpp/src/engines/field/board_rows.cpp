#include "engines/field/board_rows.hpp"

#include <array>
#include <map>
#include <numeric>
#include <utility>

#include "fastfuse/votes.hpp"
#include "votes/rows.hpp"

namespace fastfuse {
namespace {

constexpr int most_raters = 64, most_fractional = 16;
constexpr std::size_t most_terms = std::size_t{1} << 20;

// Two bits a rater, the first rater's highest: 0 for no vote, 1 for a vote of 0, 2 for one of 1. Keys
// sort as a table's rows do.
using Key = std::array<std::uint64_t, 2>;

Key shifted(int rater, std::uint64_t code) {
    Key key{};
    key[static_cast<std::size_t>(rater / 32)] = code << (62 - 2 * (rater % 32));
    return key;
}

double vote_of(const Key& key, int rater) {
    const std::uint64_t code = key[static_cast<std::size_t>(rater / 32)] >> (62 - 2 * (rater % 32)) & 3;
    return code == 0 ? missing_vote : static_cast<double>(code - 1);
}

struct Term {
    Key key;
    double weight;
};

struct Pattern {
    double count = 0;
    std::int32_t number = 0;
};
using Patterns = std::map<Key, Pattern>;

// The binary patterns of a row, with their weights; false if there are too many.
bool find_terms(const VoteTable& table, std::size_t row, std::vector<Term>& terms) {
    terms.assign(1, {Key{}, 1});
    int fractional = 0;
    for (int i = 0; i < table.raters(); ++i) {
        const double q = table.votes_of(i)[row];
        if (is_fractional(q) && ++fractional > most_fractional) return false;
        const std::size_t n = terms.size();
        for (std::size_t k = 0; k < n; ++k) {
            const Key no = shifted(i, is_missing(q) ? 0 : 1), yes = shifted(i, 2);
            const auto with = [&](const Key& vote, double share) {
                const Term& term = terms[k];
                return Term{{term.key[0] | vote[0], term.key[1] | vote[1]}, term.weight * share};
            };
            if (is_fractional(q)) terms.push_back(with(yes, q));
            terms[k] = is_fractional(q) ? with(no, 1 - q) : q == 1 ? with(yes, 1) : with(no, 1);
        }
    }
    return true;
}

} // namespace

BoardRows BoardRows::of(const VoteTable& table) {
    BoardRows rows;
    rows.plain = table;
    rows.mixed = VoteTable(table.raters(), {}, {});
    rows.number.resize(static_cast<std::size_t>(table.size()));
    std::iota(rows.number.begin(), rows.number.end(), 0);
    return rows;
}

std::optional<BoardRows> BoardRows::of_patterns(const VoteTable& table, Watch& watch) {
    if (table.raters() > most_raters) return std::nullopt;
    BoardRows rows;
    const auto size = static_cast<std::size_t>(table.size());
    const auto raters = static_cast<std::size_t>(table.raters());
    Patterns patterns;
    std::vector<const Patterns::value_type*> of_term, of_row(size); // null of a mixed row
    std::vector<Term> terms;
    Patience patience(watch);
    for (std::size_t row = 0; row < size; ++row) {
        if (!find_terms(table, row, terms) || of_term.size() + terms.size() > most_terms) return std::nullopt;
        patience.after(static_cast<std::int64_t>(terms.size()) * table.raters());
        for (const Term& term : terms) {
            auto& pattern = *patterns.try_emplace(term.key).first;
            pattern.second.count += term.weight * table.counts()[row];
            if (terms.size() == 1) {
                of_row[row] = &pattern;
            } else {
                of_term.push_back(&pattern);
                rows.weight.push_back(term.weight);
            }
        }
        if (terms.size() > 1) rows.begin.push_back(of_term.size());
    }
    std::vector<double> votes(raters * patterns.size()), counts;
    for (auto& [key, pattern] : patterns) {
        pattern.number = static_cast<std::int32_t>(counts.size());
        for (std::size_t i = 0; i < raters; ++i)
            votes[i * patterns.size() + counts.size()] = vote_of(key, static_cast<int>(i));
        counts.push_back(pattern.count);
    }
    rows.plain = VoteTable(table.raters(), std::move(votes), std::move(counts));
    for (const auto* pattern : of_term)
        rows.pattern.push_back(pattern->second.number);
    const std::size_t mixed = rows.begin.size() - 1;
    std::vector<double> mixed_votes(raters * mixed), mixed_counts;
    for (std::size_t row = 0; row < size; ++row) {
        if (of_row[row]) {
            rows.number.push_back(of_row[row]->second.number);
            continue;
        }
        rows.number.push_back(rows.plain_rows() + static_cast<std::int32_t>(mixed_counts.size()));
        for (std::size_t i = 0; i < raters; ++i)
            mixed_votes[i * mixed + mixed_counts.size()] = table.votes_of(static_cast<int>(i))[row];
        mixed_counts.push_back(table.counts()[row]);
    }
    rows.mixed = VoteTable(table.raters(), std::move(mixed_votes), std::move(mixed_counts));
    return rows;
}

} // namespace fastfuse
