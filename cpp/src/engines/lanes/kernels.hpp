// The kernels of the instruction set that this processor has.
#pragma once

#include <cstdint>

#include "engines/lanes/agreement.hpp"
#include "engines/lanes/inspect.hpp"
#include "engines/lanes/masses/masses.hpp"
#include "engines/lanes/masses/pattern_sums.hpp"
#include "engines/lanes/masses/series.hpp"
#include "engines/lanes/product.hpp"
#include "engines/lanes/sample/doubts.hpp"
#include "engines/lanes/scores/scores.hpp"
#include "engines/lanes/scores/slopes.hpp"
#include "engines/lanes/tile.hpp"

namespace fastfuse::kernels {

template <class T> struct Kernels {
    void (*inspect)(const Columns<T>& votes, Inspection& to);
    void (*expect)(const Columns<T>& votes, const Rates<T>& rates, Step step, ProductSums& to);
    void (*posterior)(const Columns<T>& votes, const Rates<T>& rates, Step step, T* consensus);
    T (*doubts)(const Columns<T>& votes, T* to);
    void (*agree)(const Columns<T>& votes, const T* consensus, TileAgreement<T>& to);
    void (*count_marks)(const Columns<T>& votes, const T* consensus, HalfMarks& to);
    void (*spread)(const T* const* vote, int raters, std::int64_t first, const T* root, T* rows);
    void (*scale_rows)(const T* rows, int raters, int rater, const T* vote, T* to);
    void (*add_products)(const T* u, int rows, const T* v, int columns, MassSums<T> to,
                         std::int64_t next_column, Ahead ahead);
    void (*settle)(MassSums<T> sums, std::int64_t masses);
    void (*score)(const T* u, const T* v, int low, const ScoreTables<T>& tables, T* rows);
    void (*slopes)(const Columns<T>& votes, const Rates<T>& rates, std::int64_t first,
                   const SlopeRows<T>& to);
    void (*mix)(const Columns<T>& votes, const T* posterior, const T* ones, T* scratch, T* consensus);
    void (*mix_series)(const SeriesTable<T>& table, const SeriesRun<T>& run, SeriesSums& to);
    // Null where lanes are too few, or are doubles: there masses are made of spread, scale_rows,
    // add_products.
    void (*add_patterns)(const Columns<T>& votes, bool with_moments, T* sums);
};

// T is float or double.
template <class T> const Kernels<T>& best();

} // namespace fastfuse::kernels
