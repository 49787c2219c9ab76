"""Card instances of the pretend DingTalk: created once, shown in rooms, changed for everybody, streamed, pressed.

An update without `updateCardDataByKey` empties what it does not name, and a card whose delivery failed exists all the
same, as with the real one.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.dingtalk_api import ApiRefusal, Json
from bot.sandbox.dingtalk_rooms import Room, Rooms

READY_TEMPLATE = "1366a1eb-bc54-4859-ac88-517c56a9acb1.schema"
STREAMING_TEMPLATE = "02fcf2f4-5e02-4a85-b672-46d1f715543e.schema"
SPACE_MODELS = {"IM_ROBOT": "imRobotOpenSpaceModel", "IM_GROUP": "imGroupOpenSpaceModel"}
DELIVER_MODELS = {"IM_ROBOT": "imRobotOpenDeliverModel", "IM_GROUP": "imGroupOpenDeliverModel"}
MAX_KEY_BYTES = 100
MAX_STREAMED_CHARS = 20_000
FLOW_WRITING, FLOW_DONE, FLOW_FAILED = "2", "3", "5"


@dataclass(frozen=True, slots=True)
class Route:
    """Where presses of cards that name this route are sent, and with which secret they are signed."""

    url: str
    secret: str


@dataclass(slots=True)
class Streamed:
    """How far a streaming card has come."""

    guids: set[str] = field(default_factory=set)
    finished: bool = False


class Cards:
    """Every card of one app; templates of one's own are added to `templates`, unpublished ones to `drafts`."""

    def __init__(self, robot_code: str, rooms: Rooms) -> None:
        self.templates = {READY_TEMPLATE, STREAMING_TEMPLATE}
        self.drafts: set[str] = set()
        self.routes: dict[str, Route] = {}
        self._robot_code = robot_code
        self._rooms = rooms
        self._cards: dict[str, Streamed] = {}

    def create_and_deliver(self, body: Json) -> Json:
        """Answer `createAndDeliver`; HTTP 200 with an unsuccessful delivery where the robot is not in the room."""
        out_track_id = self._new(body)
        params = _card_params(body)
        spaces = [self._space(body, space) for space in str(body.get("openSpaceId", "")).split(";")]
        self._cards[out_track_id] = Streamed()
        results = [self._show(body, out_track_id, params, kind, space) for kind, space in spaces]
        return {"success": True, "result": {"outTrackId": out_track_id, "deliverResults": results}}

    def create(self, body: Json) -> Json:
        """Answer the creation of a card that nobody is shown yet."""
        out_track_id = self._new(body)
        _card_params(body)
        self._cards[out_track_id] = Streamed()
        return {"success": True, "result": out_track_id}

    def update(self, body: Json) -> Json:
        """Answer the change of a card's variables."""
        out_track_id = self._known(body)
        params, options = _card_params(body), body.get("cardUpdateOptions")
        by_key = isinstance(options, dict) and options.get("updateCardDataByKey") is True
        self._change(out_track_id, params, keep=by_key)
        return {"success": True, "result": True}

    def stream(self, body: Json) -> Json:
        """Answer one step of a streaming card; the same `guid` again is the same step."""
        out_track_id, guid, content = self._known(body), body.get("guid"), body.get("content")
        if not isinstance(guid, str) or not guid or not isinstance(content, str) or body.get("isFull") is not True:
            raise ApiRefusal("param.stream.content", "a Markdown variable takes guid, content and isFull")
        if len(content) > MAX_STREAMED_CHARS:
            raise ApiRefusal("param.stream.content", "content is too large")
        card = self._cards.setdefault(out_track_id, Streamed())
        if guid not in card.guids:
            if card.finished:
                raise ApiRefusal("param.stream.finished", "the card is finished")
            card.guids.add(guid)
            card.finished = body.get("isFinalize") is True
            flow = FLOW_FAILED if body.get("isError") else FLOW_DONE if card.finished else FLOW_WRITING
            self._change(out_track_id, {str(body.get("key")): content, "flowStatus": flow}, keep=True)
        return {"success": True, "result": True}

    def register(self, body: Json) -> Json:
        """Answer the registration of an address for presses."""
        key, url, secret = (str(body.get(name) or "") for name in ("callbackRouteKey", "callbackUrl", "apiSecret"))
        if not key or not secret or not url.startswith(("http://", "https://")):
            raise ApiRefusal("param.callbackUrlInvalid")
        if key in self.routes and body.get("forceUpdate") is not True:
            raise ApiRefusal("param.callbackRouteKeyExist")
        self.routes[key] = Route(url, secret)
        return {"success": True, "result": {"callbackUrl": url, "apiSecret": secret}}

    def shown_on(self, user_id: str, out_track_id: str) -> Json:
        """Return the card on a phone; `LookupError` when it does not show it."""
        return self._rooms.copy(user_id, out_track_id).payload

    def answer_press(self, user_id: str, out_track_id: str, params: Json) -> None:
        """Show the variables a press was answered with to whoever pressed, and to nobody else."""
        copy = self._rooms.copy(user_id, out_track_id)
        self._rooms.change(copy, copy.payload | {"cardParamMap": copy.payload["cardParamMap"] | params})

    def _new(self, body: Json) -> str:
        """Return the id of a card that can be made: it is a new one, and its template is there and published."""
        out_track_id, template = str(body.get("outTrackId") or ""), body.get("cardTemplateId")
        if not out_track_id:
            raise ApiRefusal("param.outTrackIdEmpty")
        if template in self.drafts:
            raise ApiRefusal("param.templateUnpublished")
        if template not in self.templates:
            raise ApiRefusal("param.templateNotExist")
        if self._exists(out_track_id):
            raise ApiRefusal("param.cardAlreadyExist")
        return out_track_id

    def _exists(self, out_track_id: str) -> bool:
        return out_track_id in self._cards or bool(self._rooms.copies(out_track_id))

    def _known(self, body: Json) -> str:
        out_track_id = str(body.get("outTrackId") or "")
        if not self._exists(out_track_id):
            raise ApiRefusal("param.cardNotExist")
        return out_track_id

    def _change(self, out_track_id: str, params: Json, *, keep: bool) -> None:
        for copy in self._rooms.copies(out_track_id):
            kept = copy.payload["cardParamMap"] if keep else {}
            self._rooms.change(copy, copy.payload | {"cardParamMap": kept | params})

    def _space(self, body: Json, open_space_id: str) -> tuple[str, str]:
        """Return kind and id of a space; its models must be there and name this robot."""
        kind, _, space = open_space_id.removeprefix("dtv1.card//").partition(".")
        if kind not in DELIVER_MODELS or not space:
            raise ApiRefusal("param.openSpaceIdInvalid")
        if not isinstance(body.get(SPACE_MODELS[kind]), dict):
            raise ApiRefusal("param.spaceDeliverModelEmpty")
        model = body.get(DELIVER_MODELS[kind])
        if not isinstance(model, dict):
            raise ApiRefusal("param.openDeliverModelEmpty")
        if model.get("robotCode", None if kind == "IM_GROUP" else self._robot_code) != self._robot_code:
            raise ApiRefusal("invalidParameter.robotCode.notExsit")  # spelled as DingTalk spells it
        return kind, space

    def _show(self, body: Json, out_track_id: str, params: Json, kind: str, space: str) -> Json:
        room: Room | None = self._rooms.person(space) if kind == "IM_ROBOT" else self._rooms.group(space)
        if room is None:
            return {"spaceType": kind, "spaceId": space, "success": False, "errorMsg": "robot is not in the group"}
        callback = {name: body.get(name, "") for name in ("cardTemplateId", "callbackType", "callbackRouteKey")}
        self._rooms.show(room, out_track_id, {"msgtype": "card", **callback, "cardParamMap": params})
        carrier = uuid.uuid4().hex
        return {"spaceType": kind, "spaceId": space, "success": True, "carrierId": carrier, "errorMsg": ""}


def _card_params(body: Json) -> dict[str, str]:
    """Return cardParamMap; DingTalk takes string values only, and what is none is JSON in a string."""
    data = body.get("cardData")
    params = data.get("cardParamMap") if isinstance(data, dict) else None
    if not isinstance(params, dict) or not all(isinstance(value, str) for value in params.values()):
        raise ApiRefusal("param.cardDataInvalid", "cardParamMap takes string values only")
    if any(len(name.encode()) > MAX_KEY_BYTES for name in params):
        raise ApiRefusal("param.cardDataInvalid", "a key of cardParamMap has at most 100 bytes")
    for button in _buttons(params.get("sys_full_json_obj", "{}")):
        _check_button(button)
    return dict(params)


def _buttons(full: str) -> Iterator[Any]:
    try:
        variables = json.loads(full)
    except ValueError:
        raise ApiRefusal("param.cardDataInvalid", "sys_full_json_obj is no JSON") from None
    if not isinstance(variables, dict):
        raise ApiRefusal("param.cardDataInvalid", "sys_full_json_obj is no object")
    yield from variables.get("msgButtons") or []


def _check_button(button: Any) -> None:
    """A button opens an address or comes back under its id, to which DingTalk may append its index."""
    if not isinstance(button, dict) or not isinstance(button.get("text"), str):
        raise ApiRefusal("param.cardDataInvalid", "a button has a text")
    if isinstance(button.get("url"), str):
        return
    key = button.get("id")
    if not isinstance(key, str) or not key or key[-1].isdigit() or button.get("request") is not True:
        raise ApiRefusal("param.cardDataInvalid", "a button that comes back has an id without a digit at its end")
