#include "posterior/soft.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

namespace fastfuse {
namespace {

constexpr double typical_gain = 6; // change of the log-odds by a vote, for rates of about 0.9 and 0.99

} // namespace

double enumeration_cost(int fractional) { return 60 + std::ldexp(12.0, fractional); }

double characteristic_cost(int fractional, bool with_sums) {
    const double nodes = Nodes::count_within(typical_gain / 2 * fractional);
    return 500 + nodes * (with_sums ? 5 + 1.1 * fractional : 3 + 0.19 * fractional);
}

void soft_posterior(const Batch& batch, const Performance& performance, Model model, const Nodes* nodes,
                    Posterior& posterior, Sums* sums, const Worker& worker) {
    posterior.make_room(batch.rows);
    RowEnumerator enumerator(batch, performance);
    std::optional<RowCharacteristic> characteristic;
    if (model != Model::enumerated) characteristic.emplace(batch, performance, *nodes, posterior, sums);
    const auto enumerates = [&](int fractional) {
        if (fractional == 0 || model == Model::enumerated) return true;
        if (model == Model::characteristic || fractional > most_fractional) return false;
        return enumeration_cost(fractional) <= characteristic_cost(fractional, sums != nullptr);
    };
    Pace pace(worker);
    for (std::int64_t row = 0; row < batch.rows; ++row) {
        if (!enumerates(fractional_votes(batch, row))) {
            if (pace.stopped_after(characteristic->take(row))) return;
            continue;
        }
        const RowAnswer answer = enumerator.find(row, sums);
        const auto r = static_cast<std::size_t>(row);
        posterior.foreground[r] = answer.foreground;
        posterior.background[r] = answer.background;
        posterior.log_likelihood[r] = answer.log_likelihood;
        if (pace.stopped_after(enumerator.terms())) return;
    }
    if (characteristic) characteristic->finish();
}

} // namespace fastfuse
