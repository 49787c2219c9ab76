"""The demo chain: ten shops, their people and 90 days of orders with a story planted in the last week.

story.py says how many orders each day gets and what goes wrong in the last week, people.py and goods.py who buys
and what, orders.py joins them, coupons.py what they redeem, figures.py reads back what can be checked.
"""

from db.seed.demo_chain import DEFAULT_ORDERS, seed
from db.seed.errors import BadSeedRequest, SeedError, TenantExists
from db.seed.figures import CheckFigures, check_figures
from db.seed.size import check_request

__all__ = [
    "DEFAULT_ORDERS",
    "BadSeedRequest",
    "CheckFigures",
    "SeedError",
    "TenantExists",
    "check_figures",
    "check_request",
    "seed",
]
