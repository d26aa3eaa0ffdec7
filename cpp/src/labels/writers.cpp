// Volumes from the truths of a table's rows, by look-up.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "labels/index.hpp"
#include "labels/ranking.hpp"

namespace fastfuse {
namespace {

// Calls `look(row, candidates)` for each row.
template <class Look> void each_row(const RowTruths& truths, const Team& team, const Look& look) {
    Patience patience(team.watch());
    std::vector<Candidate> row;
    for (std::size_t r = 0; r + 1 < truths.first.size(); ++r) {
        row.clear();
        for (auto k = static_cast<std::size_t>(truths.first[r]);
             k < static_cast<std::size_t>(truths.first[r + 1]); ++k)
            row.push_back({truths.code[k], truths.weight[k]});
        look(r, row);
        patience.after(static_cast<std::int64_t>(row.size()));
    }
}

const LabelIndex& index_of(const LabelTable& table) {
    if (!table.index) throw std::invalid_argument("the table knows no voxels");
    return *table.index;
}

void write_values(const LabelTable& table, const std::vector<double>& value_of_row, const Output& to,
                  const Team& team) {
    index_of(table).spread(value_of_row, 0.0, team,
                           [&](std::int64_t voxel, double value) { to.put(voxel, value); });
}

template <class T>
void write_integers(const LabelIndex& index, const std::vector<std::int64_t>& value_of_row, std::byte* data,
                    const Team& team) {
    const std::vector<T> value(value_of_row.begin(),
                               value_of_row.end()); // of unsigned types too, the same bits
    T* to = reinterpret_cast<T*>(data);
    index.spread(value, T{0}, team, [to](std::int64_t voxel, T label) { to[voxel] = label; });
}

void write_integers(const LabelTable& table, const std::vector<std::int64_t>& value_of_row,
                    const LabelOutput& to, const Team& team) {
    switch (to.bytes) {
    case 1: return write_integers<std::int8_t>(index_of(table), value_of_row, to.data, team);
    case 2: return write_integers<std::int16_t>(index_of(table), value_of_row, to.data, team);
    case 4: return write_integers<std::int32_t>(index_of(table), value_of_row, to.data, team);
    default: return write_integers<std::int64_t>(index_of(table), value_of_row, to.data, team);
    }
}

} // namespace

void write_label(const LabelTable& table, const RowTruths& truths, int place,
                 std::optional<std::int64_t> undecided, const LabelOutput& to, int threads,
                 const ShouldStop& ask) {
    const Team team(threads, ask);
    std::vector<std::int64_t> label(static_cast<std::size_t>(table.size()));
    each_row(truths, team, [&](std::size_t r, std::vector<Candidate>& row) {
        if (row.empty()) return;
        const auto at = static_cast<std::size_t>(place);
        rank(row, at + 2);
        label[r] = undecided && tied(row) ? *undecided : table.labels[row[at < row.size() ? at : 0].code];
    });
    write_integers(table, label, to, team);
}

void write_ranked(const LabelTable& table, const RowTruths& truths, int place, const Output& to, int threads,
                  const ShouldStop& ask) {
    const Team team(threads, ask);
    std::vector<double> value(static_cast<std::size_t>(table.size()));
    each_row(truths, team, [&](std::size_t r, std::vector<Candidate>& row) {
        const auto at = static_cast<std::size_t>(place);
        rank(row, at + 1);
        value[r] = at < row.size() ? row[at].weight : 0;
    });
    write_values(table, value, to, team);
}

void write_probability(const LabelTable& table, const RowTruths& truths, const std::vector<Code>& codes,
                       const Output& to, int threads, const ShouldStop& ask) {
    const Team team(threads, ask);
    std::vector<std::uint8_t> asked(table.kinds());
    for (const Code code : codes)
        asked[code] = 1;
    std::vector<double> value(static_cast<std::size_t>(table.size()));
    each_row(truths, team, [&](std::size_t r, const std::vector<Candidate>& row) {
        for (const Candidate& one : row)
            if (asked[one.code]) value[r] += one.weight;
    });
    write_values(table, value, to, team);
}

void write_entropy(const LabelTable& table, const RowTruths& truths, const Output& to, int threads,
                   const ShouldStop& ask) {
    const Team team(threads, ask);
    std::vector<double> value(static_cast<std::size_t>(table.size()));
    each_row(truths, team, [&](std::size_t r, const std::vector<Candidate>& row) {
        for (const Candidate& one : row)
            if (one.weight > 0) value[r] -= one.weight * std::log(one.weight);
        value[r] = std::max(value[r], 0.0);
    });
    write_values(table, value, to, team);
}

std::vector<std::int32_t> rows_of_voxels(const LabelTable& table) {
    const LabelIndex& index = index_of(table);
    std::vector<std::int32_t> rows(static_cast<std::size_t>(index.voxels()));
    for (std::size_t voxel = 0; voxel < rows.size(); ++voxel)
        rows[voxel] = static_cast<std::int32_t>(index.row_of(static_cast<std::int64_t>(voxel)));
    return rows;
}

std::shared_ptr<const LabelIndex> index_of_rows(const std::int32_t* rows, std::int64_t voxels,
                                                std::int64_t of) {
    std::vector<std::int64_t> row_of_id(static_cast<std::size_t>(of) + 1);
    std::iota(row_of_id.begin(), row_of_id.end(), std::int64_t{-1});
    RawVector<std::uint32_t> ids(static_cast<std::size_t>(voxels));
    for (std::int64_t voxel = 0; voxel < voxels; ++voxel) {
        if (rows[voxel] < -1 || rows[voxel] >= of)
            throw std::invalid_argument("rows holds a number that is none of a row");
        ids[static_cast<std::size_t>(voxel)] = static_cast<std::uint32_t>(rows[voxel] + 1);
    }
    return std::make_shared<const LabelIndex>(std::move(ids), std::move(row_of_id));
}

} // namespace fastfuse
