"""What a record says of an activity, read back with SPARQL instead of with the writer."""

from dataclasses import replace
from pathlib import Path

import pytest
from pyoxigraph import NamedNode, QueryBoolean, Store

from pressmark.ontology.terms import PM, PREFIXES
from pressmark.registry import activities
from pressmark.registry.activities import (
    Finding,
    FinishedStep,
    NewArtifact,
    NewEvaluation,
    Occurrence,
    Parameter,
    Usage,
    evidence,
    finish_step,
)
from pressmark.registry.errors import InvalidInputError

PROLOGUE = "".join(f"PREFIX {name}: <{base}>\n" for name, base in PREFIXES.items())


def holds(store: Store, pattern: str, **nodes: NamedNode) -> bool:
    for name, node in nodes.items():
        pattern = pattern.replace(f"${name}", str(node))
    answer = store.query(f"{PROLOGUE}ASK {{ {pattern} }}", use_default_graph_as_union=True)
    assert isinstance(answer, QueryBoolean)
    return bool(answer)


@pytest.fixture
def pruned(history):
    history.run_iri = history.run()
    history.base = history.imported(history.run_iri)
    history.made = history.step(history.run_iri, "prune/wanda", history.base)
    return history


def test_a_derivation_is_told_in_short_and_in_full(pruned) -> None:
    assert holds(
        pruned.store(),
        """$made prov:wasDerivedFrom $base ; prov:wasGeneratedBy ?step ;
             prov:qualifiedDerivation ?d ; prov:qualifiedGeneration ?g .
           ?d prov:entity $base ; prov:hadActivity ?step ;
             prov:hadUsage ?u ; prov:hadGeneration ?g .
           ?g prov:activity ?step ; prov:atTime ?made .
           $made prov:generatedAtTime ?made .
           ?step a pm:Prune, pm:Step, prov:Activity ; prov:used $base ; prov:qualifiedUsage ?u .
           ?u prov:entity $base ; prov:hadRole pm:baseRole ; prov:atTime ?used .
           ?step prov:startedAtTime ?start ; prov:endedAtTime ?end .
           FILTER(?start <= ?used && ?used <= ?made && ?made <= ?end)""",
        made=pruned.made,
        base=pruned.base,
    )


def test_agents_have_roles_and_the_engine_follows_the_recipe(pruned) -> None:
    assert holds(
        pruned.store(),
        """$run a pm:Run ; prov:wasAssociatedWith ?engine, ?person ; prov:used ?recipe .
           $run prov:qualifiedAssociation ?a, ?b .
           ?a prov:agent ?engine ; prov:hadRole pm:engineRole ; prov:hadPlan ?recipe .
           ?b prov:agent ?person ; prov:hadRole pm:operatorRole .
           ?engine a prov:SoftwareAgent . ?person a prov:Person ; pm:agentId "agent-1" .
           ?step pm:isStepOf $run ; pplan:correspondsToStep ?planned .
           ?planned pplan:isStepOfPlan ?recipe ; pm:position 1 ; pm:stepName "prune/wanda" """,
        run=pruned.run_iri,
    )


def test_a_content_lists_its_files(pruned) -> None:
    assert holds(
        pruned.store(),
        """$made pm:hasContent ?content . ?content pm:fileCount 2 ; dcat:byteSize 201 ;
             pm:hasFile ?one, ?two .
           ?one pm:fileName "config.json" ; dcat:byteSize 100 .
           ?two pm:fileName "model.safetensors" ; dcat:byteSize 101""",
        made=pruned.made,
    )


def test_an_evaluation_names_artifact_data_and_comparison(pruned) -> None:
    result = pruned.evaluate(pruned.run_iri, pruned.made, compared_with=pruned.base)
    assert holds(
        pruned.store(),
        """$result a pm:EvaluationResult, mls:ModelEvaluation ; pm:evaluates $made ;
             pm:comparedWith $base ; pm:onDataSet ?data ; prov:wasDerivedFrom $made ;
             pm:hadMeasurement ?m .
           ?m pm:metricName "perplexity" ; pm:metricValue 12.5e0 ; pm:metricUnit "1" .
           ?data a dcat:Dataset ; dcterms:license "CC0-1.0" .
           ?step prov:used $made, $base, ?data""",
        result=result,
        made=pruned.made,
        base=pruned.base,
    )


def test_evidence_points_at_the_edge(pruned) -> None:
    about_edge = pruned.check(pruned.made, holds=False)
    about_import = pruned.check(pruned.base, edge="generation", kind=PM.Reproduce)
    store = pruned.store()
    assert holds(
        store,
        """$evidence pm:aboutDerivation ?d ; pm:verdict pm:refuted ; prov:wasGeneratedBy ?check .
           $made prov:qualifiedDerivation ?d . ?check a pm:Check ; prov:used $made""",
        evidence=about_edge,
        made=pruned.made,
    )
    assert holds(
        store,
        """$evidence pm:aboutGeneration ?g ; pm:verdict pm:holds .
           $base prov:qualifiedGeneration ?g""",
        evidence=about_import,
        base=pruned.base,
    )


def test_an_unknown_parent_is_minted_as_external(history) -> None:
    made = history.register(external="somewhere/else")
    assert holds(
        history.store(),
        """$made prov:wasDerivedFrom ?parent ; prov:wasGeneratedBy ?registration .
           ?parent a pm:ExternalArtifact, pm:ModelArtifact ; rdfs:label "somewhere/else" .
           ?registration a pm:Registration
           FILTER NOT EXISTS { ?parent prov:wasGeneratedBy ?nothing }""",
        made=made,
    )


def test_aliases_tags_and_retirements_point_at_what_they_are_about(pruned) -> None:
    alias, tag = pruned.promote(pruned.made, "staging"), pruned.tag(pruned.made, removed=True)
    retirement = pruned.retire(pruned.made, "too slow")
    store = pruned.store()
    named = {"made": pruned.made, "alias": alias, "tag": tag, "retirement": retirement}
    assert holds(store, '$alias pm:alias "staging" ; pm:assigns $made', **named)
    assert holds(store, '$tag pm:tag "tested" ; pm:tagRemoved true ; pm:assigns $made', **named)
    assert holds(store, '$retirement prov:invalidated $made ; pm:reason "too slow"', **named)
    old = NamedNode(pruned.made.value)
    graphs = {quad.graph_name for quad in store.quads_for_pattern(old, None, None)}
    assert len(graphs) == 1


@pytest.mark.parametrize(
    ("value", "pattern"),
    [
        (0.5, "mls:hasValue 0.5e0"),
        (4, "mls:hasValue 4"),
        (True, "mls:hasValue true"),
        ("2:4", 'mls:hasValue "2:4"'),
        (None, 'mls:hasValue "null"'),
        ([1, "b"], """mls:hasValue '[1,"b"]'"""),
        ({"b": 1, "a": [None]}, """mls:hasValue '{"a":[null],"b":1}'"""),
        ({"é": {"z": False, "a": "ü"}}, """mls:hasValue '{"é":{"a":"ü","z":false}}'"""),
    ],
)
def test_parameters_keep_their_type(history, value: object, pattern: str) -> None:
    run = history.run()
    step = FinishedStep(
        **history.occurrence(),
        kind=PM.Prune,
        run=run,
        name="prune/wanda",
        version="1",
        outcome=PM.aborted,
        parameters=(Parameter("p", value),),
    )
    history.keep(finish_step(step))
    assert holds(history.store(), f'?p pm:parameterName "p" ; {pattern}')


def test_a_parent_that_was_not_used_is_refused_with_its_name(pruned) -> None:
    artifact = NewArtifact(
        iri=pruned.iri(),
        kind=PM.PrunedModel,
        name="x",
        files=pruned.files(),
        generated_at=pruned.time(),
        parents=(pruned.base,),
    )
    step = FinishedStep(
        **pruned.occurrence(),
        kind=PM.Prune,
        run=pruned.run_iri,
        name="prune/wanda",
        version="1",
        outcome=PM.succeeded,
        artifact=artifact,
    )
    with pytest.raises(InvalidInputError, match=f"derive from {pruned.base}.*did not use"):
        finish_step(step)
    used = Usage(pruned.base, PM.baseRole, step.started_at)
    assert finish_step(replace(step, usages=(used,))).nquads


def test_files_travel_with_the_record(history, tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("log")
    fields = history.occurrence()
    used = Usage(history.dataset.iri, PM.calibrationRole, fields["started_at"], history.dataset)
    activity = Occurrence(**fields, usages=(used,), log="3" * 64)
    record = evidence(activity, PM.Check, [], files={"3" * 64: path})
    assert record.files == {"3" * 64: path}
    assert record.nquads == evidence(activity, PM.Check, [], bundle=record.bundle).nquads


def test_values_are_frozen(history) -> None:
    values = [
        Parameter("a", 1),
        Finding(
            iri=history.iri(), about=history.iri(), holds=True, claims=(), found_at=history.time()
        ),
        NewEvaluation(
            iri=history.iri(),
            evaluates=history.iri(),
            dataset=history.dataset,
            measurements=(),
            generated_at=history.time(),
        ),
    ]
    for value in values:
        with pytest.raises(AttributeError):
            value.iri = None


def test_the_public_names() -> None:
    for name in activities.__all__:
        assert hasattr(activities, name)
    assert activities.__all__ == sorted(activities.__all__, key=_constants_first)


def _constants_first(name: str) -> tuple[int, str]:
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)
