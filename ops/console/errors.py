"""Errors of a request to the console, each with the status and the sentence that its page shows."""

from __future__ import annotations

from ops.console.sign_in.operators import Role


class ConsoleError(Exception):
    """An error that the operator reads."""

    status = 400
    heading = "That did not work"


class SignInRequired(ConsoleError):
    """Nobody is signed in."""

    status = 401
    heading = "Sign in"


class RoleMissing(ConsoleError):
    """The operator has not the role that the page needs."""

    status = 403
    heading = "Not with your roles"

    def __init__(self, role: Role) -> None:
        super().__init__(f"This needs the role {role}. SWITCHBOARD_CONSOLE_OPERATORS, or the sign-in, gives roles.")


class FormRefused(ConsoleError):
    """A form that no page of the session has sent."""

    status = 403
    heading = "The form was refused"

    def __init__(self) -> None:
        super().__init__("It does not come from a page of your session. Open the page again and repeat it there.")


class NotFound(ConsoleError):
    """The thing that a page is about is not there, or not any more."""

    status = 404
    heading = "Not found"


class ActionFailed(ConsoleError):
    """An action that could not be carried out."""

    status = 409
