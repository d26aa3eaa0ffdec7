// Convolution of lines with a symmetric kernel. A job smooths a strip of neighbouring lines, whose voxels are
// vectors.
#include <algorithm>
#include <cstddef>

#include "fastfuse/smoothing.hpp"
#include "support/simd.hpp"

namespace fastfuse {
namespace {

constexpr std::int64_t strip = 64; // neighbouring lines of one job

// sum[k] += weight (before[k] + behind[k])
FASTFUSE_CLONES void add_both(const double* before, const double* behind, double weight, std::int64_t n,
                              double* sum) {
    for (std::int64_t k = 0; k < n; ++k)
        sum[k] += (before[k] + behind[k]) * weight;
}

FASTFUSE_CLONES void begin_sum(const double* at, double weight, std::int64_t n, double* sum) {
    for (std::int64_t k = 0; k < n; ++k)
        sum[k] = at[k] * weight;
}

// A strip of lines in double precision, with zeros beyond the ends; lines[i * lines_side + k].
class Strip {
  public:
    Strip(std::int64_t length, std::int64_t reach)
        : length_(length), reach_(reach), padded_(static_cast<std::size_t>((length + 2 * reach) * strip)),
          sum_(padded_.size()) {}

    // Lines side by side in memory: one row of the strip is `n` neighbouring floats.
    void smooth_rows(const float* from, std::int64_t row_step, std::int64_t n,
                     const std::vector<double>& weight, float* to, Pace& pace) {
        for (std::int64_t i = 0; i < length_; ++i)
            std::copy_n(from + i * row_step, n, row(i));
        for (std::int64_t i = 0; i < length_; ++i) {
            begin_sum(row(i), weight[0], n, sum_.data());
            for (std::int64_t d = reach_; d > 0; --d)
                add_both(row(i - d), row(i + d), weight[static_cast<std::size_t>(d)], n, sum_.data());
            for (std::int64_t k = 0; k < n; ++k)
                to[i * row_step + k] = static_cast<float>(sum_[static_cast<std::size_t>(k)]);
            if (pace.stopped_after(n * (reach_ + 1))) return;
        }
    }

    // One line whose voxels are neighbours in memory.
    void smooth_line(const float* from, const std::vector<double>& weight, float* to, Pace& pace) {
        double* line = padded_.data() + reach_;
        std::copy_n(from, length_, line);
        begin_sum(line, weight[0], length_, sum_.data());
        for (std::int64_t d = reach_; d > 0; --d) {
            add_both(line - d, line + d, weight[static_cast<std::size_t>(d)], length_, sum_.data());
            if (pace.stopped_after(length_)) return;
        }
        for (std::int64_t i = 0; i < length_; ++i)
            to[i] = static_cast<float>(sum_[static_cast<std::size_t>(i)]);
    }

  private:
    double* row(std::int64_t i) { return padded_.data() + (reach_ + i) * strip; }

    std::int64_t length_, reach_;
    std::vector<double> padded_, sum_;
};

} // namespace

void smooth_lines(const float* from, const Lines& lines, const std::vector<double>& weight, float* to,
                  const Team& team) {
    const auto [outer, length, inner] = lines;
    const std::int64_t reach = static_cast<std::int64_t>(weight.size()) - 1;
    const bool along_memory = inner == 1;
    const std::int64_t strips = along_memory ? 1 : (inner + strip - 1) / strip;
    const std::int64_t together = along_memory ? strip : 1; // slabs of one job
    const std::int64_t groups = (outer + together - 1) / together;
    PerThread<Strip> scratch(team);
    team.run(groups * strips,
             [&, length = length, inner = inner, outer = outer](std::int64_t job, const Worker& worker) {
                 Strip& own = scratch.of(worker, [&] { return Strip(length, reach); });
                 Pace pace(worker);
                 const std::int64_t first = job / strips * together, end = std::min(first + together, outer);
                 for (std::int64_t slab = first; slab < end && !worker.stopped(); ++slab) {
                     const std::int64_t k = job % strips * strip, at = slab * length * inner + k;
                     if (along_memory)
                         own.smooth_line(from + at, weight, to + at, pace);
                     else
                         own.smooth_rows(from + at, inner, std::min(strip, inner - k), weight, to + at, pace);
                 }
             });
}

} // namespace fastfuse
