// Every engine on small volumes by teams of several threads, for a sanitizer to watch: see README.md.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "fastfuse/dilation.hpp"
#include "fastfuse/fusion.hpp"
#include "fastfuse/labels.hpp"
#include "fastfuse/soft_labels.hpp"

namespace {

using namespace fastfuse;

constexpr int threads = 4;
const std::vector<std::int64_t> shape{24, 40, 50};
constexpr std::int64_t voxels = 24 * 40 * 50;

template <class T> struct Volumes {
    std::vector<std::vector<T>> data;

    Votes votes(Scalar type) const {
        Votes votes;
        votes.shape = shape;
        for (const auto& one : data)
            votes.raters.push_back(view(one, type));
        return votes;
    }
    static View view(const std::vector<T>& data, Scalar type) {
        constexpr std::ptrdiff_t size = sizeof(T);
        return {
            reinterpret_cast<const std::byte*>(data.data()), type, false, {40 * 50 * size, 50 * size, size}};
    }
};

enum class Kind { masks, rings, levels, dense, missing, holes };

Volumes<float> volumes_of(Kind kind, int raters) {
    std::mt19937 draw(static_cast<unsigned>(kind) + 1);
    std::uniform_real_distribution<float> uniform(0, 1);
    Volumes<float> volumes;
    for (int i = 0; i < raters; ++i) {
        std::vector<float> votes;
        for (std::int64_t k = 0; k < voxels; ++k) {
            const float x = uniform(draw);
            const bool marked = (k / 640) % 5 == 0;
            switch (kind) {
            case Kind::masks: votes.push_back(marked && x < 0.9F ? 1 : 0); break;
            case Kind::rings: votes.push_back(!marked ? 0 : x < 0.3F ? 0.3F : 1); break;
            case Kind::levels: votes.push_back(static_cast<float>(static_cast<int>(x * 200)) / 200); break;
            case Kind::dense: votes.push_back(x); break;
            case Kind::holes: votes.push_back(x < 0.1F ? std::numeric_limits<float>::quiet_NaN() : x); break;
            case Kind::missing:
                votes.push_back(x < 0.1F ? std::numeric_limits<float>::quiet_NaN() : x < 0.5F ? 1 : 0);
                break;
            }
        }
        volumes.data.push_back(std::move(votes));
    }
    return volumes;
}

struct Case {
    const char* name;
    Kind kind;
    int raters;
    Options options;
    bool has_map = false; // a prior map of few values
};

Options with(Method method, Route route = Route::automatic, MStep m_step = MStep::paper) {
    Options options;
    options.method = method;
    options.m_step = m_step;
    options.route = route;
    options.threads = threads;
    options.max_iter = 4;
    return options;
}

Options field(Options options) {
    options.mrf = 0.3;
    options.spacing_mm = {1, 1, 2};
    return options;
}

std::vector<Case> cases() {
    std::vector<Case> all;
    for (const Route route : {Route::patterns, Route::lanes, Route::rows})
        for (const MStep m_step : {MStep::paper, MStep::em}) {
            all.push_back({"staple", Kind::masks, 5, with(Method::staple, route, m_step)});
            all.push_back({"soft, rings", Kind::rings, 5, with(Method::soft_staple, route, m_step)});
            all.push_back({"soft, dense", Kind::dense, 6, with(Method::soft_staple, route, m_step)});
            all.push_back({"soft, 11 raters", Kind::dense, 11, with(Method::soft_staple, route, m_step)});
            all.push_back(
                {"simplified", Kind::levels, 5, with(Method::simplified_soft_staple, route, m_step)});
        }
    Options characteristic = with(Method::soft_staple);
    characteristic.expectation = Expectation::characteristic;
    all.push_back({"characteristic", Kind::levels, 7, characteristic});
    Options information = with(Method::soft_staple);
    information.intervals = Intervals::information;
    all.push_back({"information", Kind::rings, 5, information});
    for (const Method method : {Method::soft_staple, Method::simplified_soft_staple}) {
        Options scored = with(method, Route::lanes, MStep::em);
        scored.intervals = Intervals::information;
        all.push_back({"information in lanes", Kind::dense, 5, scored});
    }
    Options lesions = with(Method::staple);
    lesions.intervals = Intervals::lesions;
    all.push_back({"lesions", Kind::masks, 5, lesions});
    Options disputed = with(Method::staple);
    disputed.roi = Roi::disputed;
    all.push_back({"disputed", Kind::masks, 5, disputed});
    Options missing = with(Method::simplified_soft_staple);
    missing.missing = Missing::nan;
    all.push_back({"missing", Kind::missing, 5, missing});
    Options weighed = missing;
    weighed.likelihood = Likelihood::log_linear;
    missing.intervals = Intervals::information;
    missing.m_step = MStep::em;
    all.push_back({"holes, simplified", Kind::holes, 5, missing});
    all.push_back({"holes, log-linear", Kind::holes, 5, weighed});
    for (const MStep m_step : {MStep::paper, MStep::em}) {
        Options holes = with(Method::soft_staple, Route::automatic, m_step);
        holes.missing = Missing::nan;
        all.push_back({"holes", Kind::holes, 6, holes});
        all.push_back({"holes of many raters", Kind::holes, 11, holes}); // in too many ways for lanes
        all.push_back({"holes, map", Kind::holes, 4, holes, true});
    }
    all.push_back({"majority", Kind::dense, 5, with(Method::majority)});
    all.push_back({"field by table", Kind::masks, 5, field(with(Method::staple))});
    all.push_back({"field", Kind::dense, 4, field(with(Method::soft_staple))});
    all.push_back({"field, em", Kind::dense, 5, field(with(Method::soft_staple, Route::lanes, MStep::em))});
    all.push_back({"field of products", Kind::dense, 5,
                   field(with(Method::simplified_soft_staple, Route::lanes, MStep::em))});
    all.push_back({"field, single voxels", Kind::dense, 4, field(with(Method::soft_staple, Route::rows))});
    all.push_back({"field, rings", Kind::rings, 5, field(with(Method::soft_staple))});
    all.push_back({"field, simplified", Kind::rings, 5, field(with(Method::simplified_soft_staple))});
    for (const Kind kind : {Kind::masks, Kind::rings, Kind::dense}) {
        all.push_back({"map", kind, 5, with(Method::soft_staple), true});
        all.push_back({"map, em", kind, 5, with(Method::soft_staple, Route::automatic, MStep::em), true});
        all.push_back({"map and field", kind, 5, field(with(Method::soft_staple)), true});
    }
    all.push_back({"field, rows", Kind::rings, 4, field(with(Method::soft_staple, Route::rows))});
    return all;
}

std::vector<float> fused(const Case& one, int on_threads) {
    const Volumes<float> volumes = volumes_of(one.kind, one.raters);
    Options options = one.options;
    options.threads = on_threads;
    std::vector<float> consensus(voxels);
    Volumes<float> map = volumes_of(Kind::levels, 1);
    for (float& prior : map.data[0])
        prior = 0.05F + 0.9F * prior;
    Votes votes = volumes.votes(Scalar::f32);
    if (one.has_map) votes.prior = map.votes(Scalar::f32).raters[0];
    fuse(votes, options, {reinterpret_cast<std::byte*>(consensus.data()), false}, {});
    return consensus;
}

void same_bits(const char* name, const std::vector<float>& a, const std::vector<float>& b) {
    if (std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0) return;
    std::printf("%s: another consensus on more threads\n", name);
    std::exit(1);
}

void tabulate_and_apply() {
    const Volumes<float> volumes = volumes_of(Kind::rings, 5);
    const Options options = with(Method::soft_staple);
    const auto table = tabulate(volumes.votes(Scalar::f32), options, {});
    const Result found = estimate(*table, options, {});
    std::vector<float> consensus(voxels);
    apply(found.estimate, volumes.votes(Scalar::f32), options,
          {reinterpret_cast<std::byte*>(consensus.data()), false}, {});
}

void dilate_all() {
    const Volumes<float> masks = volumes_of(Kind::masks, 1), image = volumes_of(Kind::dense, 1);
    const View mask = masks.votes(Scalar::f32).raters[0], intensities = image.votes(Scalar::f32).raters[0];
    const Team team(threads, {});
    for (const Cut cut : {Cut::adaptive, Cut::exact, Cut::fixed})
        for (const bool per_lesion : {false, true}) {
            DilationOptions options;
            options.cut = cut;
            options.intensity = 0.5;
            options.per_lesion = options.connected = per_lesion;
            if (per_lesion) options.ball = Ball{3, {1, 1, 1}};
            options.scaling = find_scaling(intensities, std::nullopt, shape, team);
            std::vector<float> values(voxels);
            dilate(mask, intensities, std::nullopt, {{24, 40, 50}, {2000, 50, 1}}, options,
                   {reinterpret_cast<std::byte*>(values.data()), false}, team);
        }
    std::vector<std::uint8_t> near(voxels);
    find_near(mask, shape, 4, {1, 1, 1}, reinterpret_cast<bool*>(near.data()), team);
}

// 40 labels in runs that move from rater to rater.
Volumes<std::uint8_t> label_maps(int raters) {
    std::mt19937 draw(7);
    Volumes<std::uint8_t> maps;
    for (int i = 0; i < raters; ++i) {
        std::vector<std::uint8_t> labels;
        for (std::int64_t k = 0; k < voxels; ++k)
            labels.push_back(static_cast<std::uint8_t>(draw() % 10 == 0 ? draw() % 40 : (k + i) / 7 % 40));
        maps.data.push_back(std::move(labels));
    }
    return maps;
}

std::vector<double> rates_of_labels(const Votes& votes, LabelOptions options, int on_threads) {
    options.threads = on_threads;
    options.max_iter = 6;
    const LabelTable table = tabulate_labels(votes, find_labels(votes, on_threads, {}), on_threads, {});
    const LabelEstimate found = estimate_labels(table, options, {});
    std::vector<std::uint8_t> label(voxels);
    write_label(table, found.truths, 0, std::nullopt, {reinterpret_cast<std::byte*>(label.data()), 1},
                on_threads, {});
    std::vector<float> entropy(voxels);
    write_entropy(table, found.truths, {reinterpret_cast<std::byte*>(entropy.data()), false}, on_threads, {});
    return found.confusion;
}

void fuse_label_maps() {
    const Volumes<std::uint8_t> maps = label_maps(5);
    const Votes votes = maps.votes(Scalar::u8);
    LabelOptions voted;
    voted.performance_prior = DirichletPrior{20, 0.9};
    LabelOptions all; // rows with few candidates, and with many
    all.candidates = Candidates::all;
    all.start = LabelStart::vote;
    LabelOptions jumps = all;
    jumps.acceleration = Acceleration::squarem;
    for (const LabelOptions& options : {voted, all, jumps}) {
        const auto many = rates_of_labels(votes, options, threads), one = rates_of_labels(votes, options, 1);
        if (std::memcmp(many.data(), one.data(), one.size() * sizeof(double)) != 0) std::exit(1);
    }
}

void fuse_soft_labels() {
    const Volumes<float> volumes = volumes_of(Kind::dense, 4); // q of label 1; that of label 0 is the rest
    Volumes<float> others = volumes;
    for (auto& one : others.data)
        for (float& q : one)
            q = 1 - q;
    SoftVotes votes;
    votes.labels = 2;
    votes.grid.shape = shape;
    const Votes ones = volumes.votes(Scalar::f32), zeros = others.votes(Scalar::f32);
    for (std::size_t i = 0; i < ones.raters.size(); ++i)
        votes.raters.push_back({{zeros.raters[i], ones.raters[i]}, std::nullopt, {}});
    for (const SoftModel model : {SoftModel::mixture, SoftModel::log_linear, SoftModel::enumeration}) {
        SoftOptions options;
        options.model = model;
        options.common.threads = threads;
        options.common.max_iter = 4;
        const SoftEstimate found = estimate_soft(votes, options, {});
        std::vector<std::uint8_t> label(voxels);
        write_soft_label(votes, options, found, {0, 1}, 0, std::nullopt,
                         {reinterpret_cast<std::byte*>(label.data()), 1}, {});
    }
}

// Bad votes in several blocks, and a request to stop: both end the work from within.
void fail_and_stop() {
    Volumes<float> volumes = volumes_of(Kind::dense, 5);
    volumes.data[2][voxels / 2] = volumes.data[1][voxels - 1] = 7;
    std::vector<float> consensus(voxels);
    const Output out{reinterpret_cast<std::byte*>(consensus.data()), false};
    try {
        fuse(volumes.votes(Scalar::f32), with(Method::soft_staple), out, {});
        std::exit(1);
    } catch (const BadInput& bad) {
        if (bad.voxel != voxels / 2) std::exit(1);
    }
    Options forever = with(Method::simplified_soft_staple, Route::rows);
    forever.max_iter = 1 << 30;
    forever.tol = 0;
    try {
        fuse(volumes_of(Kind::dense, 5).votes(Scalar::f32), forever, out, [] { return true; });
        std::exit(1);
    } catch (const Interrupted&) {
    }
}

// Two threads without a lock: what a sanitizer must find.
void race() {
    long counted = 0;
    const Team team(threads, {});
    team.run(100, [&](std::int64_t, const Worker&) {
        ++counted;
        std::this_thread::sleep_for(std::chrono::milliseconds(1)); // until the other one is there
    });
    std::printf("%ld counted by %d threads\n", counted, team.size());
}

} // namespace

int main(int argc, char** argv) {
    if (argc > 1 && std::string(argv[1]) == "race") {
        race();
        return 0;
    }
    for (const Case& one : cases())
        same_bits(one.name, fused(one, threads), fused(one, 1));
    tabulate_and_apply();
    dilate_all();
    fuse_label_maps();
    fuse_soft_labels();
    fail_and_stop();
    std::vector<std::thread> callers;
    for (int k = 0; k < 3; ++k)
        callers.emplace_back([] {
            fused(cases()[0], threads);
            fused(cases()[2], threads);
            dilate_all();
        });
    for (std::thread& caller : callers)
        caller.join();
    std::printf("%zu fusions, dilations, label maps, failures and three callers at once by %s\n",
                cases().size(), threads_by());
    return 0;
}
