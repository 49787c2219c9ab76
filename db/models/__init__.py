"""One noun per file; importing this package registers every table."""

from db.models.action_log import ActionLog
from db.models.campaign import Campaign
from db.models.card import CardRow
from db.models.conversation import Conversation, Message
from db.models.coupon import Coupon, MemberCoupon
from db.models.daily_sales import DailySales
from db.models.feedback import Feedback
from db.models.inbox import Inbox
from db.models.kb_document import KbDocument
from db.models.member import Member
from db.models.order import Order, OrderItem
from db.models.outbox import Outbox
from db.models.product import Product
from db.models.schedule import Schedule
from db.models.staff import Staff, StaffIdentity, StaffStore
from db.models.store import Store
from db.models.task import Task
from db.models.tenant import Tenant

__all__ = [
    "ActionLog",
    "Campaign",
    "CardRow",
    "Conversation",
    "Coupon",
    "DailySales",
    "Feedback",
    "Inbox",
    "KbDocument",
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
    "Task",
    "Tenant",
]
