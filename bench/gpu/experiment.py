"""The paper's training on a GPU, cut to some hundred steps: seconds a step, memory, and what a whole run would take.

python -m gpu.experiment FOLDER [--small]

Writes a cohort of three cases at 1 mm into FOLDER (once), runs ``fastfuse experiment --preset paper --device cuda
--only-folds 1`` on it, breaks that run off, goes on with ``--resume`` and checks that no finished epoch is trained
again; then times steps with and without half precision and channels-last memory, and each half of a step alone.
``--small``: at 4 mm, with a narrow network and on what device there is, to test this script.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import torch

from fastfuse.cohort.msseg import find_cases
from fastfuse.demo import phantom
from fastfuse.images.image import Image
from fastfuse.images.written.nifti import nifti_bytes
from fastfuse.train.narrator import Narrator
from fastfuse.train.network.batches import Pool
from fastfuse.train.network.model import make_network
from fastfuse.train.network.training import State, Steps
from fastfuse.train.network.workers import Workers
from fastfuse.train.options import ExperimentOptions, NetworkOptions, TrainingOptions, make_options
from fastfuse.train.provenance import hashes_of, key_of
from fastfuse.train.targets.prepare import prepare

FIELD_MM = (192, 224, 192)
METHOD = "soft-staple"
EPOCHS, SAVED = 20, 5  # after so many checkpoints the run is broken off
SMALL_EPOCHS = 60
TIMED = 3  # epochs, after one that does not count
NETWORKS = 20  # of a whole run: four methods, five folds


def main(words: list[str]) -> None:
    """Do all of it."""
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell in the background ignores it, and so do children
    small = "--small" in words
    folder = Path(next(word for word in words if not word.startswith("--")))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and not small:
        sys.exit("this PyTorch finds no GPU")
    cohort = folder / ("cohort-small" if small else "cohort")
    made = make_cohort(cohort, 4.0 if small else 1.0)
    print(f"the cohort: {made:.1f} s", flush=True)
    settings = ["network.width=4", "network.depth=2", "training.batch=4"] if small else []
    broken_off_and_resumed(cohort, folder / "run", device, settings)
    measure(cohort, folder / "steps", torch.device(device), settings)


# --- the cohort ------------------------------------------------------------------------------------------------


def make_cohort(cohort: Path, spacing_mm: float) -> float:
    """Write a case of each scanner, unless they are there; return the seconds."""
    start = time.monotonic()
    if not cohort.exists():
        unfinished = cohort.with_name(cohort.name + ".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        with ProcessPoolExecutor() as pool:
            jobs = [pool.submit(write_case, unfinished, i, spacing_mm) for i in range(len(phantom.SCANNERS))]
            for job in jobs:
                job.result()
        unfinished.rename(cohort)
    return time.monotonic() - start


def write_case(cohort: Path, number: int, spacing_mm: float) -> None:
    """Write one case, laid out as MSSEG-2016, uncompressed."""
    scanner = phantom.SCANNERS[number]
    shape = tuple(round(side / spacing_mm) for side in FIELD_MM)
    case = phantom.make_case(number, shape=shape, spacing_mm=spacing_mm, scanner=scanner)
    patient = cohort / "Training" / scanner.name / f"Patient_{number + 1:02d}"
    files = {f"Preprocessed_Data/{name}_preprocessed.nii": image for name, image in case.images.items()}
    files["Masks/Brain_Mask.nii"] = case.brain
    files |= {f"Masks/ManualSegmentation_{i}.nii": mask for i, mask in enumerate(case.masks, 1)}
    like = Image(patient, case.lesions, case.affine)
    for name, data in files.items():
        path = patient / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(nifti_bytes(path, data, like, "phantom"))


# --- a run that is broken off ----------------------------------------------------------------------------------


def broken_off_and_resumed(cohort: Path, out: Path, device: str, settings: list[str]) -> None:
    """Interrupt the command after some epochs, and let it go on."""
    shutil.rmtree(out, ignore_errors=True)
    epochs = SMALL_EPOCHS if settings else EPOCHS
    words = ["experiment", str(cohort), "--out", str(out), "--preset", "paper", "--device", device]
    words += ["--folds", "3", "--only-folds", "1", "--methods", METHOD]
    for setting in [f"training.epochs={epochs}", "training.save_every_s=0", *settings]:
        words += ["--set", setting]
    start = time.monotonic()
    models = out / "models" / METHOD / "fold_1"
    epochs_told(words, models / "resume.pt")
    print(f"broken off after {SAVED} checkpoints, {time.monotonic() - start:.1f} s", flush=True)
    start = time.monotonic()
    second = epochs_told([*words, "--resume"], None)
    print(f"resumed with epoch {second[0]}, done after {time.monotonic() - start:.1f} s", flush=True)
    if not SAVED < second[0] < epochs or second[-1] != epochs:
        sys.exit(f"after {SAVED} checkpoints, epochs {second}")
    with (models / "training.csv").open() as file:
        rows = list(csv.DictReader(file))
    if [int(row["epoch"]) for row in rows] != list(range(1, epochs + 1)):
        sys.exit("training.csv does not hold every epoch once")
    predictions = list((out / "predictions").rglob("*.nii.gz"))
    print(f"loss {rows[0]['loss']} to {rows[-1]['loss']}; {len(predictions)} prediction written", flush=True)
    if not predictions:
        sys.exit("nothing was predicted")


def epochs_told(words: list[str], interrupt_after: Path | None) -> list[int]:
    """Run fastfuse; return the epochs that it tells of, and interrupt it once a checkpoint was written some times."""
    command = [sys.executable, "-m", "fastfuse", *words]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    if interrupt_after is not None:
        Thread(target=interrupt, args=(running, interrupt_after), daemon=True).start()
    assert running.stderr is not None
    said = running.stderr.readlines()
    code = running.wait()
    told = [int(match[1]) for line in said if (match := re.search(r"epoch (\d+)/", line))]
    if not told or (code == 0) != (interrupt_after is None):
        sys.exit(f"fastfuse ended with {code}:\n{''.join(said[-20:])}")
    return told


def interrupt(running: subprocess.Popen[str], checkpoint: Path) -> None:
    """Interrupt a run once a checkpoint was written so many times."""
    seen: set[int] = set()
    while len(seen) < SAVED and running.poll() is None:
        with suppress(FileNotFoundError):
            seen.add(checkpoint.stat().st_mtime_ns)
        time.sleep(0.002)
    running.send_signal(signal.SIGINT)


# --- steps -----------------------------------------------------------------------------------------------------


def measure(cohort: Path, out: Path, device: torch.device, settings: list[str]) -> None:
    """Print what a step takes in each way, and what the paper's run would."""
    options = make_options("paper", None, settings, methods=METHOD)
    start = time.monotonic()
    cases = find_cases(cohort, "Training")
    hashes = hashes_of(cases)
    keys = [key_of(hashes[case.name]) for case in cases]
    narrator = Narrator(silent=True)
    prepared = prepare(cases, keys, options, out / "consensus", narrator.say, narrator.tell)
    slices = [case.slices(METHOD, device) for case in prepared.values()]
    shape = tuple(slices[0].images.shape)
    print(f"three cases read and fused: {time.monotonic() - start:.1f} s; slices of a case {shape}")
    pool = Pool(slices, options.training.lesion_share, options.training.rotation_deg)
    print(
        "| half precision | channels last | a step | a batch drawn | memory, most |\n|---|---|---:|---:|---:|"
    )
    kept: dict[tuple[bool, bool], float] = {}
    for mixed, last in ((True, True), (True, False), (False, True), (False, False)):
        kept[mixed, last] = timed(pool, options, device, mixed, last, shape[1])
    per_network = kept[True, True] * options.training.steps * options.training.epochs
    print(
        f"a whole run, {options.training.steps * options.training.epochs} steps for each of {NETWORKS} networks: "
        f"{per_network / 3600:.2f} h a network, {NETWORKS * per_network / 3600:.1f} h in all (computed)"
    )


def timed(
    pool: Pool, options: ExperimentOptions, device: torch.device, mixed: bool, last: bool, channels: int
) -> float:
    """Return the seconds of a step, and print a row."""
    training = replace(options.training, precision="auto" if mixed else "float32")
    state = fresh_state(options.network, training, device, last, channels)
    steps, found = Steps(state.network, pool, training, Workers(device), ""), []
    for number in range(TIMED + 1):
        start = time.monotonic()
        loss = steps.epoch(state, (0,), number)
        found.append((time.monotonic() - start) / training.steps)
    if not np.isfinite(loss):
        sys.exit(f"the loss is {loss}")
    step = float(np.median(found[1:]))
    drawn = drawing(pool, training.batch)
    most = f"{torch.cuda.max_memory_allocated() / 2**30:.2f} GiB" if device.type == "cuda" else "?"
    print(f"| {mixed} | {last} | {1e3 * step:.1f} ms | {1e3 * drawn:.1f} ms | {most} |", flush=True)
    return step


def fresh_state(
    options: NetworkOptions, training: TrainingOptions, device: torch.device, last: bool, channels: int
) -> State:
    """Return an untrained network, and what trains it, as ``fastfuse experiment`` makes them."""
    torch.manual_seed(0)
    network = make_network(options, channels)
    network.to(device, memory_format=torch.channels_last if last else torch.contiguous_format)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.cuda.reset_peak_memory_stats()
    return State.first(network, training, device)


def drawing(pool: Pool, batch: int, rounds: int = 16) -> float:
    """Return the seconds of a batch, drawn and turned."""
    rng = np.random.default_rng(0)
    start = time.monotonic()
    for _ in range(rounds):
        drawn: Any = pool.draw(rng, batch)
    float(drawn[1].sum())  # waits for the device
    return (time.monotonic() - start) / rounds


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main(sys.argv[1:])
