#include "engines/field/field.hpp"

#include <cmath>

namespace fastfuse {

void settle(Engine& field, const Performance& performance, const Options& options) {
    double before = -1;
    for (int sweep = 0; sweep < options.max_iter; ++sweep) {
        const Sums sums = field.expectation(performance);
        const double mean = sums.foreground / sums.count;
        if (std::abs(mean - before) <= options.tol) return;
        before = mean;
    }
}

FieldEngine::FieldEngine(const Task& task, const Region* region)
    : VoxelEngine(task), coupling_(coupling_of(task.options)), region_(region) {}

Sums FieldEngine::expectation(const Performance& performance) {
    if (!field_) field_.emplace(task_.votes, coupling_, region_, task_.team);
    task_.team.look();
    return field_->expectation(task_.plan.model, task_.plan.m_step, performance);
}

Written FieldEngine::write(const Performance& performance) {
    if (!field_) settle(*this, performance, task_.options);
    return field_->write(task_.consensus);
}

} // namespace fastfuse
