"""Every handler, in the order in which they are asked: a new intent is a new file and one line here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from db.engine import Database
from handlers.birthday import BirthdayHandler
from handlers.crm_executor import CrmExecutor
from handlers.diagnose import DiagnoseHandler
from handlers.execute import ExecuteHandler
from handlers.faq import FaqHandler
from handlers.help import HelpHandler, WhoAmIHandler
from handlers.holiday import HolidayHandler
from handlers.intents import Handler
from handlers.media import MediaHandler
from handlers.plan import PlanAnswerHandler, PlanHandler
from handlers.report import ReportHandler
from handlers.router import Classifier, Router
from handlers.tasks import TasksHandler
from handlers.weather import WeatherHandler
from knowledge.drafts import Drafts
from knowledge.passages import KnowledgeBase
from knowledge.question_parser import QuestionParser
from knowledge.weather import WeatherSource


@dataclass(frozen=True, slots=True)
class HandlerParts:
    """What handlers are made of."""

    database: Database
    knowledge: KnowledgeBase
    parser: QuestionParser
    executor: CrmExecutor
    weather: WeatherSource
    drafts: Drafts
    classifier: Classifier | None = None
    # Handlers of an installation's own, asked before all others.
    own: Sequence[Handler] = ()


def build_router(parts: HandlerParts) -> Router:
    """Return the router over every handler, in the order in which they are asked."""
    database, knowledge = parts.database, parts.knowledge
    plan = PlanHandler(database, knowledge)
    handlers: list[Handler] = [
        *parts.own,
        WhoAmIHandler(database),
        ExecuteHandler(parts.executor),
        FaqHandler(knowledge),
        DiagnoseHandler(database, knowledge, parts.parser),
        plan,
        PlanAnswerHandler(plan),
        TasksHandler(database),
        BirthdayHandler(database, parts.drafts),
        HolidayHandler(parts.drafts),
        WeatherHandler(database, parts.weather, parts.drafts),
        ReportHandler(database, parts.parser),
        MediaHandler(database),
    ]
    router = Router(handlers, parts.classifier)
    handlers.append(HelpHandler(router.examples))
    return router
