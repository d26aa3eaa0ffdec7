#include "labels/truths.hpp"

#include <algorithm>
#include <cstdint>
#include <numeric>

namespace fastfuse {
namespace {

// A row's labels with the sum of the weights of their votes, in ascending order of the codes.
class Tally {
  public:
    Tally(const LabelTable& table, const std::vector<double>& weights) : table_(table), weights_(weights) {}

    void count(std::int64_t row) {
        codes.clear();
        sums.clear();
        for (int i = 0; i < table_.raters; ++i)
            if (const Code code = table_.codes_of(i)[row]; code != no_code && weight(i) > 0)
                add(code, weight(i));
    }

    std::vector<Code> codes;
    std::vector<double> sums;

  private:
    double weight(int rater) const {
        return weights_.empty() ? 1 : weights_[static_cast<std::size_t>(rater)];
    }

    void add(Code code, double vote) {
        const auto place = std::lower_bound(codes.begin(), codes.end(), code);
        const auto at = place - codes.begin();
        if (place == codes.end() || *place != code) {
            codes.insert(place, code);
            sums.insert(sums.begin() + at, 0);
        }
        sums[static_cast<std::size_t>(at)] += vote;
    }

    const LabelTable& table_;
    const std::vector<double>& weights_;
};

// Leaves the most voted labels, each with the same weight.
void keep_most_voted(Tally& tally) {
    const double most = *std::max_element(tally.sums.begin(), tally.sums.end());
    std::size_t kept = 0;
    for (std::size_t k = 0; k < tally.codes.size(); ++k)
        if (tally.sums[k] >= most - tied_within) tally.codes[kept++] = tally.codes[k];
    tally.codes.resize(kept);
    tally.sums.assign(kept, 1);
}

void append(const std::vector<Code>& codes, RowTruths& to) {
    to.code.insert(to.code.end(), codes.begin(), codes.end());
    to.first.push_back(static_cast<std::int64_t>(to.code.size()));
}

// Sets of labels as bits.
class Sets {
  public:
    Sets(std::size_t sets, std::size_t labels) : words_((labels + 63) / 64), bits_(sets * words_) {}

    void set(std::size_t set, std::size_t label) {
        bits_[set * words_ + label / 64] |= std::uint64_t{1} << label % 64;
    }
    bool has(std::size_t set, std::size_t label) const {
        return bits_[set * words_ + label / 64] >> label % 64 & 1;
    }
    std::size_t words() const { return words_; }
    const std::uint64_t* of(std::size_t set) const { return bits_.data() + set * words_; }

  private:
    std::size_t words_;
    std::vector<std::uint64_t> bits_;
};

// Which truths go with each vote of each rater.
class Support {
  public:
    Support(const LabelTable& table, const Matrices& rates)
        : table_(table), labels_(table.kinds()),
          sets_(static_cast<std::size_t>(table.raters) * labels_, labels_), both_(sets_.words()) {
        for (std::size_t set = 0; set < static_cast<std::size_t>(table.raters) * labels_; ++set)
            for (std::size_t a = 0; a < labels_; ++a)
                if (rates.entries()[set * labels_ + a] > 0) sets_.set(set, a);
    }

    // Those that go with all votes of the row.
    void all(std::int64_t row, std::vector<Code>& found) {
        std::fill(both_.begin(), both_.end(), ~std::uint64_t{0});
        for (int i = 0; i < table_.raters; ++i)
            if (const Code code = table_.codes_of(i)[row]; code != no_code)
                for (std::size_t w = 0; w < both_.size(); ++w)
                    both_[w] &= sets_.of(set_of(i, code))[w];
        for (std::size_t a = 0; a < labels_; ++a)
            if (both_[a / 64] >> a % 64 & 1) found.push_back(static_cast<Code>(a));
    }

    void drop_others(std::int64_t row, std::vector<Code>& codes) const {
        codes.erase(std::remove_if(codes.begin(), codes.end(), [&](Code a) { return !goes(row, a); }),
                    codes.end());
    }

  private:
    std::size_t set_of(int rater, Code code) const {
        return static_cast<std::size_t>(rater) * labels_ + code;
    }

    bool goes(std::int64_t row, Code a) const {
        for (int i = 0; i < table_.raters; ++i)
            if (const Code code = table_.codes_of(i)[row]; code != no_code && !sets_.has(set_of(i, code), a))
                return false;
        return true;
    }

    const LabelTable& table_;
    std::size_t labels_;
    Sets sets_;
    std::vector<std::uint64_t> both_;
};

} // namespace

RowTruths first_guess(const LabelTable& table, LabelStart start, const std::vector<double>& weights,
                      Watch& watch) {
    RowTruths truths;
    truths.first.reserve(table.counts.size() + 1);
    truths.first.push_back(0);
    const std::size_t most = table.counts.size() * static_cast<std::size_t>(table.raters); // labels voted
    truths.code.reserve(most);
    truths.weight.reserve(most);
    Tally tally(table, weights);
    Patience patience(watch);
    for (std::int64_t row = 0; row < table.size(); ++row) {
        patience.after(table.raters);
        tally.count(row);
        if (!tally.codes.empty() && start != LabelStart::vote) keep_most_voted(tally);
        const double sum = std::accumulate(tally.sums.begin(), tally.sums.end(), 0.0);
        append(tally.codes, truths);
        for (const double part : tally.sums)
            truths.weight.push_back(sum > 0 ? part / sum : 0);
    }
    return truths;
}

RowTruths candidates_of(const LabelTable& table, Candidates candidates, const Matrices* support,
                        Watch& watch) {
    RowTruths truths;
    truths.first.reserve(table.counts.size() + 1);
    truths.first.push_back(0);
    const std::vector<double> alike;
    Tally tally(table, alike);
    std::vector<Code> every(table.kinds());
    std::iota(every.begin(), every.end(), Code{0});
    std::optional<Support> sets;
    if (support) sets.emplace(table, *support);
    std::vector<Code> found;
    Patience patience(watch);
    for (std::int64_t row = 0; row < table.size(); ++row) {
        patience.after(candidates == Candidates::all ? static_cast<std::int64_t>(every.size())
                                                     : table.raters);
        tally.count(row);
        found = tally.codes;
        if (found.empty())
            found = every;
        else if (candidates == Candidates::voted && sets)
            sets->drop_others(row, found);
        else if (candidates == Candidates::all && sets) {
            found.clear();
            sets->all(row, found);
        } else if (candidates == Candidates::all)
            found = every;
        append(found.empty() ? tally.codes : found, truths); // votes that the rates call impossible: w = 0
    }
    truths.code.shrink_to_fit();
    return truths;
}

} // namespace fastfuse
