"""The API that Genesys publishes, as far as recordings to S3 go: what a live org answers.

How a change flows: a route in `integrations` or `policies` checks the body and writes the `org` → the org
keeps an audit entry of it → `event_feed` sends the entry along every active EventBridge integration.
"""

from starlette.routing import Route

from opslib.sandbox.server.guard import Guard
from opslib.sandbox.server.oauth import Clients
from opslib.sandbox.server.platform.about import about_routes
from opslib.sandbox.server.platform.audits import audit_routes
from opslib.sandbox.server.platform.integrations import integration_routes
from opslib.sandbox.server.platform.org import Org
from opslib.sandbox.server.platform.policies import policy_routes

__all__ = ["Org", "platform_routes"]


def platform_routes(org: Org, clients: Clients, guard: Guard) -> list[Route]:
    return [
        *about_routes(org.world, clients, guard),
        *integration_routes(org, guard),
        *policy_routes(org, guard),
        *audit_routes(org, guard),
    ]
