import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyoxigraph import NamedNode
from safetensors.numpy import save_file

from pressmark.ontology.terms import PM
from pressmark.registry.activities import (
    FinishedStep,
    Measurement,
    NewArtifact,
    NewEvaluation,
    Parameter,
    Usage,
    finish_step,
)
from pressmark.registry.diff import Difference, Status, diff
from pressmark.registry.errors import NotFoundError
from pressmark.registry.layout import read_header_file
from pressmark.registry.registry import Registry

Tensors = Mapping[str, np.ndarray]

SMALL = np.arange(8, dtype=np.float32)
LARGE = np.arange(1 << 15, dtype=np.float32)  # 128 kB: a chunk of its own
EXCHANGED = {Status.ADDED: Status.REMOVED, Status.REMOVED: Status.ADDED}
SIDES = {"one": "other", "one_against": "other_against", "branch": "other_branch"}


class Models:
    """A registry of models that consist of given tensors; every record is validated."""

    def __init__(self, folder: Path, history: Any, registered: Any) -> None:
        self.folder = folder
        self.history = history
        self.registry = Registry.create(folder / "registry")
        self._registered = registered
        self._numbers = count()

    def add(self, files: Mapping[str, Tensors | str]) -> NamedNode:
        folder = self.folder / f"model-{next(self._numbers)}"
        folder.mkdir()
        for name, content in files.items():
            if isinstance(content, str):
                (folder / name).write_text(content)
            else:
                save_file(dict(content), folder / name)
            self.registry.blobs.put_file(folder / name)
        artifact: NamedNode = self._registered(self.history, folder)
        self.registry.commit(self.history.records[-1])
        return artifact

    def diff(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> Difference:
        return diff(self.registry, self.add(one), self.add(other))

    def chunk(self, tensor: np.ndarray) -> Path:
        """The file in which a large tensor lies."""
        return self.blob(hashlib.sha256(tensor.tobytes()).hexdigest())

    def blob(self, digest: str) -> Path:
        return self.registry.root / "blobs" / "objects" / digest[0] / digest[1:]


@pytest.fixture
def models(tmp_path: Path, new_history: Callable[..., Any], registered: Any) -> Iterator[Models]:
    made = Models(tmp_path, new_history(5), registered)
    with made.registry.writing():
        yield made


def statuses(found: Sequence[Any]) -> dict[str, Status]:
    return {change.name: change.status for change in found}


def exchanged(found: Any) -> Any:
    """A difference as it must look when the two artifacts are exchanged."""
    swapped = SIDES | {there: here for here, there in SIDES.items()}
    fields = {swapped.get(name, name): value for name, value in vars(found).items()}
    if "status" in fields:
        fields["status"] = EXCHANGED.get(fields["status"], fields["status"])
    if isinstance(found, Difference):
        lists = ("files", "tensors", "facts", "parameters", "measurements", "metrics")
        fields |= {name: tuple(map(exchanged, fields[name])) for name in lists}
    return replace(found, **fields)


def mirrored(registry: Registry, one: NamedNode, other: NamedNode) -> Difference:
    """The difference, after it was held to its laws."""
    found = diff(registry, one, other)
    assert diff(registry, other, one) == exchanged(found)
    assert diff(registry, one, one).is_empty
    assert diff(registry, other, other).is_empty
    return found


# ---------------------------------------------------------------- files and tensors


def test_files_and_tensors_are_told_apart_by_their_bytes(models: Models) -> None:
    one = {"kept": LARGE, "zeroed": LARGE + 1, "small": SMALL, "dropped": SMALL, "cast": LARGE}
    other = {"kept": LARGE, "zeroed": LARGE * 0, "small": SMALL, "new": SMALL}
    other |= {"cast": LARGE.astype(np.float16)}
    found = mirrored(
        models.registry,
        models.add({"model.safetensors": one, "config.json": "{}", "one.txt": "only here"}),
        models.add({"model.safetensors": other, "config.json": "{}", "other.txt": "only there"}),
    )
    assert statuses(found.files) == {
        "config.json": Status.SAME,
        "model.safetensors": Status.CHANGED,
        "one.txt": Status.REMOVED,
        "other.txt": Status.ADDED,
    }
    assert statuses(found.tensors) == {
        "cast": Status.RETYPED,
        "dropped": Status.REMOVED,
        "kept": Status.SAME,
        "new": Status.ADDED,
        "small": Status.SAME,
        "zeroed": Status.CHANGED,
    }
    assert not found.is_empty


SHAPES = st.sampled_from([(), (0,), (3,), (2, 4), (8,), (1 << 14,), (1 << 15,), (20_000,)])
TENSORS = st.builds(
    lambda shape, dtype, value: np.full(shape, value, dtype),
    SHAPES,
    st.sampled_from([np.float32, np.float16, np.int8]),
    st.integers(0, 1),
)
MODELS = st.dictionaries(st.sampled_from("abcdef"), TENSORS, min_size=1)


def expected(one: np.ndarray | None, other: np.ndarray | None) -> Status:
    if one is None or other is None:
        return Status.ADDED if one is None else Status.REMOVED
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return Status.RETYPED
    return Status.SAME if np.array_equal(one, other) else Status.CHANGED


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(one=MODELS, other=MODELS)
def test_tensors_differ_as_their_arrays_do(models: Models, one: Tensors, other: Tensors) -> None:
    artifacts = [models.add({"model.safetensors": tensors}) for tensors in (one, other)]
    found = mirrored(models.registry, *artifacts)
    names = one.keys() | other.keys()
    assert statuses(found.tensors) == {n: expected(one.get(n), other.get(n)) for n in names}
    for change in found.tensors:
        for side, tensors in ((change.one, one), (change.other, other)):
            if side and side.sha256:
                data = tensors[change.name].tobytes()
                assert (side.size, side.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_tensors_are_matched_across_the_shards_of_a_model(models: Models) -> None:
    found = models.diff(
        {"model.safetensors": {"a": LARGE, "b": SMALL, "c": SMALL}},
        {"model-1.safetensors": {"a": LARGE, "b": SMALL}, "model-2.safetensors": {"c": SMALL + 1}},
    )
    assert statuses(found.tensors) == {
        "a": Status.SAME, "b": Status.SAME, "c": Status.CHANGED,
    }  # fmt: skip


def test_a_name_that_occurs_twice_keeps_its_files_apart(models: Models) -> None:
    found = models.diff(
        {"model.safetensors": {"w": LARGE}, "scores.safetensors": {"w": SMALL}},
        {"model.safetensors": {"w": LARGE}, "scores.safetensors": {"w": SMALL + 1}},
    )
    assert statuses(found.tensors) == {
        "model.safetensors:w": Status.SAME,
        "scores.safetensors:w": Status.CHANGED,
    }


def test_equal_bytes_that_are_cut_in_another_way(models: Models) -> None:
    """The small tensors of both are one chunk of zeros, in which "b" lies at two places."""
    one = {"a": np.zeros(2), "b": np.zeros(2), "c": np.zeros(2), "large": LARGE}
    other = {"a": np.zeros(1), "b": np.zeros(2), "c": np.zeros(3), "large": LARGE}
    found = models.diff({"model.safetensors": one}, {"model.safetensors": other})
    assert statuses(found.tensors) == {
        "a": Status.RETYPED, "b": Status.SAME, "c": Status.RETYPED, "large": Status.SAME,
    }  # fmt: skip


def test_large_tensors_are_compared_without_their_bytes(models: Models) -> None:
    one = {"same": LARGE, "changed": LARGE + 1, "small": SMALL}
    artifacts = [
        models.add({"model.safetensors": tensors})
        for tensors in (one, one | {"changed": LARGE + 2})
    ]
    for tensor in (LARGE, LARGE + 1, LARGE + 2):
        models.chunk(tensor).unlink()
    found = diff(models.registry, *artifacts)
    assert found.unread == ""
    assert statuses(found.tensors) == {
        "changed": Status.CHANGED, "same": Status.SAME, "small": Status.SAME,
    }  # fmt: skip


def test_damaged_bytes_are_never_taken_for_a_change(models: Models) -> None:
    artifacts = [
        models.add({"model.safetensors": {"large": LARGE, "a": SMALL, "b": SMALL + n}})
        for n in range(2)
    ]
    packed = hashlib.sha256(SMALL.tobytes() + (SMALL + 1).tobytes()).hexdigest()
    data = bytearray(models.blob(packed).read_bytes())
    data[0] ^= 1
    models.blob(packed).chmod(0o600)
    models.blob(packed).write_bytes(data)
    found = diff(models.registry, *artifacts)
    assert packed in found.unread
    assert "damaged" in found.unread
    assert found.tensors == ()


def test_a_damaged_header_is_named(models: Models) -> None:
    artifact = models.add({"model.safetensors": {"large": LARGE}})
    header = read_header_file(models.folder / "model-0" / "model.safetensors")
    data = (models.folder / "model-0" / "model.safetensors").read_bytes()[: header.length]
    blob = models.blob(hashlib.sha256(data).hexdigest())
    blob.chmod(0o600)
    blob.write_bytes(data.replace(b"large", b"smurf"))
    assert "damaged" in diff(models.registry, artifact, artifact).unread


def test_what_only_looks_like_safetensors_is_named(models: Models) -> None:
    found = models.diff({"model.safetensors": "no header"}, {"model.safetensors": {"w": SMALL}})
    assert "model.safetensors" in found.unread
    assert statuses(found.files) == {"model.safetensors": Status.CHANGED}


# ---------------------------------------------------------------- facts, steps, numbers


def names(world: Any, found: Sequence[Any]) -> list[str]:
    return [world.name(one.iri) for one in found]


def test_branches_part_at_the_nearest_common_ancestor(world: Any, world_registry: Any) -> None:
    found = mirrored(world_registry, world.int8, world.elsewhere)
    assert names(world, found.ancestors) == ["pruned"]
    assert [world.name(edge.child) for edge in found.branch] == ["int8"]
    assert [world.name(edge.child) for edge in found.other_branch] == ["elsewhere"] * 2
    assert "not in" in found.unread  # the world's files have no bytes
    assert found.tensors == ()


def test_a_descendant_differs_by_the_steps_since(world: Any, world_registry: Any) -> None:
    found = mirrored(world_registry, world.base, world.int8)
    assert names(world, found.ancestors) == ["base"]
    assert found.branch == ()
    assert [edge.step_name for edge in found.other_branch] == ["prune/wanda", "quantize/rtn"]
    assert ("prune/wanda", "sparsity", None, 0.5) in [
        (change.step, change.name, change.one, change.other) for change in found.parameters
    ]
    assert [(m.step, m.metric, m.one, m.other) for m in found.measurements] == [
        ("prune/wanda", "sparsity", None, 0.5), ("quantize/rtn", "sparsity", None, 0.5),
    ]  # fmt: skip
    assert [(m.metric, m.dataset, m.one, m.other) for m in found.metrics] == [
        ("perplexity", "text", 12.5, 12.5), ("speed", "text", 100, 100),
    ]  # fmt: skip


def test_facts_that_are_not_the_same(world: Any, world_registry: Any) -> None:
    found = mirrored(world_registry, world.int8, world.elsewhere)
    assert {fact.name: (fact.one, fact.other) for fact in found.facts} == {
        "license": ("Apache-2.0", "NOASSERTION"),
        "line": ("example", None),
        "nonzero parameter count": (500, None),
        "parameter count": (1000, None),
        "pattern": ("2:4", None),
        "size": (201, 100),
    }


def test_what_is_known_only_by_claim_can_be_compared(world: Any, world_registry: Any) -> None:
    claimed = next(e.parent for e in diff(world_registry, world.base, world.elsewhere).other_branch
                   if world.name(e.parent).startswith("urn:"))  # fmt: skip
    found = mirrored(world_registry, claimed, world.elsewhere)
    assert [one.name for one in found.ancestors] == ["vendor/original"]
    assert set(statuses(found.files).values()) == {Status.ADDED}


def test_steps_of_the_same_name_and_parameters_do_not_differ(
    world: Any, world_registry: Any
) -> None:
    found = mirrored(world_registry, world.int8, world.int4)
    assert found.parameters == found.measurements == ()
    assert [fact.name for fact in found.facts] == ["status"]


def test_only_artifacts_can_be_compared(world: Any, world_registry: Any) -> None:
    with pytest.raises(NotFoundError, match=world.run.value):
        diff(world_registry, world.int8, world.run)


class Chain:
    """Steps with any parameters in a registry that validates them."""

    def __init__(self, registry: Registry, history: Any) -> None:
        self.registry, self.history = registry, history
        self.run = history.run()
        self.base = history.imported(self.run)
        self.adapter = history.imported(self.run)
        self.commit()

    def commit(self) -> None:
        self.history.commit(self.registry)

    def step(
        self, name: str, kind: NamedNode, product: NamedNode, *parents: NamedNode, **values: float
    ) -> NamedNode:
        fields = self.history.occurrence()
        started, ended = str(fields["started_at"]), str(fields["ended_at"])
        roles = (PM.baseRole, PM.adapterRole)
        artifact = NewArtifact(
            iri=self.history.iri(),
            kind=product,
            name=name,
            files=self.history.files(),
            generated_at=ended,
            parents=parents,
        )
        usages = tuple(Usage(p, role, started) for p, role in zip(parents, roles, strict=False))
        done = self._done(fields, name, kind, usages, values)
        self.history.commit(self.registry, finish_step(replace(done, artifact=artifact)))
        return artifact.iri

    def evaluate(self, artifact: NamedNode, perplexity: float, **values: float) -> None:
        fields, data = self.history.occurrence(), self.history.dataset
        started = str(fields["started_at"])
        result = NewEvaluation(
            iri=self.history.iri(),
            evaluates=artifact,
            dataset=data,
            measurements=(Measurement("perplexity", perplexity),),
            generated_at=str(fields["ended_at"]),
        )
        usages = (
            Usage(artifact, PM.baseRole, started),
            Usage(data.iri, PM.evaluationRole, started, data),
        )
        done = self._done(fields, "evaluate/perplexity", PM.Evaluate, usages, values)
        self.history.commit(self.registry, finish_step(replace(done, evaluation=result)))

    def _done(
        self,
        fields: dict[str, Any],
        name: str,
        kind: NamedNode,
        usages: tuple[Usage, ...],
        values: Mapping[str, float],
    ) -> FinishedStep:
        parameters = tuple(Parameter(key, value) for key, value in values.items())
        return FinishedStep(
            **fields,
            kind=kind,
            run=self.run,
            name=name,
            version="1",
            outcome=PM.succeeded,
            usages=usages,
            parameters=parameters,
            measurements=tuple(Measurement(f"seen {p.name}", p.value) for p in parameters),
        )


@pytest.fixture
def chain(tmp_path: Path, new_history: Callable[..., Any]) -> Iterator[Chain]:
    with Registry.create(tmp_path / "registry") as registry, registry.writing():
        yield Chain(registry, new_history(6))


def test_steps_of_one_name_are_paired_in_their_order(chain: Chain) -> None:
    def pruned(parent: NamedNode, **values: float) -> NamedNode:
        return chain.step("prune/wanda", PM.Prune, PM.PrunedModel, parent, **values)

    one = pruned(pruned(chain.base, sparsity=0.25), sparsity=0.5, seed=1)
    other = pruned(pruned(chain.base, sparsity=0.25), sparsity=0.75)
    found = mirrored(chain.registry, one, other)
    assert [(p.step, p.name, p.one, p.other) for p in found.parameters] == [
        ("prune/wanda", "seed", 1, None), ("prune/wanda", "sparsity", 0.5, 0.75),
    ]  # fmt: skip
    assert [(m.step, m.metric, m.one, m.other) for m in found.measurements] == [
        ("prune/wanda", "seen seed", 1, None), ("prune/wanda", "seen sparsity", 0.5, 0.75),
    ]  # fmt: skip


def test_merges_of_the_same_parents_have_both_in_common(chain: Chain) -> None:
    one, other = (
        chain.step("merge", PM.Merge, PM.MergedModel, chain.base, chain.adapter, weight=weight)
        for weight in (0.5, 1.0)
    )
    found = mirrored(chain.registry, one, other)
    assert [artifact.iri for artifact in found.ancestors] == [chain.base, chain.adapter]
    assert [(p.name, p.one, p.other) for p in found.parameters] == [("weight", 0.5, 1.0)]


def test_strangers_have_no_common_ancestor(chain: Chain) -> None:
    found = mirrored(chain.registry, chain.base, chain.adapter)
    assert found.ancestors == ()
    assert [edge.step_name for edge in found.branch] == ["import"]


def test_numbers_are_side_by_side_only_where_they_were_measured_alike(chain: Chain) -> None:
    chain.evaluate(chain.base, 10.0, window=512)
    chain.evaluate(chain.adapter, 30.0, window=512)
    chain.evaluate(chain.adapter, 12.0, window=512)
    chain.evaluate(chain.adapter, 9.0, window=2048)
    found = mirrored(chain.registry, chain.base, chain.adapter)
    assert [(m.settings, m.one, m.other) for m in found.metrics] == [
        ("window=2048", None, 9.0), ("window=512", 10.0, 12.0),
    ]  # fmt: skip
