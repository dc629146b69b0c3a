"""Settings become what talks to vendors; without credentials for messages, models, a CRM nobody is there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from perfectcatch.kit.clock import Clock, SystemClock
from perfectcatch.settings import Settings, require
from perfectcatch.store.budget import PostgresBudget
from perfectcatch.store.pool import Pool
from perfectcatch.store.shared_token import SharedToken
from perfectcatch.vendors.servicetitan.auth import Credentials
from perfectcatch.vendors.servicetitan.client import Client, open_client
from perfectcatch.vendors.servicetitan.transport import rates

if TYPE_CHECKING:
    from perfectcatch.deals.desk import Deals
    from perfectcatch.kit.http import Http
    from perfectcatch.messaging.desk import Desk
    from perfectcatch.messaging.post import PostRoom
    from perfectcatch.model.crm import CrmAccount
    from perfectcatch.model.roles import Caller, Thinker
    from perfectcatch.model.webhook import WebhookSource
    from perfectcatch.store.jobs.queue import Jobs
    from perfectcatch.vendors.gohighlevel.oauth import AppTokens
    from perfectcatch.workflows.thinking import InTurn


CREDENTIALS = (
    "SERVICE_TITAN_CLIENT_ID",
    "SERVICE_TITAN_CLIENT_SECRET",
    "SERVICE_TITAN_TENANT_ID",
    "SERVICE_TITAN_APP_KEY",
)


@asynccontextmanager
async def open_source(
    settings: Settings, pool: Pool, clock: Clock, *, lane: str | None = None
) -> AsyncIterator[Client]:
    """ServiceTitan's client, within the rate that all processes share; ``lane``: within a part of it."""
    require(settings, *CREDENTIALS)
    assert settings.service_titan_client_id is not None
    assert settings.service_titan_client_secret is not None
    assert settings.service_titan_app_key is not None
    assert settings.service_titan_tenant_id is not None
    credentials = Credentials(
        client_id=settings.service_titan_client_id.get_secret_value(),
        client_secret=settings.service_titan_client_secret.get_secret_value(),
        app_key=settings.service_titan_app_key.get_secret_value(),
        tenant_id=settings.service_titan_tenant_id,
    )
    shelf = SharedToken(
        pool,
        clock,
        credentials.tenant_id,
        "servicetitan",
        url=settings.service_titan_auth_url,
        client_id=credentials.client_id,
        secret=credentials.client_secret,
    )
    async with open_client(
        credentials=credentials,
        api_url=settings.service_titan_api_url,
        auth_url=settings.service_titan_auth_url,
        budget=PostgresBudget(pool, rates(settings.service_titan_rate_limit), clock),
        clock=clock,
        lane=lane,
        application=settings.service_titan_application_guid,
        shelf=shelf,
    ) as client:
        yield client


@asynccontextmanager
async def open_desk(settings: Settings, pool: Pool, clock: Clock | None = None) -> "AsyncIterator[Desk]":
    """What messages to people are sent with; a channel without credentials has no vendor."""
    from perfectcatch.kit.http import Http  # here, because telephone numbers take long to import
    from perfectcatch.messaging.desk import Company, Desk
    from perfectcatch.vendors.sendgrid.client import SendGrid
    from perfectcatch.vendors.twilio.client import Account, Twilio

    require(settings, "SERVICE_TITAN_TENANT_ID")
    assert settings.service_titan_tenant_id is not None
    clock, public = clock or SystemClock(), settings.public_base_url
    company = Company(
        name=settings.company_name or "",
        postal_address=settings.company_postal_address or "",
        phone=settings.company_phone or settings.twilio_phone_number or "",
        public_url=public or "",
        secret=_shown(settings.secret_key),
    )
    desk = Desk(pool=pool, tenant_id=settings.service_titan_tenant_id, clock=clock, company=company)
    async with Http() as http:
        sender = settings.twilio_messaging_service_sid or settings.twilio_phone_number
        if settings.twilio_account_sid and (token := _shown(settings.twilio_auth_token)) and sender:
            account = Account(sid=settings.twilio_account_sid, token=token, sender=sender)
            callback = f"{public}/webhooks/twilio/status" if public else None
            messenger = Twilio(
                http=http, account=account, api_url=settings.twilio_api_url, clock=clock, callback=callback
            )
            desk = replace(desk, messenger=messenger)
        if (key := _shown(settings.sendgrid_api_key)) and (address := settings.sendgrid_from_email):
            url, name = settings.sendgrid_api_url, company.name
            mailer = SendGrid(http=http, key=key, sender=address, name=name, api_url=url, clock=clock)
            desk = replace(desk, mailer=mailer)
        yield desk


def post_room_of(settings: Settings, desk: "Desk") -> "PostRoom":
    """Who takes what the vendors of messages tell."""
    from perfectcatch.messaging.post import PostRoom
    from perfectcatch.vendors.sendgrid.webhooks import Events
    from perfectcatch.vendors.twilio.webhooks import Statuses, Texts

    token, public = _shown(settings.twilio_auth_token), settings.public_base_url
    sources = (
        Texts(token=token, public_url=public),
        Statuses(token=token, public_url=public),
        Events(public_key=settings.sendgrid_webhook_public_key),
    )
    poll = settings.message_poll_interval_ms / 1000
    return PostRoom(desk, {each.name: each for each in sources}, poll_seconds=poll)


@asynccontextmanager
async def at_work(post: "PostRoom") -> AsyncIterator[None]:
    """Let the post room work meanwhile."""
    task = asyncio.create_task(post.run(), name="messages")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def open_models(settings: Settings, clock: Clock) -> "AsyncIterator[InTurn | None]":
    """The models that are asked, one where the other is away; None without any key: rules decide alone."""
    from perfectcatch.kit.http import Http
    from perfectcatch.vendors.anthropic.client import Anthropic
    from perfectcatch.vendors.openai.client import OpenAI
    from perfectcatch.workflows.thinking import InTurn

    thinkers: list[Thinker] = []
    async with Http() as http:
        if key := _shown(settings.anthropic_api_key):
            model, url = settings.anthropic_model, settings.anthropic_base_url
            thinkers.append(Anthropic(http=http, key=key, model=model, base_url=url, clock=clock))
        if key := _shown(settings.openai_api_key):
            model, url = settings.openai_model, settings.openai_base_url
            thinkers.append(OpenAI(http=http, key=key, model=model, base_url=url, clock=clock))
        yield InTurn(thinkers, clock) if thinkers else None


@asynccontextmanager
async def open_roles(settings: Settings, clock: Clock) -> "AsyncIterator[dict[str, Any]]":
    """What workflows ask models and call hosts with, and what a day of questions may cost."""
    from perfectcatch.workflows.thinking import Limits

    async with open_models(settings, clock) as models, open_caller(settings) as caller:
        limits = Limits(dollars=settings.ai_daily_budget, calls=settings.ai_daily_calls)
        yield {"models": models, "caller": caller, "ai_limits": limits}


@asynccontextmanager
async def open_caller(settings: Settings) -> "AsyncIterator[Caller | None]":
    """Who calls the hosts that the company has allowed; None where there are none."""
    from perfectcatch.kit.http import Http
    from perfectcatch.workflows.calling import AllowedHosts

    hosts = [each for each in settings.workflow_allowed_hosts.split(",") if each.strip()]
    async with Http(public_only=True) as http:
        yield AllowedHosts(http, hosts) if hosts else None


@asynccontextmanager
async def open_crm(
    settings: Settings, pool: Pool, clock: Clock | None = None, *, interactive: bool = False
) -> "AsyncIterator[CrmAccount | None]":
    """The CRM; None without GHL_LOCATION_ID and a token. ``interactive``: a person waits for each call."""
    from perfectcatch.kit.http import Http
    from perfectcatch.vendors.gohighlevel.client import GoHighLevel
    from perfectcatch.vendors.gohighlevel.transport import Access, PrivateToken, Transport, rates
    from perfectcatch.vendors.gohighlevel.versions import VERSIONS

    clock, location, key = clock or SystemClock(), settings.ghl_location_id, _shown(settings.ghl_api_key)
    version = VERSIONS[settings.ghl_api_version]
    async with Http() as http:
        access: Access | None = PrivateToken(key) if key else crm_app_of(settings, pool, http, clock)
        if not location or access is None:
            yield None
            return
        transport = Transport(
            http=http,
            access=access,
            location_id=location,
            api_url=settings.ghl_api_url,
            version=version,
            budget=PostgresBudget(pool, rates(), clock),
            clock=clock,
            interactive=interactive,
        )
        yield GoHighLevel(transport, location_id=location, version=version)


def crm_app_of(settings: Settings, pool: Pool, http: "Http", clock: Clock) -> "AppTokens | None":
    """Our app at the CRM, with its tokens in the database; None where a private token or nothing is set."""
    from perfectcatch.store.tokens import SealedTokens
    from perfectcatch.vendors.gohighlevel.oauth import App, AppTokens
    from perfectcatch.vendors.gohighlevel.versions import VERSIONS

    client_id, secret = settings.ghl_client_id, _shown(settings.ghl_client_secret)
    location = settings.ghl_location_id
    if _shown(settings.ghl_api_key) or not client_id or not secret or not location:
        return None
    require(settings, "SECRET_KEY", "SERVICE_TITAN_TENANT_ID")
    assert settings.service_titan_tenant_id is not None
    sealed = _shown(settings.secret_key)
    return AppTokens(
        http=http,
        vault=SealedTokens(pool, settings.service_titan_tenant_id, "ghl", location, secret=sealed),
        app=App(client_id=client_id, client_secret=secret),
        location_id=location,
        api_url=settings.ghl_api_url,
        version=VERSIONS[settings.ghl_api_version],
        clock=clock,
    )


def crm_webhooks_of(settings: Settings) -> "WebhookSource":
    """What the CRM tells by itself; without GHL_WEBHOOK_PUBLIC_KEY nothing is believed."""
    from perfectcatch.vendors.gohighlevel.webhooks import Happenings

    return Happenings(public_key=settings.ghl_webhook_public_key, location_id=settings.ghl_location_id)


@asynccontextmanager
async def open_deals(
    settings: Settings, pool: Pool, clock: Clock | None = None, *, asks: "Jobs | None" = None
) -> "AsyncIterator[Deals | None]":
    """What deals are written with; None where no CRM is connected.

    ``asks``: the queue of a process that answers people and has rounds done by workers.
    """
    from perfectcatch.deals import schedule
    from perfectcatch.deals.desk import Deals
    from perfectcatch.deals.rules import read
    from perfectcatch.model.deals import Part
    from perfectcatch.vendors.servicetitan.entities import BY_NAME

    require(settings, "SERVICE_TITAN_TENANT_ID")
    assert settings.service_titan_tenant_id is not None
    switches = {
        Part.CUSTOMERS: settings.ghl_auto_sync_customers,
        Part.JOBS: settings.ghl_auto_sync_jobs,
        Part.ESTIMATES: settings.ghl_auto_sync_estimates,
    }
    clock = clock or SystemClock()
    if asks is not None:
        schedule.declare(asks)
    async with open_crm(settings, pool, clock, interactive=asks is not None) as crm:
        if crm is None:
            yield None
            return
        yield Deals(
            pool=pool,
            tenant_id=settings.service_titan_tenant_id,
            clock=clock,
            entities=BY_NAME,
            crm=crm,
            rules=read(settings.ghl_rules_file),
            parts=frozenset(part for part, on in switches.items() if on),
            enabled=settings.ghl_sync_enabled,
            location_id=settings.ghl_location_id or "",
        )


def _shown(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
