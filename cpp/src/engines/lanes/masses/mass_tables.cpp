#include "engines/lanes/masses/mass_tables.hpp"

namespace fastfuse {

std::int64_t half_table_size(int raters, bool with_moments) {
    const std::int64_t patterns = std::int64_t{1} << raters;
    return patterns + (with_moments ? raters * patterns / 2 : 0);
}

MassShares tile_shares(int raters, std::size_t table_size, std::int64_t voxels) {
    constexpr std::int64_t most_jobs = 64;
    constexpr int most_strip_raters = 6, fewest_others = 8;
    const auto fit = 2 * voxels / static_cast<std::int64_t>(table_size * sizeof(double)); // 2 bytes a voxel
    MassShares split{raters, 0, std::clamp<std::int64_t>(fit, 1, most_jobs)};
    while (split.jobs() < most_jobs && split.strip_raters < most_strip_raters &&
           split.other_raters() > fewest_others)
        ++split.strip_raters;
    return split;
}

// M_i(B) of the patterns in which rater i votes 1: Σ q_i² Π = Σ q_i Π − Σ q_i (1 − q_i) Π, Π over the others.
std::vector<double> with_all_moments(const std::vector<double>& table, int raters) {
    const std::size_t patterns = std::size_t{1} << raters;
    std::vector<double> all((static_cast<std::size_t>(raters) + 1) * patterns);
    std::copy_n(table.begin(), patterns, all.begin());
    for (std::size_t i = 0; i < static_cast<std::size_t>(raters); ++i) {
        const double* half = table.data() + patterns + i * patterns / 2;
        double* moment = all.data() + (i + 1) * patterns;
        for (std::size_t b = 0; b < patterns / 2; ++b) {
            const std::size_t no = kernels::with_rater(b, static_cast<int>(i));
            const std::size_t yes = no | std::size_t{1} << i;
            moment[no] = half[b];
            moment[yes] = std::max(table[yes] - half[b], 0.0);
        }
    }
    return all;
}

} // namespace fastfuse
