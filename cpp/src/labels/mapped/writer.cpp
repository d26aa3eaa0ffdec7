#include "labels/mapped/writer.hpp"

namespace fastfuse {

MappedTruths::MappedTruths(const SoftVotes& votes, Candidates candidates, const Matrices& theta, Watch& watch)
    : table_(*votes.tuples), truths_(candidates_of(table_, candidates, nullptr, watch)) {
    truths_.weight.resize(truths_.code.size());
    Patience patience(watch);
    for (std::int64_t row = 0; row < table_.size(); ++row) {
        const auto first = static_cast<std::size_t>(truths_.first[static_cast<std::size_t>(row)]);
        const auto end = static_cast<std::size_t>(truths_.first[static_cast<std::size_t>(row + 1)]);
        const auto labels = static_cast<std::int64_t>(end - first);
        row_likelihoods(table_, theta, row, truths_.code.data() + first, labels,
                        truths_.weight.data() + first);
        patience.after(labels * table_.raters);
    }
}

void MappedTruths::find(const MappedReader& reader, std::int64_t k, std::vector<Candidate>& to) const {
    const auto row = static_cast<std::size_t>(reader.row(k));
    double whole = 0;
    to.clear();
    for (auto c = static_cast<std::size_t>(truths_.first[row]);
         c < static_cast<std::size_t>(truths_.first[row + 1]); ++c) {
        const double weight = reader.prior(truths_.code[c], k) * truths_.weight[c];
        if (weight > 0 || is_voted(reader.row(k), truths_.code[c])) to.push_back({truths_.code[c], weight});
        whole += weight;
    }
    for (Candidate& one : to)
        one.weight = whole > 0 ? one.weight / whole : 0;
}

bool MappedTruths::is_voted(std::int64_t row, Code code) const {
    for (int i = 0; i < table_.raters; ++i)
        if (table_.codes_of(i)[row] == code) return true;
    return false;
}

} // namespace fastfuse
