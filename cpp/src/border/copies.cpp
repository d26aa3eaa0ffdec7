#include "border/copies.hpp"

#include <cstdint>
#include <numeric>

#include "border/curves.hpp"

namespace fastfuse::border {
namespace {

// Whether raters i and j vote alike, at i * m + j, i < j.
struct Alike {
    explicit Alike(std::size_t raters = 0) : pair(raters * raters, 1) {}
    void add(const Alike& other) {
        for (std::size_t k = 0; k < pair.size(); ++k)
            pair[k] = pair[k] && other.pair[k];
    }
    std::vector<std::uint8_t> pair;
};

bool vote_alike(const Batch& batch, int i, int j) {
    const double *a = batch.votes_of(i), *b = batch.votes_of(j);
    for (std::int64_t row = 0; row < batch.rows; ++row)
        if (a[row] != b[row] && batch.count[row] > 0) return false;
    return true;
}

Alike compare(const Batch& batch) {
    const auto raters = static_cast<std::size_t>(batch.raters);
    Alike alike(raters);
    for (std::size_t i = 0; i < raters; ++i)
        for (std::size_t j = i + 1; j < raters; ++j)
            alike.pair[i * raters + j] = vote_alike(batch, static_cast<int>(i), static_cast<int>(j));
    return alike;
}

} // namespace

std::vector<std::size_t> originals_of(const Rows& rows, const std::vector<double>& read, const Team& team) {
    const std::size_t raters = read.size();
    const Alike alike = sum_over(rows, team, Alike(raters), [] {
        return [](const Batch& batch, const Worker&) { return compare(batch); };
    });
    std::vector<std::size_t> original(raters);
    std::iota(original.begin(), original.end(), std::size_t{0});
    int distinct = 0;
    for (std::size_t j = 0; j < raters; ++j) {
        if (read[j] == 0) continue;
        for (std::size_t i = 0; i < j && original[j] == j; ++i)
            if (original[i] == i && alike.pair[i * raters + j]) original[j] = i;
        distinct += original[j] == j;
    }
    if (distinct < least_raters) std::iota(original.begin(), original.end(), std::size_t{0});
    return original;
}

} // namespace fastfuse::border
