"""Session persistence: requests of one session reach the same endpoint."""

from typing import Annotated, Literal

from msgspec import Meta

from mirrorplane.api.meta import Wire

Lifetime = Literal["Session", "Permanent"]


class CookieConfig(Wire, frozen=True):
    """The cookie that identifies a session; a `Permanent` one outlives the browser session."""

    name: Annotated[str, Meta(max_length=128)] = ""
    path: Annotated[str, Meta(max_length=1024)] = "/"
    lifetime_type: Lifetime = "Session"


class HeaderConfig(Wire, frozen=True):
    """The header that identifies a session."""

    name: Annotated[str, Meta(max_length=256)] = ""


class SessionPersistence(Wire, frozen=True):
    """How requests of a session reach the endpoint of its first one.

    `sessionName` and `cookieConfig` are earlier spellings of `cookie` and `header`.
    """

    type: Literal["Cookie", "Header"] = "Cookie"
    absolute_timeout: str = ""
    idle_timeout: str = ""
    cookie: CookieConfig | None = None
    header: HeaderConfig | None = None
    session_name: Annotated[str, Meta(max_length=128)] = ""
    cookie_config: CookieConfig | None = None

    @property
    def cookie_settings(self) -> CookieConfig:
        """The cookie's settings, under either spelling; the defaults without any."""
        return self.cookie or self.cookie_config or CookieConfig()
