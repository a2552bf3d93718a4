"""The API that Genesys publishes, as far as recordings to S3 go: what a live org answers.

How a change flows: a route in `integration_routes` or `policy_routes` checks the body and writes the `org` → the org
keeps an entry of it in its `audit_log` → `event_feed` sends the entry along every active EventBridge integration.
`audit_routes` answers queries of the log, `org_routes` what a token asks about itself and its org.
"""

from starlette.routing import Route

from opslib.sandbox.server.guard import Guard
from opslib.sandbox.server.oauth import Clients
from opslib.sandbox.server.platform import audit_routes, integration_routes, org_routes, policy_routes
from opslib.sandbox.server.platform.org import Org

__all__ = ["Org", "platform_routes"]


def platform_routes(org: Org, clients: Clients, guard: Guard) -> list[Route]:
    return [
        *org_routes.routes(org.world, clients, guard),
        *integration_routes.routes(org, guard),
        *policy_routes.routes(org, guard),
        *audit_routes.routes(org, guard),
    ]
