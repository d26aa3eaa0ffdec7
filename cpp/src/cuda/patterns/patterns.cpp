// The distinct patterns of votes that lie on the device: counted there, a table here.

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>
#include <variant>

#include "cuda/columns.hpp"
#include "cuda/engines.hpp"
#include "cuda/kernels.hpp"

namespace fastfuse::cuda {
namespace {

constexpr std::int64_t most_samples = 1 << 16;

// sizeᵐ; nothing if there are too many keys.
std::optional<std::int64_t> keys_of(int values, int raters) {
    std::int64_t keys = 1;
    for (int i = 0; i < raters; ++i) {
        keys *= values;
        if (keys > most_keys) return std::nullopt;
    }
    return keys;
}

// Values as they come, 0 first, so that the pattern without any vote is key 0.
bool add_value(Values& values, double value) {
    if (std::find(values.value, values.value + values.size, value) != values.value + values.size) return true;
    if (values.size == most_values) return false;
    values.value[values.size++] = value;
    return true;
}

// 0, 1 and what else a sample holds; nothing if that is much.
std::optional<Values> sampled_values(const Votes& votes, const Columns& columns) {
    Values values{};
    add_value(values, 0);
    add_value(values, 1);
    if (votes.check == Check::binary) return values;
    Array<Sample> sample(*votes.place, 1);
    sample.fill_with_zeros();
    take_sample(columns, std::max<std::int64_t>(1, columns.voxels / most_samples), sample.data(),
                *votes.place);
    Sample found = sample.values()[0];
    if (found.more > 0) return std::nullopt;
    std::sort(std::begin(found.value), std::end(found.value)); // they came in no order
    for (const double value : found.value)
        if (!add_value(values, value)) return std::nullopt;
    return values;
}

// Each voxel's key, on the device, in the smallest type that holds them all and one for voxels outside.
using VoxelKeys = std::variant<Array<std::uint8_t>, Array<std::uint16_t>, Array<std::uint32_t>>;
VoxelKeys room_for(const Columns& columns, const Place& place, std::int64_t keys) {
    const auto voxels =
        static_cast<std::size_t>((columns.voxels + 15) / 16 * 16); // sixteen are written at once
    if (keys < 0xff) return VoxelKeys(std::in_place_type<Array<std::uint8_t>>, place, voxels);
    if (keys < 0xffff) return VoxelKeys(std::in_place_type<Array<std::uint16_t>>, place, voxels);
    return VoxelKeys(std::in_place_type<Array<std::uint32_t>>, place, voxels);
}

class DevicePatterns : public PatternIndex {
  public:
    DevicePatterns(const Columns& columns, const Place& place, const Values& values, std::int64_t keys)
        : place_(place), columns_(columns), keys_(keys), key_(room_for(columns, place, keys)) {
        find(values);
    }

    void write(const std::vector<double>& probability_of_row, const Output& to, const Team&) const override {
        const OnDevice here(place_.device);
        to.wide ? write_as<double>(probability_of_row, to) : write_as<float>(probability_of_row, to);
    }

    void rows_of_voxels(std::int32_t* row, const Team&) const override {
        const OnDevice here(place_.device);
        std::visit([&](const auto& key) { find_rows(key.values(), row); }, key_);
    }

    // There is no table if there are any.
    const Strays& strays() const { return strays_; }
    VoteTable take_table() { return std::move(table_); }

  private:
    void find(const Values& values) {
        // Counts, and the strays behind them: one array to clear, and one to fetch.
        constexpr std::size_t stray_counts = sizeof(Strays) / sizeof(Count);
        const auto counts = static_cast<std::size_t>(keys_ + 1);
        Array<Count> found(place_, counts + stray_counts);
        found.fill_with_zeros();
        auto* strays = reinterpret_cast<Strays*>(found.data() + counts);
        std::visit(
            [&](const auto& key) {
                find_keys(columns_, values, keys_, key.data(), found.data(), strays, place_);
            },
            key_);
        const std::vector<Count> fetched = found.values();
        std::memcpy(&strays_, fetched.data() + counts, sizeof strays_);
        if (!strays_.mask.found() && !strays_.vote.found()) list(values, fetched);
    }

    // The patterns that occur, and that without any vote, in the order of their keys.
    void list(const Values& values, const std::vector<Count>& count) {
        std::vector<double> counts;
        row_of_key_.assign(static_cast<std::size_t>(keys_), -1);
        for (std::size_t key = 0; key < row_of_key_.size(); ++key) {
            if (count[key] == 0 && key > 0) continue;
            row_of_key_[key] = static_cast<std::int64_t>(counts.size());
            counts.push_back(static_cast<double>(count[key]));
        }
        const auto raters = static_cast<std::size_t>(columns_.raters);
        std::vector<double> votes(counts.size() * raters);
        for (std::size_t key = 0; key < row_of_key_.size(); ++key) {
            std::size_t code = key;
            for (std::size_t i = 0; i < raters && row_of_key_[key] >= 0; ++i) {
                votes[i * counts.size() + static_cast<std::size_t>(row_of_key_[key])] =
                    values.value[code % static_cast<std::size_t>(values.size)];
                code /= static_cast<std::size_t>(values.size);
            }
        }
        table_ = VoteTable(columns_.raters, std::move(votes), std::move(counts));
    }

    template <class Key> void find_rows(const std::vector<Key>& keys, std::int32_t* row) const {
        for (std::size_t voxel = 0; voxel < static_cast<std::size_t>(columns_.voxels); ++voxel)
            row[voxel] =
                keys[voxel] < row_of_key_.size() ? static_cast<std::int32_t>(row_of_key_[keys[voxel]]) : -1;
    }

    template <class T> void write_as(const std::vector<double>& probability_of_row, const Output& to) const {
        std::vector<T> probability(static_cast<std::size_t>(keys_) + 1); // of each key; 0 outside the mask
        for (std::size_t key = 0; key < row_of_key_.size(); ++key)
            if (row_of_key_[key] >= 0)
                probability[key] =
                    static_cast<T>(probability_of_row[static_cast<std::size_t>(row_of_key_[key])]);
        const Array<T> table(place_, probability.size());
        send_to_device(place_, probability.data(), probability.size() * sizeof(T), table.bytes());
        T* consensus = to.place<T>(0);
        std::visit(
            [&](const auto& key) { look_up(key.data(), table.data(), columns_.voxels, consensus, place_); },
            key_);
        check(cudaStreamSynchronize(stream_of(place_)),
              "writing the consensus"); // the table is given back now, here and there
    }

    Place place_;
    Columns columns_;
    std::int64_t keys_;
    VoxelKeys key_; // of each voxel
    std::vector<std::int64_t> row_of_key_;
    VoteTable table_;
    Strays strays_{};
};

} // namespace

Found find_patterns(const Votes& votes) {
    const OnDevice here(votes.place->device);
    const Columns columns = columns_of(votes);
    std::optional<Values> values = sampled_values(votes, columns);
    while (values) {
        const std::optional<std::int64_t> keys = keys_of(values->size, votes.size());
        if (!keys) return {std::nullopt, true};
        auto patterns = std::make_unique<DevicePatterns>(columns, *votes.place, *values, *keys);
        const Strays& strays = patterns->strays();
        refuse(columns, strays, votes.check, *votes.place);
        if (!strays.vote.found()) {
            VoteTable table = patterns->take_table();
            return {Tabulation{std::move(table), {}, std::move(patterns), {}}, true};
        }
        const double vote = vote_at(columns, strays.vote.place(), *votes.place); // one that the sample missed
        if (!add_value(*values, vote)) break;
    }
    return {};
}

} // namespace fastfuse::cuda
