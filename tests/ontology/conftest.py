"""One record of a step, for tests of formats."""

import pytest
from pyoxigraph import NamedNode

from pressmark.ontology.terms import PM
from pressmark.registry import descriptions
from pressmark.registry.activities import (
    Circumstances,
    FileEntry,
    FinishedStep,
    Measurement,
    NewArtifact,
    Parameter,
    Usage,
    finish_step,
)
from pressmark.registry.record import Record


@pytest.fixture
def a_record() -> Record:
    circumstances = Circumstances(
        descriptions.environment(
            python_version="3.11.9",
            platform="Linux",
            cpu_model="Example",
            cpu_flags=["avx2"],
            thread_count=2,
            memory_bytes=1 << 33,
            libraries=["torch 2.13.0"],
        ),
        descriptions.engine("0.1.0", "unknown", "0" * 64),
        descriptions.agent("someone"),
    )
    parent, at = NamedNode("urn:uuid:parent"), "2026-01-01T00:00:01.5Z"
    step = FinishedStep(
        iri=NamedNode("urn:uuid:step"),
        started_at="2026-01-01T00:00:01Z",
        ended_at="2026-01-01T00:00:02Z",
        circumstances=circumstances,
        usages=(Usage(parent, PM.baseRole, at),),
        kind=PM.Prune,
        run=NamedNode("urn:uuid:run"),
        name="prune/wanda",
        version="1",
        outcome=PM.succeeded,
        parameters=(Parameter("sparsity", 0.5), Parameter("exclude", ["lm_head", None])),
        measurements=(Measurement("sparsity", 0.5),),
        artifact=NewArtifact(
            iri=NamedNode("urn:uuid:artifact"),
            kind=PM.PrunedModel,
            name='a "quoted" näme\nin two lines',
            files=(FileEntry("model.safetensors", "a" * 64, 10),),
            generated_at="2026-01-01T00:00:02Z",
            parents=(parent,),
            attributes={"pattern": "2:4", "kept": 12, "dense": False},
        ),
    )
    return finish_step(step, bundle=NamedNode("urn:uuid:bundle"))
