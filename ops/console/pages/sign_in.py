"""The pages of the sign-in: the form, OpenID Connect's way there and back, and the sign-out."""

from __future__ import annotations

import logging
import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from ops.console import security
from ops.console.audit import Action, Entry
from ops.console.context import Console, Visit, client_of, console_of, find_visit, visit
from ops.console.errors import FormRefused
from ops.console.sign_in.openid import CALLBACK, OpenIDError

SEE_OTHER = 303
LONGEST_INPUT = 1024

router = APIRouter()
logger = logging.getLogger("switchboard.console")


@router.get("/sign-in")
async def show_form(request: Request, next: str = "/") -> Response:  # noqa: A002 - the name in the address
    """Show the form, or the page that was asked for if somebody is signed in already."""
    next_page = security.local_path(next)
    if await find_visit(request):
        return RedirectResponse(next_page, SEE_OTHER)
    return _form(request, next_page)


@router.post("/sign-in")
async def sign_in(
    request: Request,
    name: Annotated[str, Form(max_length=LONGEST_INPUT)],
    password: Annotated[str, Form(max_length=LONGEST_INPUT)],
    csrf: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002 - the name in the form
) -> Response:
    """Sign in with a password."""
    console, next_page = console_of(request), security.local_path(next)
    cookie = request.cookies.get(_form_cookie(console), "")
    if not security.is_of_own_page(request) or not security.same_token(csrf, cookie):
        raise FormRefused
    address = client_of(request)
    if not await console.attempts.begin(name, address):
        logger.warning("sign-in refused; too many attempts", extra={"operator": name[:64], "client": address})
        return _form(request, next_page, name=name, problem="Too many attempts. Try again in 15 minutes.", status=429)
    operator = await console.operators.sign_in(name, password)
    if operator is None:
        logger.warning("sign-in failed", extra={"operator": name[:64], "client": address})
        return _form(request, next_page, name=name, problem="Name or password is not right.", status=401)
    await console.attempts.succeeded(name, address)
    return await _start(request, next_page, operator.name)


@router.get("/sign-in/openid")
async def go_to_provider(request: Request, next: str = "/") -> Response:  # noqa: A002 - the name in the address
    """Send the browser to the provider of OpenID Connect."""
    console = console_of(request)
    if console.openid is None:
        return RedirectResponse("/sign-in", SEE_OTHER)
    try:
        url, state = await console.openid.begin(console.redis, security.local_path(next))
    except OpenIDError as error:
        return _form(request, security.local_path(next), problem=str(error), status=502)
    response = RedirectResponse(url, SEE_OTHER)
    _set_cookie(response, console, _state_cookie(console), state, seconds=600)
    return response


@router.get(CALLBACK)
async def come_from_provider(request: Request) -> Response:
    """Sign in a person that the provider has signed in."""
    console = console_of(request)
    if console.openid is None:
        return RedirectResponse("/sign-in", SEE_OTHER)
    state = request.cookies.get(_state_cookie(console), "")
    try:
        identity, next_page = await console.openid.finish(console.redis, request.query_params, state)
    except OpenIDError as error:
        logger.warning("sign-in failed", extra={"problem": str(error)})
        return _form(request, "/", problem=str(error), status=401)
    if console.openid.operator(identity.name, identity.claims) is None:
        logger.warning("sign-in refused; no role", extra={"operator": identity.name})
        problem = f"{identity.name} has no role here. SWITCHBOARD_CONSOLE_OPENID_ROLES gives roles."
        return _form(request, "/", problem=problem, status=403)
    response = await _start(request, next_page, identity.name, identity.claims)
    response.delete_cookie(_state_cookie(console), secure=console.own.secure, httponly=True, samesite="lax")
    return response


@router.post("/sign-out")
async def sign_out(request: Request, visitor: Annotated[Visit, Depends(visit())]) -> Response:
    """End the session."""
    console = visitor.console
    await console.sessions.end(request.cookies.get(console.cookie, ""))
    visitor.note(request, Action.SIGNED_OUT)
    response = RedirectResponse("/sign-in", SEE_OTHER)
    response.delete_cookie(console.cookie, secure=console.own.secure, httponly=True, samesite="lax")
    return response


async def _start(request: Request, next_page: str, name: str, claims: tuple[str, ...] | None = None) -> Response:
    console = console_of(request)
    token = await console.sessions.start(name, claims)
    with_what = "with a password" if claims is None else "by OpenID Connect"
    console.audit.note(Entry(name, Action.SIGNED_IN, detail=with_what, client=client_of(request)))
    response = RedirectResponse(next_page, SEE_OTHER)
    _set_cookie(response, console, console.cookie, token, seconds=console.sessions.seconds)
    return response


def _form(request: Request, next_page: str, *, name: str = "", problem: str = "", status: int = 200) -> Response:
    console = console_of(request)
    # There is no session yet, so the token of this form is in a cookie of its own.
    csrf = request.cookies.get(_form_cookie(console)) or secrets.token_urlsafe(32)
    response = console.templates.page(
        request,
        "sign_in/page.html",
        None,
        csrf,
        status=status,
        name=name,
        problem=problem,
        next_page=next_page,
        passwords=bool(console.operators),
        openid=console.openid.host if console.openid else "",
    )
    _set_cookie(response, console, _form_cookie(console), csrf, seconds=3600)
    return response


def _set_cookie(response: Response, console: Console, name: str, value: str, *, seconds: int) -> None:
    # Lax and not strict: the provider's redirect, and links to calls in a chat or in an alert, come from elsewhere.
    response.set_cookie(
        name, value, max_age=seconds, path="/", secure=console.own.secure, httponly=True, samesite="lax"
    )


def _form_cookie(console: Console) -> str:
    return f"{console.cookie}-form"


def _state_cookie(console: Console) -> str:
    return f"{console.cookie}-openid"
