"""The settings, a field each."""

import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AliasChoices, AliasGenerator, AwareDatetime, Field, PositiveInt, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from perfectcatch.settings.kinds import (
    ADDRESS,
    AI,
    CONSOLE,
    CRM,
    EMAIL,
    PORTAL,
    SERVICE,
    STORAGE,
    TEXTS,
    VENDOR,
    DatabaseAddress,
    Schedule,
    TimeZone,
    WebAddress,
    Word,
    schedule_setting,
    setting,
)

_GUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_OLD_PREFIX, _PREFIX = "SERVICETITAN_", "SERVICE_TITAN_"
_FURTHER_OLD_NAMES = {
    "DATABASE_URL": ("SERVICETITAN_DATABASE_URL",),
    "SERVICE_TITAN_APP_KEY": ("SERVICETITAN_API_KEY",),
}


def old_names(name: str) -> tuple[str, ...]:
    """Former spellings of the setting ``name``, which are still understood."""
    prefixed = (_OLD_PREFIX + name.removeprefix(_PREFIX),) if name.startswith(_PREFIX) else ()
    return prefixed + _FURTHER_OLD_NAMES.get(name, ())


def _spellings(field: str) -> AliasChoices:
    return AliasChoices(field.upper(), *old_names(field.upper()))


class Settings(BaseSettings):
    """What a person can set, from explicit values; ``load_settings`` takes them from the environment."""

    model_config = SettingsConfigDict(
        alias_generator=AliasGenerator(validation_alias=_spellings),
        populate_by_name=True,
        frozen=True,
        extra="forbid",
        env_ignore_empty=True,
        dotenv_filtering="only_existing",
        str_strip_whitespace=True,
        hide_input_in_errors=True,
    )

    database_url: DatabaseAddress | None = setting(
        STORAGE,
        None,
        "The PostgreSQL database, version 15 or newer.",
        give="an address such as `postgresql://user:password@host:5432/database`",
        shown="embedded PostgreSQL in the data directory",
    )
    database_max_connections: Annotated[int, Field(ge=5, le=1000)] = setting(
        STORAGE, 20, "How many connections one process may open.", give="a whole number from 5 to 1000"
    )
    database_app_role: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")] = setting(
        STORAGE,
        "perfectcatch_app",
        "The role, made by a migration, as which all else works: it cannot change tables; `none`: the login.",
        give="the name of a role in small letters, or `none`",
    )
    redis_url: SecretStr | None = setting(
        STORAGE,
        None,
        "Taken and not needed: what servers share lies in PostgreSQL.",
        give="an address, or leave it out",
    )
    perfectcatch_data_dir: Path = setting(
        STORAGE,
        Path(".perfectcatch"),
        "The directory of the embedded database and of what else stays on this machine.",
        give="the path of a directory",
    )

    service_titan_client_id: SecretStr | None = setting(
        VENDOR, None, "The client id of your app for this tenant and environment.", give=PORTAL
    )
    service_titan_client_secret: SecretStr | None = setting(
        VENDOR, None, "The client secret that belongs to the client id.", give=PORTAL
    )
    service_titan_tenant_id: PositiveInt | None = setting(
        VENDOR, None, "The number of your company at ServiceTitan.", give="a whole number above 0"
    )
    service_titan_app_key: SecretStr | None = setting(
        VENDOR, None, "The key of your app, the same for all its tenants.", give=PORTAL
    )
    service_titan_application_guid: Annotated[str, Field(pattern=_GUID)] | None = setting(
        VENDOR,
        None,
        "The GUID of your app: records made with an Idempotency-Key then carry it, and are found by it.",
        give="a GUID such as 01234567-89ab-cdef-0123-456789abcdef",
    )
    service_titan_api_url: WebAddress = setting(
        VENDOR,
        "https://api.servicetitan.io",
        "Where the API answers; the vendor's test environment and a local sandbox have other addresses.",
        give=ADDRESS,
    )
    service_titan_auth_url: WebAddress = setting(
        VENDOR,
        "https://auth.servicetitan.io/connect/token",
        "Where an access token is asked for.",
        give=ADDRESS,
    )
    service_titan_rate_limit: Annotated[float, Field(gt=0, allow_inf_nan=False)] = setting(
        VENDOR,
        50.0,
        "How many requests a second we allow ourselves; the vendor allows 60 for an app and a tenant.",
        give="a number above 0",
    )
    service_titan_webhook_secret: SecretStr | None = setting(
        VENDOR,
        None,
        "The key with which ServiceTitan signs its webhooks; without it none is accepted.",
        give="the 32 to 64 characters that the developer portal shows",
    )
    service_titan_webhook_old_secret: SecretStr | None = setting(
        VENDOR,
        None,
        "The key before it, accepted until SERVICE_TITAN_WEBHOOK_OLD_SECRET_UNTIL.",
        give="the 32 to 64 characters that were set before",
    )
    service_titan_webhook_old_secret_until: AwareDatetime | None = setting(
        VENDOR,
        None,
        "Until when the old key is accepted beside the new one.",
        give="a moment with its offset, such as 2026-12-01T00:00:00Z",
    )
    service_titan_webhook_header: str = setting(
        VENDOR,
        "x-servicetitan-signature",
        "The header that holds the signature of a webhook, in hexadecimal or Base64.",
        give="the name of a header",
    )
    service_titan_timezone: TimeZone = setting(
        VENDOR,
        "America/New_York",
        "The company's time zone, in which a due date ends; the vendor's answers do not tell it.",
        give="a name of the time zone database, such as America/Chicago",
    )

    twilio_account_sid: Annotated[str, Field(pattern=r"^AC[0-9A-Za-z]+$")] | None = setting(
        TEXTS, None, "The account that sends texts; without it none are sent.", give="AC and 32 characters"
    )
    twilio_auth_token: SecretStr | None = setting(
        TEXTS,
        None,
        "The auth token of the account: it opens the API, and the vendor signs its webhooks with it.",
        give=CONSOLE,
    )
    twilio_phone_number: Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")] | None = setting(
        TEXTS,
        None,
        "The number that texts come from, unless TWILIO_MESSAGING_SERVICE_SID is set.",
        give="a number such as +13035550100",
    )
    twilio_messaging_service_sid: Annotated[str, Field(pattern=r"^MG[0-9A-Za-z]+$")] | None = setting(
        TEXTS, None, "The messaging service that chooses the number.", give="MG and 32 characters"
    )
    twilio_api_url: WebAddress = setting(
        TEXTS, "https://api.twilio.com", "Where the API answers.", give=ADDRESS
    )
    sendgrid_api_key: SecretStr | None = setting(
        EMAIL, None, "The key that sends email; without it none is sent.", give=CONSOLE
    )
    sendgrid_from_email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")] | None = setting(
        EMAIL, None, "The verified address that email comes from.", give="an email address"
    )
    sendgrid_webhook_public_key: str | None = setting(
        EMAIL,
        None,
        "The public key of the signed event webhook; without it none is accepted.",
        give="the Base64 text that the vendor's mail settings show",
    )
    sendgrid_api_url: WebAddress = setting(
        EMAIL,
        "https://api.sendgrid.com",
        "Where the API answers; https://api.eu.sendgrid.com for accounts in the EU.",
        give=ADDRESS,
    )

    ghl_api_key: SecretStr | None = setting(
        CRM,
        None,
        "The token of a private integration of the location; without it the app's own tokens are used.",
        give="the text that begins with pit-",
    )
    ghl_location_id: str | None = setting(
        CRM, None, "The location (sub-account) whose deals these are.", give="the id of the location"
    )
    ghl_api_url: WebAddress = setting(
        CRM, "https://services.leadconnectorhq.com", "Where the API answers.", give=ADDRESS
    )
    ghl_api_version: Literal["2021-07-28", "v3"] = setting(
        CRM, "2021-07-28", "The version of the API that is spoken.", give="2021-07-28 or v3"
    )
    ghl_client_id: str | None = setting(
        CRM, None, "The id of your app, where no private integration is used.", give=CONSOLE
    )
    ghl_client_secret: SecretStr | None = setting(
        CRM, None, "The secret that belongs to the app.", give=CONSOLE
    )
    ghl_webhook_public_key: str | None = setting(
        CRM,
        None,
        "The public key with which webhooks are verified; without it none is accepted.",
        give="the Base64 text that the app's settings show",
    )

    ghl_sync_enabled: bool = setting(
        CRM,
        False,
        "Whether anything is written to the CRM; without it one can only look.",
        give="true or false",
    )
    ghl_auto_sync_customers: bool = setting(
        CRM, True, "Whether customers become contacts, and new ones leads.", give="true or false"
    )
    ghl_auto_sync_jobs: bool = setting(
        CRM, True, "Whether jobs, visits and installations move deals.", give="true or false"
    )
    ghl_auto_sync_estimates: bool = setting(
        CRM, True, "Whether estimates move deals and make their value.", give="true or false"
    )
    ghl_rules_file: Path | None = setting(
        CRM,
        None,
        "A YAML file of the company's own rules: names of stages, what a deal is worth, tags.",
        give="the path of a file",
    )

    anthropic_api_key: SecretStr | None = setting(
        AI, None, "The key of the AI model; without any key workflows decide by rules only.", give=CONSOLE
    )
    anthropic_base_url: WebAddress = setting(
        AI, "https://api.anthropic.com", "Where its API answers.", give=ADDRESS
    )
    anthropic_model: str = setting(
        AI, "claude-sonnet-5-5", "The model that is asked.", give="the name of a model"
    )
    ai_daily_budget: Annotated[Decimal, Field(ge=0, allow_inf_nan=False)] = setting(
        AI, Decimal(5), "Dollars that questions to AI models may cost on a day.", give="a number from 0"
    )
    ai_daily_calls: Annotated[int, Field(ge=0)] = setting(
        AI, 500, "How many questions AI models are asked on a day at most.", give="a whole number from 0"
    )
    openai_api_key: SecretStr | None = setting(
        AI, None, "The second provider's key, asked where the first cannot be.", give=CONSOLE
    )
    openai_base_url: WebAddress = setting(
        AI, "https://api.openai.com/v1", "Where the second provider's API answers.", give=ADDRESS
    )
    openai_model: str = setting(
        AI, "gpt-5-mini", "The model of the second provider.", give="the name of a model"
    )

    sync_incremental_cron: Schedule = schedule_setting("*/5 * * * *", "When changes are read.")
    sync_full_cron: Schedule = schedule_setting("0 2 * * *", "When everything is read and compared.")
    contacts_incremental_cron: Schedule = schedule_setting("0 */4 * * *", "When changed contacts are read.")
    contacts_full_cron: Schedule = schedule_setting("0 3 * * *", "When all contacts are read.")
    sync_scheduling_cron: Schedule = schedule_setting("0 3 * * *", "When shifts and zones are read.")
    sync_pricebook_cron: Schedule = schedule_setting("0 4 * * *", "When the price book is read.")
    sync_gaps_cron: Schedule = schedule_setting("30 4 * * *", "When the mirror is proven and repaired.")
    ghl_sync_cron: Schedule = schedule_setting(
        "*/5 * * * *", "When deals are looked through and the CRM is asked for changes."
    )
    clock_rules_cron: Schedule = schedule_setting(
        "*/5 * * * *", "When events that time causes are looked for, such as an invoice that becomes overdue."
    )

    port: Annotated[int, Field(ge=0, le=65535)] = setting(
        SERVICE, 3001, "The port of the API server; 0 takes a free one.", give="a whole number up to 65535"
    )
    listen_host: str = setting(
        SERVICE,
        "127.0.0.1",
        "The address that the API server listens on; 0.0.0.0 lets other machines in.",
        give="an address of this machine",
    )
    public_base_url: WebAddress | None = setting(
        SERVICE,
        None,
        "The address under which vendors reach the API server; their signatures are checked against it.",
        give=ADDRESS,
    )
    secret_key: SecretStr | None = setting(
        SERVICE,
        None,
        "Encrypts what is stored of other people's access; needed in production.",
        give="at least 32 random characters",
    )
    company_name: str | None = setting(
        SERVICE, None, "The company as its customers know it; messages are signed with it.", give="a name"
    )
    company_postal_address: str | None = setting(
        SERVICE,
        None,
        "Where the company gets its mail; marketing by email is not sent without it.",
        give="an address in one line",
    )
    company_phone: str | None = setting(
        SERVICE, None, "The number that customers call; the answer to HELP tells it.", give="a number"
    )
    message_poll_interval_ms: Annotated[int, Field(ge=100)] = setting(
        SERVICE,
        30000,
        "How often vendors are asked for unknown outcomes and for messages that no webhook brought, in "
        "milliseconds.",
        give="a whole number from 100",
    )
    api_rate_limit: Annotated[float, Field(ge=0, allow_inf_nan=False)] = setting(
        SERVICE,
        100.0,
        "How many requests a second an API key may make that does not say otherwise; 0 for no limit.",
        give="a number, 0 or more",
    )
    event_poll_interval_ms: Annotated[int, Field(ge=100)] = setting(
        SERVICE,
        30000,
        "How often events are looked for when no word of them came, in milliseconds: only the fallback.",
        give="a whole number from 100",
    )
    workflow_allowed_hosts: str = setting(
        SERVICE,
        "",
        "Hosts that HTTP steps of workflows may call, with commas between; none without. A host alone"
        " means the usual port; an address of a private network has to stand there as it is.",
        give="host names with commas between, such as api.example.com,10.0.0.5:8080",
    )
    environment: Annotated[Literal["development", "production"], Word] = setting(
        SERVICE, "development", "What this installation is for.", give="development or production"
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Word] = setting(
        SERVICE, "info", "How much is logged.", give="debug, info, warning or error"
    )
    log_format: Annotated[Literal["console", "json"] | None, Word] = setting(
        SERVICE,
        None,
        "How a log line looks: for a person, or one JSON object a line.",
        give="console or json",
        shown="console in development, json in production",
    )
    heartbeat_file: Path = setting(
        SERVICE,
        Path(tempfile.gettempdir()) / "worker-heartbeat",
        "The file that a worker touches while it is alive, for a container's health check.",
        give="the path of a file",
        shown="worker-heartbeat in the temporary directory",
    )

    @property
    def log_style(self) -> Literal["console", "json"]:
        """``log_format``, or what suits the environment."""
        return self.log_format or ("json" if self.environment == "production" else "console")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that must never be shown: every secret value, and of an address its password."""
        values = [value.get_secret_value() for _, value in self if isinstance(value, SecretStr)]
        if self.database_url is not None:
            address = self.database_url.get_secret_value()
            values.remove(address)
            password = urlsplit(address).password or ""
            values += [password, unquote(password)]
        return tuple(filter(None, values))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take explicit values only, so that what a test builds does not depend on the machine."""
        _ = settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)
