"""``/v1/tokens`` and ``/v1/people``: who may use the service, for administrators."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from pressmark.api.accounts import Accounts, NewToken, TokenList
from pressmark.api.schemas import schema
from pressmark.api.service.resources import Name, answers, json_answer
from pressmark.api.service.security import needs
from pressmark.api.service.tokens import Scope

routes = APIRouter(
    prefix="/v1", tags=["administration"], dependencies=[Depends(needs(Scope.ADMIN))]
)


class WantedToken(BaseModel):
    """A token that is to be made."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        min_length=1, max_length=200, description="Whom it stands for.", examples=["Ada Lovelace"]
    )
    scope: str = Field(default="read", pattern="^(read|write|admin)$")
    days: int = Field(default=90, ge=1, le=36_500, description="How long it is valid.")
    label: str = Field(default="", max_length=200, description="What it is for.")


def _accounts(request: Request) -> Accounts:
    return request.app.state.accounts  # type: ignore[no-any-return]


Known = Annotated[Accounts, Depends(_accounts)]


@routes.get("/tokens", summary="All tokens", responses=answers(schema(TokenList)))
def list_tokens(request: Request, accounts: Known) -> Response:
    """Every token without its secret, and whom they stand for."""
    return json_answer(request, accounts.tokens())


@routes.post(
    "/tokens",
    status_code=201,
    summary="Make one",
    responses=answers(None, 422) | {201: {"model": schema(NewToken)}},
)
def create_token(
    request: Request, accounts: Known, wanted: Annotated[WantedToken, Body()]
) -> Response:
    """Makes a token. It is told this once; only its digest is kept."""
    made = accounts.create_token(wanted.name, wanted.scope, wanted.label, wanted.days)
    response = json_answer(request, made)
    response.status_code = 201
    response.headers["Cache-Control"] = "no-store"
    return response


@routes.delete(
    "/tokens/{token}",
    status_code=204,
    summary="Make it invalid",
    responses=answers(None, 404) | {204: {"description": "It is invalid"}},
)
def revoke_token(accounts: Known, token: Name) -> Response:
    """Makes a token invalid for good, by its identifier."""
    accounts.revoke_token(token)
    return Response(status_code=204)


@routes.delete(
    "/people/{person:path}",
    status_code=204,
    summary="Forget who it is",
    responses=answers(None, 404) | {204: {"description": "Nobody knows any more"}},
)
def forget_person(accounts: Known, person: Name) -> Response:
    """Erases a name and its tokens; records keep an opaque identifier that says nothing."""
    accounts.forget(person)
    return Response(status_code=204)
