"""One noun per file; importing this package registers every table."""

from db.models.access_token import AccessTokenRow
from db.models.action_log import ActionLog
from db.models.binding_code import BindingCode
from db.models.callback_check import CallbackCheck
from db.models.campaign import Campaign
from db.models.card import CardRow
from db.models.card_press import CardPress
from db.models.conversation import Conversation, Message
from db.models.coupon import Coupon, MemberCoupon
from db.models.daily_sales import DailySales
from db.models.feedback import Feedback
from db.models.inbox import Inbox
from db.models.kb_document import KbDocument
from db.models.lease import Lease
from db.models.media import Media
from db.models.member import Member
from db.models.order import Order, OrderItem
from db.models.outbox import Outbox
from db.models.product import Product
from db.models.schedule import Schedule
from db.models.staff import Staff, StaffIdentity, StaffStore
from db.models.store import Store
from db.models.stream import Stream
from db.models.task import Task
from db.models.tenant import Tenant
from db.models.usage import Usage

__all__ = [
    "AccessTokenRow",
    "ActionLog",
    "BindingCode",
    "CallbackCheck",
    "Campaign",
    "CardPress",
    "CardRow",
    "Conversation",
    "Coupon",
    "DailySales",
    "Feedback",
    "Inbox",
    "KbDocument",
    "Lease",
    "Media",
    "Member",
    "MemberCoupon",
    "Message",
    "Order",
    "OrderItem",
    "Outbox",
    "Product",
    "Schedule",
    "Staff",
    "StaffIdentity",
    "StaffStore",
    "Store",
    "Stream",
    "Task",
    "Tenant",
    "Usage",
]
