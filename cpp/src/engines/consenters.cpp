#include "engines/consenters.hpp"

namespace fastfuse {
namespace {

class ByExpectation : public Consenter {
  public:
    ByExpectation(Model model, const Performance& performance, std::shared_ptr<const Nodes> nodes)
        : expectation_(model, MStep::paper, performance, std::move(nodes)) {}
    const Posterior& operator()(const Batch& batch, const Worker& worker) override {
        return expectation_.posterior(batch, worker);
    }

  private:
    BatchExpectation expectation_;
};

class ByMasses : public Consenter {
  public:
    explicit ByMasses(const Masses& masses) : mixer_(masses) {}
    const Posterior& operator()(const Batch& batch, const Worker& worker) override {
        mixer_.mix(batch, posterior_, worker);
        return posterior_;
    }

  private:
    Mixer mixer_;
    Posterior posterior_;
};

} // namespace

MakeConsenter by_expectation(Model model, const Performance& performance) {
    return [model, &performance, nodes = nodes_for(model, performance)] {
        return std::make_unique<ByExpectation>(model, performance, nodes);
    };
}

MakeConsenter by_masses(const Masses& masses) {
    return [&masses] { return std::make_unique<ByMasses>(masses); };
}

} // namespace fastfuse
