"""Images of earlier tasks: declared, chosen, counted, resumed; and none for who does not say so."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from own_suite import write_suite
from PIL import Image
from rich.console import Console
from small_run import small_run, small_stream
from test_reach import PLUGIN, plan_of
from torch import Tensor

from cl_bench.benchmark.checkpoint import load_checkpoint, save_checkpoint
from cl_bench.benchmark.earlier_images import EarlierImages
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.pixels import Pixels
from cl_bench.benchmark.record import RunFolder, RunResult
from cl_bench.benchmark.records.events import Event, Learned, Saved, Step, those
from cl_bench.benchmark.task import Batch, LabelSpace, Task, TaskStream, TrainingTask
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import Plan
from cl_bench.experiment.run import run_experiment
from cl_bench.reports.runs.cost import Cost
from cl_bench.reports.terminal.show import render

SIDE, N = 8, 20
SIZES = [(12 + i, 9) for i in range(N)]  # of the whole images, width and height


def task_of(first: int, folder: Path | None = None) -> Task:
    """Image i is of colour ``first`` + i all over, on the disk if a folder is named."""
    colours = torch.arange(first, first + N, dtype=torch.uint8)
    pixels = colours.view(N, 1, 1, 1).expand(N, 3, SIDE, SIDE).contiguous()
    images = Images(pixels, torch.arange(N) % 4)
    if folder is not None:
        images = Images(pixels, images.targets, original=on_disk(folder, first))
    labels = LabelSpace.from_templates(tuple(f"{first}/{c}" for c in range(4)), ("{}", "a {}"))
    return Task(f"task/{first}", labels, images, images)


def on_disk(folder: Path, first: int) -> Callable[[int], Image.Image]:
    for i, size in enumerate(SIZES):
        Image.new("RGB", size, (first + i,) * 3).save(folder / f"{first}-{i}.png")
    return lambda i: Image.open(folder / f"{first}-{i}.png").convert("RGB")


def few_shot(task: Task, *rows: int) -> Task:
    train = task.train.subset(torch.tensor(rows))
    return Task(task.name, task.labels, train, task.test)


def colours(batch: Batch) -> list[int]:
    """Whose pixels these are."""
    pixels = (batch.images * 255).round().flatten(1)
    assert bool((pixels == pixels[:, :1]).all())
    return [int(row[0]) for row in pixels]


class Room:
    """A stream and what a method keeps of it."""

    def __init__(self, *tasks: Task, declared: bool = True, cropped: bool = False) -> None:
        self.tasks = tasks
        self.cropped = cropped
        self.store = EarlierImages(TaskStream("toy", tasks), declared=declared)

    def open(self, number: int, seed: int = 3) -> TrainingTask:
        normalise = Pixels(SIDE, torch.zeros(3, 1, 1), torch.ones(3, 1, 1))
        generator = torch.Generator().manual_seed(seed)
        return self.store.open(self.tasks[number], normalise, 6, generator, cropped=self.cropped)

    def learn(self, number: int, *rows: int) -> None:
        task = self.open(number)
        task.keep(torch.tensor(rows, dtype=torch.int64))
        self.store.close(task)


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("cropped", [False, True])
@pytest.mark.parametrize("few", [None, (13, 2, 7, 19, 5, 11, 3)])
def test_indices_name_the_images(
    tmp_path: Path, drop_last: bool, plain: bool, cropped: bool, few: tuple[int, ...] | None
) -> None:
    task = task_of(30, tmp_path)
    rows = few or tuple(range(N))
    training = Room(few_shot(task, *rows) if few else task, cropped=cropped).open(0)
    seen: list[int] = []
    for batch in training.epoch(drop_last=drop_last, plain=plain):
        assert batch.indices.dtype == torch.int64 and batch.indices.shape == batch.targets.shape
        assert colours(batch) == [30 + rows[i] for i in batch.indices.tolist()]
        assert batch.targets.tolist() == [rows[i] % 4 for i in batch.indices.tolist()]
        seen += batch.indices.tolist()
    count = len(rows) // 6 * 6 if drop_last else len(rows)
    assert len(seen) == count == len(set(seen))
    assert list(range(len(rows))) == sorted(seen) or drop_last
    endless = itertools.islice(training.endless(plain=plain), 9)
    assert all(colours(b) == [30 + rows[i] for i in b.indices.tolist()] for b in endless)


@pytest.mark.parametrize("cropped", [False, True])
def test_what_was_kept_is_handed_out_and_nothing_else(tmp_path: Path, cropped: bool) -> None:
    """Few-shot, the files on the disk, random crops or none."""
    first = few_shot(task_of(30, tmp_path), 13, 2, 7, 19, 5)
    room = Room(first, task_of(60, tmp_path), task_of(90, tmp_path), cropped=cropped)
    room.learn(0, 4, 1)  # the data set's images 5 and 2
    room.learn(1, 17)
    current = room.open(2)
    old, older = current.earlier[1], current.earlier[0]
    assert (older.name, old.name) == ("task/30", "task/60")
    assert older.labels == room.tasks[0].labels.first_prompts() and len(older) == 2
    drawn = list(itertools.islice(older.endless(), 5))
    assert {c for batch in drawn for c in colours(batch)} == {35, 32}
    for batch in drawn:
        assert colours(batch) == [(35, 32)[i] for i in batch.indices.tolist()]
        assert batch.targets.tolist() == [(1, 2)[i] for i in batch.indices.tolist()]
    assert [colours(batch) for batch in old.epoch(plain=True)] == [[77]]
    assert current.images_drawn == 5 * 2 + 1, "they are drawn while this task is learned"
    next(current.epoch())
    assert current.images_drawn == 5 * 2 + 1 + 6


def test_bytes_are_those_of_the_pixels_that_must_be_kept(tmp_path: Path) -> None:
    plain, cropped = (
        Room(task_of(30, tmp_path), task_of(60, tmp_path), cropped=c) for c in (False, True)
    )
    for room in (plain, cropped):
        assert (room.store.images, room.store.bytes) == (0, 0)
        room.learn(0, 0, 3, 9)
        room.learn(1, 2)
        assert room.store.images == 4
    assert plain.store.bytes == 4 * 3 * SIDE * SIDE
    assert cropped.store.bytes == sum(3 * w * h for w, h in (SIZES[i] for i in (0, 3, 9, 2)))
    drawn = Room(task_of(30), cropped=True)  # square as they were drawn: there is nothing larger
    drawn.learn(0, 1)
    assert drawn.store.bytes == 3 * SIDE * SIDE


def test_less_may_be_kept_of_an_earlier_task_and_then_it_is_gone() -> None:
    room = Room(task_of(30), task_of(60), task_of(90))
    room.learn(0, 5, 9, 1, 14)
    second = room.open(1)
    second.earlier[0].keep(torch.tensor([3, 1]))  # of the four: images 14 and 9
    second.keep(torch.tensor([0]))
    assert len(second.earlier[0]) == 4, "what is kept counts from the next task on"
    room.store.close(second)
    assert room.store.images == 3
    third = room.open(2)
    assert sorted(colours(next(third.earlier[0].epoch()))) == [39, 44]
    with pytest.raises(ValueError, match="task/30 has images 0 to 1"):
        third.earlier[0].keep(torch.tensor([2]))
    third.earlier[0].keep(torch.tensor([], dtype=torch.int64))
    room.store.close(third)
    assert (room.store.images, room.store.bytes) == (1, 3 * SIDE * SIDE)


def test_without_a_word_nothing_of_the_task_is_kept_and_all_of_earlier_ones() -> None:
    room = Room(task_of(30), task_of(60), task_of(90))
    room.learn(0, 5, 9)
    room.store.close(room.open(1))
    assert [(old.name, len(old)) for old in room.open(2).earlier] == [("task/30", 2)]


WRONG: dict[str, tuple[Tensor, str]] = {
    "too large": (torch.tensor([0, N]), "images 0 to 19"),
    "negative": (torch.tensor([-1]), "images 0 to 19"),
    "twice": (torch.tensor([4, 5, 4]), "kept twice"),
    "a mask": (torch.ones(N, dtype=torch.bool), "not int64 indices"),
    "fractions": (torch.tensor([1.0]), "not int64 indices"),
    "two dimensions": (torch.tensor([[1]]), "not int64 indices"),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_indices_of_nothing_are_refused(case: tuple[Tensor, str]) -> None:
    room = Room(task_of(30))
    with pytest.raises(ValueError, match=case[1]):
        room.open(0).keep(case[0])


def test_the_tensor_may_change_afterwards() -> None:
    room = Room(task_of(30), task_of(60))
    task, rows = room.open(0), torch.tensor([1, 2])
    task.keep(rows)
    rows.fill_(7)
    room.store.close(task)
    assert sorted(colours(next(room.open(1).earlier[0].epoch()))) == [31, 32]


def test_a_method_that_does_not_say_so_gets_nothing() -> None:
    room = Room(task_of(30), task_of(60), declared=False)
    first = room.open(0)
    live, again = first.endless(), first.epoch()
    next(live)
    next(again)
    with pytest.raises(UserError, match=r'Config.needs\(\) name "earlier images"'):
        first.keep(torch.tensor([0]))
    room.store.close(first)
    second = room.open(1)
    with pytest.raises(UserError, match=r'Config.needs\(\) name "earlier images"'):
        _ = second.earlier
    # ... not from the task that it held on to, and not from what it was drawing then
    for source in (live, again, first.epoch(), first.endless(plain=True)):
        with pytest.raises(UserError, match="task/30 is over and its images are asked for"):
            next(source)
    assert (first.images_drawn, second.images_drawn) == (12, 0)


def test_a_method_that_says_so_gets_no_more_than_it_kept() -> None:
    room = Room(task_of(30), task_of(60), task_of(90))
    room.learn(0, 5)
    second = room.open(1)
    live = second.earlier[0].endless()
    next(live)
    room.store.close(second)
    for source in (live, second.epoch(), second.earlier[0].epoch()):
        with pytest.raises(UserError, match="is over and its images are asked for"):
            next(source)
    with pytest.raises(UserError, match="is over"):
        second.keep(torch.tensor([0]))


def test_the_tasks_own_images_come_as_they_come_to_every_other_method() -> None:
    """Else a comparison on one seed would compare two orders of images, too."""

    def order(room: Room, draw_old: bool) -> list[int]:
        task = room.open(1)
        found: list[int] = []
        for batch in itertools.islice(task.endless(), 12):  # three passes
            found += batch.indices.tolist()
            if draw_old:
                next(task.earlier[0].epoch())
        return found

    replaying, other = (Room(task_of(30), task_of(60), declared=d) for d in (True, False))
    replaying.learn(0, 1, 2, 3)
    assert order(replaying, draw_old=True) == order(other, draw_old=False)


@pytest.mark.parametrize("cropped", [False, True])
def test_old_images_are_drawn_anew_for_every_task_and_seed(tmp_path: Path, cropped: bool) -> None:
    room = Room(task_of(30, tmp_path), task_of(60, tmp_path), cropped=cropped)
    room.learn(0, *range(N))
    orders = [
        torch.cat([b.indices for b in room.open(1, seed).earlier[0].epoch()]).tolist()
        for seed in (3, 3, 4)
    ]
    assert orders[0] == orders[1] != orders[2]


def test_what_is_kept_survives_a_checkpoint_and_is_no_parameter(tmp_path: Path) -> None:
    room, again = (Room(task_of(30), task_of(60), task_of(90)) for _ in range(2))
    assert room.store.state_dict() == {}, "the files of other methods stay as they were"
    room.learn(0, 7, 3)
    room.learn(1, 2)
    numbers = save_checkpoint(tmp_path / "state", {"w": torch.zeros(5)} | room.store.state_dict())
    assert numbers == 5
    state = load_checkpoint(tmp_path / "state")
    again.store.load_state_dict(state)
    assert list(state) == ["w"], "the method gets back what it saved and no more"
    assert (again.store.images, again.store.bytes) == (3, 3 * 3 * SIDE * SIDE)
    pairs = zip(room.open(2).earlier, again.open(2).earlier, strict=True)
    for here, there in pairs:
        assert here.name == there.name
        for a, b in zip(here.epoch(), there.epoch(), strict=True):
            assert torch.equal(a.images, b.images) and torch.equal(a.indices, b.indices)


def test_a_task_is_taken_up_in_its_middle_with_what_it_draws_of_others() -> None:
    room = Room(task_of(30), task_of(60), task_of(90))
    room.learn(0, *range(8))
    room.learn(1, *range(9))
    task = room.open(2)
    task.keep(torch.tensor([4]))
    task.earlier[1].keep(torch.tensor([0]))
    places = [old.endless() for old in task.earlier]
    for place in (*places, *places[:1]):
        next(place)
    state, kept = task.state_dict(), [place.state_dict() for place in places]
    rest = [[next(place).indices.tolist() for _ in range(5)] for place in places]
    drawn = task.images_drawn

    fresh = room.open(2)
    fresh.load_state_dict(state)
    others = [old.endless() for old in fresh.earlier]
    for place, at in zip(others, kept, strict=True):
        place.load_state_dict(at)
    assert [[next(place).indices.tolist() for _ in range(5)] for place in others] == rest
    assert fresh.images_drawn == drawn
    room.store.close(fresh)
    assert room.store.images == 8 + 1 + 1


class Killed(BaseException):
    """Stands for a kill: nothing in the runner may catch it."""


def run_and_kill_another(plan: Plan, folder: Path) -> RunResult:
    """One undisturbed run; one that is killed while it learns its last task must end as it did."""
    run = small_run(plan, folder / "whole")

    def kill(event: Event) -> None:
        if isinstance(event, Step) and event.task == plan.tasks[-1].name:
            raise Killed

    with pytest.raises(Killed):
        small_run(plan, folder / "killed", listen=kill)
    resumed = small_run(plan, folder / "killed")
    assert resumed.matrix == run.matrix
    states = [RunFolder(r.path).checkpoint(len(plan.tasks)).read_bytes() for r in (run, resumed)]
    assert states[0] == states[1]
    return run


def test_a_replay_method_forgets_less_resumes_and_its_record_says_the_cost(tmp_path: Path) -> None:
    settings, steps, size = ("lr=1e-3", "batch_size=16", "steps=20"), 20, 16
    plan = plan_of("replay", *settings, "per_class=2")
    run = run_and_kill_another(plan, tmp_path)
    without = small_run(plan_of("replay", *settings, "per_class=0"), tmp_path / "without")
    assert set(plan.config.extra_data) == {"earlier images"}
    remembered, lost = (r.matrix.rows[1][0] for r in (run, without))
    assert remembered > lost + 5

    tasks = small_stream(plan).tasks
    kept = [2 * len(task.labels.classnames) for task in tasks]
    taken = [k * task.train.pixels[0].numel() for k, task in zip(kept, tasks, strict=True)]
    saved, bare = (those(r.events, Saved) for r in (run, without))
    assert [event.kept_images for event in saved] == [kept[0], sum(kept)]
    assert [event.kept_bytes for event in saved] == [taken[0], sum(taken)]
    assert {(event.kept_images, event.kept_bytes) for event in bare} == {(0, 0)}
    assert saved[1].stored_parameters == bare[1].stored_parameters > 0

    cost = Cost.of(run.events)
    assert (cost.kept_images, cost.kept_bytes) == (sum(kept), sum(taken))
    with Console(width=200, record=True, file=io.StringIO()) as console:
        console.print(render(run))
        console.print(render(without))
    assert console.export_text().count("images of learned tasks") == 1
    choosing = [len(task.train) for task in tasks]  # one pass
    training = [drawn(count, size, steps) for count in choosing]
    again = drawn(kept[0], size, steps)
    assert [event.images_drawn for event in those(run.events, Learned)] == [
        training[0] + choosing[0],
        training[1] + choosing[1] + again,
    ]


def test_few_shot_photographs_with_random_crops_are_replayed_from_their_files(
    tmp_path: Path,
) -> None:
    """A suite of files, three images per class, killed in its last task and continued."""
    for t, name in enumerate(("a", "b")):
        for i, split in itertools.product(range(10), ("train", "test")):
            file = tmp_path / name / split / f"{name}{i % 2}" / f"{i}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            spot = (20 * t + 10 * i) % 200 if split == "train" else 5 * t + i
            Image.new("RGB", (48, 40), (spot, 255 - spot, 9 * i)).save(file)
    tasks = (f'name = "{n}"\ntrain = "{n}/train"\ntest = "{n}/test"' for n in ("a", "b"))
    choices = Choices(
        suite=str(write_suite(tmp_path, *tasks)), method="replay", plugin=PLUGIN, device="cpu",
        shots=3, overrides=("steps=6", "batch_size=4", "augment=random_resized_crop", "per_class=2"),
    )  # fmt: skip
    run = run_experiment(choices, out=tmp_path / "whole")

    def kill(event: Event) -> None:
        if isinstance(event, Step) and event.task == "b":
            raise Killed

    with pytest.raises(Killed):
        run_experiment(choices, kill, out=tmp_path / "killed")
    resumed = run_experiment(choices, out=tmp_path / "killed")
    states = [RunFolder(r.path).checkpoint(2).read_bytes() for r in (run, resumed)]
    assert states[0] == states[1]
    saved = those(run.events, Saved)
    assert [event.kept_images for event in saved] == [4, 8]
    assert [event.kept_bytes for event in saved] == [4 * 48 * 40 * 3, 8 * 48 * 40 * 3]
    assert [event.images_drawn for event in those(run.events, Learned)] == [
        drawn(6, 4, 6) + 6,
        drawn(6, 4, 6) + 6 + drawn(4, 4, 6),
    ]


def drawn(count: int, size: int, steps: int) -> int:
    """Images in so many batches of up to ``size``, pass after pass over ``count`` images."""
    sizes = [size] * (count // size) + [count % size] * (count % size > 0)
    return sum(itertools.islice(itertools.cycle(sizes), steps))


def test_a_run_of_a_method_that_does_not_say_so_stops(tmp_path: Path) -> None:
    plan = plan_of("replay", "steps=2", "per_class=2", "says_so=false")
    assert plan.config.extra_data == {}
    with pytest.raises(UserError, match=r'Config.needs\(\) name "earlier images"'):
        small_run(plan, tmp_path)
    assert not RunFolder(tmp_path).checkpoint(1).exists()
